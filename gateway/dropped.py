"""Learns that deliveries to this gateway were dropped: they waited while it was too slow, and there were too many.

The broker puts what it drops into a queue that holds one message: that there is one says all.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable

from shared.bus.port import STOP_PATIENCE, Bus, Intake, Received, Source
from shared.bus.topology import dropped_queue

PAUSE = 5.0
"""Seconds between one time that a loss is told and the next: to look for what was lost is work, for who is slow."""


class DroppedWatch:
    """Calls `told` where something was dropped, at most once in `PAUSE`; always once more after the last loss."""

    def __init__(self, bus: Bus, boot_id: str, told: Callable[[], None]) -> None:
        self._bus = bus
        self._queue = dropped_queue(boot_id)
        self._told = told
        self._intake: Intake | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._loop = asyncio.get_running_loop()

    async def start(self) -> None:
        """Begin to watch; raise `BusAway` where there is no broker."""
        self._intake = await self._bus.consume((Source(self._queue, exclusive=True),), self._receive, prefetch=1)

    async def stop(self) -> None:
        """Watch no more."""
        if self._timer is not None:
            self._timer.cancel()
        if self._intake is not None:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(STOP_PATIENCE):
                    await self._intake.cancel()

    def _receive(self, received: Received) -> None:
        self._told()
        # Until then the broker keeps the last one that it dropped, and gives us no other.
        self._timer = self._loop.call_later(PAUSE, self._acknowledge, received)

    def _acknowledge(self, received: Received) -> None:
        if self._intake is not None:
            self._intake.ack(received)
