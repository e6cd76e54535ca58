"""Has the broker send what the slots' ledger asks for."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from gateway.slots import SlotLedger, slot_key
from shared.bus.port import Bus
from shared.bus.topology import DELIVER, gateway_queue
from shared.clock import monotonic
from shared.errors import BusAway

log = logging.getLogger(__name__)

SWEEP = 5.0
"""Seconds between two looks for slots that nobody needs any more."""


class SlotBinder:
    """Binds slots before subscriptions rely on them, in batches; unbinds those that have lingered long enough."""

    def __init__(self, bus: Bus, boot_id: str, *, linger: float) -> None:
        self._bus = bus
        self._queue = gateway_queue(boot_id)
        self._ledger = SlotLedger(linger)
        self._then: list[Callable[[], None]] = []
        self._wake = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin."""
        self._task = asyncio.create_task(self._run(), name="slot binder")

    async def stop(self) -> None:
        """End; the bindings go with the queue."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    def need(self, pattern: str, then: Callable[[], None]) -> None:
        """Call `then` as soon as everything that `pattern` matches arrives here: at once, where it does already."""
        key = slot_key(pattern)
        self._ledger.need(key)
        if key in self._ledger.bound:
            then()
            return
        self._then.append(then)
        self._wake.set()

    def release(self, pattern: str) -> None:
        """Note that one subscription less needs what `pattern` matches."""
        self._ledger.release(slot_key(pattern), monotonic())

    async def _run(self) -> None:
        while True:
            try:
                async with asyncio.timeout(SWEEP):
                    await self._wake.wait()
            except TimeoutError:
                await self._sweep()
                continue
            self._wake.clear()
            then, self._then = self._then, []
            keys = self._ledger.missing()
            try:
                await self._bus.bind(self._queue, DELIVER, keys)
            except BusAway:
                # The bus binds them when it is back; until then the uplink refuses what waits for them.
                log.debug("slots wait for the broker", extra={"event": "slots_wait", "slots": len(keys)})
            # Only now: whoever needs one of them while the broker is at work waits for it, too.
            self._ledger.bound.update(keys)
            for call in then:
                self._loop.call_soon(call)

    async def _sweep(self) -> None:
        keys = self._ledger.expired(monotonic())
        if not keys:
            return
        # Forgotten first: whoever needs one of them from now on asks for it anew, behind this.
        self._ledger.forget(keys)
        try:
            await self._bus.unbind(self._queue, DELIVER, keys)
        except BusAway:
            log.debug("slots are given up while the broker is away", extra={"event": "slots_wait", "slots": len(keys)})
