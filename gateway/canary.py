"""Finds out that deliveries cannot reach this gateway any more: somebody deleted their exchange, say, or a binding.

A router that finds its exchange missing makes it again, and publishes to it before any gateway is bound. Nothing tells
a gateway of that but a message to itself that does not get through.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from shared.bus.port import Bus, BusState, Message
from shared.bus.topology import DELIVER, gateway_queue
from shared.clock import monotonic
from shared.envelopes import VERSION, DeliveryBatch, pack
from shared.errors import BusError, ConfigurationError, PublishRefused, Unroutable

log = logging.getLogger(__name__)

EVERY = 5.0
"""Seconds between two messages."""

REFUSED_PAUSE = 300.0
"""Seconds until the next where the broker lets us send none, which costs the channel over which all else goes."""

_NOTHING = pack(DeliveryBatch(VERSION, []))


class Canary:
    """Sends itself an empty delivery again and again; `gone` is told since when (monotonic) none may have come.

    It binds its own key, and nobody else does: where everything is declared anew, for whatever reason, that what was
    there was gone must not be hidden by it.
    """

    def __init__(self, bus: Bus, boot_id: str, gone: Callable[[float], None]) -> None:
        self._bus = bus
        self._boot_id = boot_id
        self._gone = gone
        self._bound = False
        self._came_at = 0.0
        self._lost_since: float | None = None
        """Since when none may have come, until the key is bound again: what is deleted after that is noticed, too."""
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin; the gateway's queue is there."""
        self._bus.watch(self._bus_changed)
        self._task = asyncio.create_task(self._run(), name="canary")

    async def stop(self) -> None:
        """Send no more."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    def _bus_changed(self, state: BusState, cause: str) -> None:
        if state is BusState.AWAY:
            self._bound = False  # the binding went with the queue; whoever comes back looks at everything anyway

    async def _run(self) -> None:
        while True:
            pause = await self._fly()
            await asyncio.sleep(pause)

    async def _fly(self) -> float:
        """Send one; return the seconds until the next."""
        try:
            if not self._bound:
                await self._bus.bind(gateway_queue(self._boot_id), DELIVER, (self._boot_id,), lasting=False)
                self._bound, self._came_at = True, monotonic()
                if self._lost_since is not None:
                    since, self._lost_since = self._lost_since, None
                    self._gone(since)
            sent_at = monotonic()
            await self._bus.publish(DELIVER, self._boot_id, Message(_NOTHING, durable=False), mandatory=True)
        except Unroutable:
            if self._bound:  # else it is a connection that was lost
                self._bound, self._lost_since = False, self._came_at
                return 0.0
        except PublishRefused as refusal:
            log.warning(
                "This gateway may not publish to %s, and finds out late where its bindings are deleted: %s", DELIVER,
                refusal, extra={"event": "canary.refused"},
            )  # fmt: skip
            return REFUSED_PAUSE
        except (BusError, ConfigurationError) as error:
            log.debug("no canary: %s", error)
        else:
            self._came_at = sent_at
        return EVERY
