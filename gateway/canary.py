"""Finds out that deliveries cannot reach this gateway any more: somebody deleted their exchange, say, or a binding.

A router that finds its exchange missing makes it again, and publishes to it before any gateway is bound. Nothing tells
a gateway of that but a message to itself that does not get through.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from shared.bus.port import Bus, Message
from shared.bus.topology import DELIVER
from shared.clock import monotonic
from shared.envelopes import VERSION, DeliveryBatch, pack
from shared.errors import BusError, Unroutable

EVERY = 5.0
"""Seconds between two messages."""

_NOTHING = pack(DeliveryBatch(VERSION, []))


class Canary:
    """Sends itself an empty delivery again and again; `gone` is told since when (monotonic) none may have come."""

    def __init__(self, bus: Bus, boot_id: str, gone: Callable[[float], None]) -> None:
        self._bus = bus
        self._boot_id = boot_id
        self._gone = gone
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin; what is sent must be able to come by now."""
        self._task = asyncio.create_task(self._run(), name="canary")

    async def stop(self) -> None:
        """Send no more."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self) -> None:
        came_at = monotonic()
        while True:
            sent_at = monotonic()
            message = Message(_NOTHING, durable=False)
            try:
                await self._bus.publish(DELIVER, self._boot_id, message, mandatory=True)
            except Unroutable:
                self._gone(came_at)
            except BusError:
                pass  # there is no connection, or nobody knows: who comes back looks at everything anyway
            else:
                came_at = sent_at
            await asyncio.sleep(EVERY)
