"""Whose turn it is to ask a store over the network, for how long, and what comes of it when it does not serve."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Protocol

from shared.clock import monotonic
from shared.errors import ConfigurationError, PenstockError, StoreAway
from shared.store.counters import StoreCounters
from shared.store.valkey_errors import FAILURES, meaning
from shared.store.valkey_link import ANSWER_TIMEOUT, CONNECT_TIMEOUT, CONNECTIONS

CALL_TIMEOUT = CONNECT_TIMEOUT + ANSWER_TIMEOUT
"""Seconds for one call with everything around it, finding the server included."""

MAX_WAITING = 256
"""Calls of one store that may wait for their turn; a further one is refused at once."""


class Resettable(Protocol):
    """A link."""

    async def reset(self) -> None:
        """Let go of the connections; the next call makes new ones."""


class Turns:
    """Whose turn it is to ask, and what comes of it when the store does not serve.

    `counters` counts the calls, those that failed since the store was away, and those that were not made since too many
    were waiting. Where the store turns us away by the configuration, that is a `ConfigurationError` until it has served
    once; from then on somebody is at work on it, and it is away.
    """

    def __init__(self, where: str, link: Resettable) -> None:
        self.counters = StoreCounters()
        self._where = where
        self._link = link
        self._one = asyncio.Semaphore(1)
        self._several = asyncio.Semaphore(CONNECTIONS - 1)
        self._waiting = 0
        self._served = False

    def in_order(self, kind: str, items: int = 1) -> AbstractAsyncContextManager[None]:
        """Wait for the one before; used around calls that must not overtake each other."""
        return self._turn(self._one, kind, items)

    def beside(self, kind: str, items: int = 1) -> AbstractAsyncContextManager[None]:
        """Wait until there is a connection; used around calls that may overtake each other."""
        return self._turn(self._several, kind, items)

    @asynccontextmanager
    async def _turn(self, turn: asyncio.Semaphore, kind: str, items: int) -> AsyncIterator[None]:
        if self._waiting >= MAX_WAITING:
            self.counters.refused += 1
            raise StoreAway(f"The store ({self._where}) is too slow: {MAX_WAITING} calls are waiting for it.")
        self._waiting += 1
        try:
            await turn.acquire()
        finally:
            self._waiting -= 1
        self.counters.count(kind, items)
        began = monotonic()
        try:
            async with asyncio.timeout(CALL_TIMEOUT):
                yield
            self._served = True
        except FAILURES as error:
            failure = self._failure(error)
            if failure is None:
                raise
            await self._link.reset()
            raise failure from error
        finally:
            self.counters.seconds += monotonic() - began
            turn.release()

    def _failure(self, error: BaseException) -> PenstockError | None:
        failure = meaning(error, self._where)
        if failure is not None:
            self.counters.failures += 1
        if self._served and isinstance(failure, ConfigurationError):
            return StoreAway(str(failure))
        return failure
