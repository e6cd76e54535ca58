"""The store on Valkey or Redis (6.2 or later): one server, or the master that Sentinel names; for a Cluster see
`shared.store.valkey_cluster`.

A batch is one call of one script, whatever is in it: limits, keys, offsets, entries, trimming. So it costs one round
trip, is done as a whole or not at all, and goes by the server's clock. Batches of one store are carried out in the order
of calls, one at a time; reads go beside them.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, Protocol

from shared.errors import ConfigurationError, PenstockError, StoreAway
from shared.store import valkey_packing as packing
from shared.store.memory_logs import new_epoch
from shared.store.port import MAX_RECENT, Admit, Admitted, Log, Read, Store
from shared.store.valkey_errors import FAILURES, meaning
from shared.store.valkey_link import ANSWER_TIMEOUT, CONNECT_TIMEOUT, CONNECTIONS, SingleLink
from shared.store.valkey_packing import MAX_BATCH, Packing
from shared.store.valkey_scripts import ADMIT, READ, RECENT
from shared.store.valkey_url import Kind, StoreUrl, parse

CALL_TIMEOUT = CONNECT_TIMEOUT + ANSWER_TIMEOUT
"""Seconds for one call with everything around it, finding the server included."""

MAX_WAITING = 256
"""Calls of one store that may wait for their turn; a further one is refused at once."""

PREFIX = "penstock"
"""What all keys begin with."""


def open_store(url: str, prefix: str = PREFIX) -> Store:
    """Return the store at `url` (see `shared.store.valkey_url`), whose keys begin with `prefix`.

    It connects when it is used. Raises `ConfigurationError` for a URL that cannot be read.
    """
    where = parse(url)
    if where.kind is Kind.CLUSTER:
        from shared.store.valkey_cluster import ClusterStore

        return ClusterStore(where, prefix)
    return ValkeyStore(where, prefix)


class Resettable(Protocol):
    """A link."""

    async def reset(self) -> None:
        """Let go of the connections; the next call makes new ones."""


class Turns:
    """Whose turn it is to ask, and what comes of it when the store does not serve.

    `failures` counts calls that failed since the store was away, `refused` those that were not made since too many
    were waiting. Where the store turns us away by the configuration, that is a `ConfigurationError` until it has served
    once; from then on somebody is at work on it, and it is away.
    """

    def __init__(self, where: str, link: Resettable) -> None:
        self.failures = 0
        self.refused = 0
        self._where = where
        self._link = link
        self._one = asyncio.Semaphore(1)
        self._several = asyncio.Semaphore(CONNECTIONS - 1)
        self._waiting = 0
        self._served = False

    def in_order(self) -> AbstractAsyncContextManager[None]:
        """Wait for the one before; used around calls that must not overtake each other."""
        return self._turn(self._one)

    def beside(self) -> AbstractAsyncContextManager[None]:
        """Wait until there is a connection; used around calls that may overtake each other."""
        return self._turn(self._several)

    @asynccontextmanager
    async def _turn(self, turn: asyncio.Semaphore) -> AsyncIterator[None]:
        if self._waiting >= MAX_WAITING:
            self.refused += 1
            raise StoreAway(f"The store ({self._where}) is too slow: {MAX_WAITING} calls are waiting for it.")
        self._waiting += 1
        try:
            await turn.acquire()
        finally:
            self._waiting -= 1
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
            turn.release()

    def _failure(self, error: BaseException) -> PenstockError | None:
        failure = meaning(error, self._where)
        if failure is not None:
            self.failures += 1
        if self._served and isinstance(failure, ConfigurationError):
            return StoreAway(str(failure))
        return failure


class ValkeyStore:
    """See `shared.store.port.Store`."""

    def __init__(self, url: StoreUrl, prefix: str = PREFIX) -> None:
        self._packing = Packing(prefix)
        self._link = SingleLink(url)
        self.turns = Turns(url.where, self._link)

    async def admit(self, commands: Sequence[Admit], now: float) -> Sequence[Admitted]:
        """Carry out `commands` in their order. Of more than `MAX_BATCH`, one call's worth at a time."""
        if not commands:
            return ()
        pack, epoch = self._packing.command, new_epoch()
        # All are packed before the first is sent: one that cannot be packed leaves everything undone.
        batches = [
            self._packing.admit([pack(command) for command in commands[start : start + MAX_BATCH]], epoch)
            for start in range(0, len(commands), MAX_BATCH)
        ]
        answers: list[Any] = []
        async with self.turns.in_order():
            for batch in batches:
                answers += packing.answers(await self._link.call(ADMIT, batch))
        admitted = packing.admitted
        return [admitted(answer, command.limits) for answer, command in zip(answers, commands, strict=True)]

    async def read(self, reads: Sequence[Read], now: float) -> Sequence[Log]:
        """Read logs. Of more than `MAX_BATCH`, one call's worth at a time."""
        logs: list[Log] = []
        for start in range(0, len(reads), MAX_BATCH):
            batch = self._packing.read(reads[start : start + MAX_BATCH], new_epoch())
            async with self.turns.beside():
                answers = await self._link.call(READ, batch)
            logs += map(packing.log, answers)
        return logs

    async def recent(self, within: float, now: float) -> Sequence[str]:
        """Return the topics to whose logs something was appended in the last `within` seconds, newest first."""
        async with self.turns.beside():
            flat = await self._link.call(RECENT, packing.recent(self._packing.index, within, MAX_RECENT))
        return [topic.decode() for topic in flat[::2]]

    async def close(self) -> None:
        """Let go of the server."""
        await self._link.close()
