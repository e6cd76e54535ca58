"""A well-behaved client beside the bad ones, who must not notice them."""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import Awaitable, Callable
from typing import Any

from tests.support.client import Client
from tests.support.eventually import eventually

TOPIC = "neighbour.news"
QUIET = 10
"""Messages before the test begins, and the least after it."""

SLOWER = 10
"""How many times as long as in quiet a message may take, in the middle of all: the order of its latency stays."""

ALWAYS_FINE = 0.1
WORST = 3.0
"""Seconds. Tests run beside one another on few cores, and the attacker on that of its victim."""


class Neighbour:
    """Hears one message after the other, from before its ``async with`` to after it: all, in order, in time."""

    def __init__(self, arrive: Callable[[], Awaitable[Client]], emit: Callable[[str, Any], Awaitable[None]]) -> None:
        self._arrive = arrive
        self._emit = emit
        self._heard: list[float] = []
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Neighbour:
        self.client = await self._arrive()
        self._task = asyncio.create_task(self._listen())
        await self.hears_more()
        self._quiet = statistics.median(self._heard)
        self._heard_in_quiet = len(self._heard)
        return self

    async def __aexit__(self, kind: type[BaseException] | None, *_: object) -> None:
        assert self._task is not None
        try:
            if kind is None:
                await self.hears_more()
                self._was_not_kept_waiting()
        finally:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def hears_more(self) -> None:
        """Wait until it has heard some more."""
        wanted = len(self._heard) + QUIET
        assert self._task is not None
        await eventually(lambda: len(self._heard) >= wanted or self._task.done())
        if self._task.done():
            self._task.result()

    async def _listen(self) -> None:
        while True:
            number, sent = len(self._heard), time.monotonic()
            await self._emit(TOPIC, number)
            message = await self.client.message()
            assert (message["topic"], message["data"]) == (TOPIC, number)
            self._heard.append(time.monotonic() - sent)
            await asyncio.sleep(0.005)

    def _was_not_kept_waiting(self) -> None:
        waits = self._heard[self._heard_in_quiet :]
        middle = statistics.median(waits)
        assert middle <= max(SLOWER * self._quiet, ALWAYS_FINE), f"{middle:.3f} s, and in quiet {self._quiet:.3f} s"
        assert max(waits) <= WORST, f"{max(waits):.3f} s"
