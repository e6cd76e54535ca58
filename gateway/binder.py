"""Has the broker send what the slots' ledger asks for."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
from collections.abc import Awaitable, Callable
from functools import partial

from gateway.counters import Counters
from gateway.slots import SlotLedger, slot_key
from shared.backoff import full_jitter
from shared.bus import topology
from shared.bus.port import Bus
from shared.bus.topology import DELIVER, gateway_queue
from shared.clock import monotonic
from shared.errors import BusAway, BusError, ConfigurationError

log = logging.getLogger(__name__)

SWEEP = 5.0
"""Seconds between two looks for slots that nobody needs any more."""

RENEWAL = 30.0
"""Seconds between two times that every binding is asked for again: it is gone where its exchange was deleted."""

RETRY_CAP = 5.0
"""Seconds; the longest pause after an order that the broker refused."""


class SlotBinder:
    """Binds slots before subscriptions rely on them, in batches; unbinds those that have lingered long enough.

    What the broker refuses is asked for again, and the topology with it: somebody may have deleted a part of it.
    Meanwhile no slot counts as bound that is not. Whoever waits for one longer than `patience` seconds has been given
    another answer, and is forgotten.
    """

    def __init__(self, bus: Bus, boot_id: str, counters: Counters, *, linger: float, patience: float) -> None:
        self._bus = bus
        self._boot_id = boot_id
        self._queue = gateway_queue(boot_id)
        self._counters = counters
        self._ledger = SlotLedger(linger)
        self._patience = patience
        self._then: list[tuple[float, Callable[[], None]]] = []
        """Who waits, and until when: no more than the requests that clients may have without an answer."""
        self._wake = asyncio.Event()
        self._refused = 0
        """Orders that were refused, one after the other."""
        self._sweep_at = monotonic() + SWEEP
        self._renew_at = monotonic() + RENEWAL
        self._doubted = False
        self._renewed: Callable[[], None] | None = None
        self._loop = asyncio.get_running_loop()
        self._task: asyncio.Task[None] | None = None

    @property
    def works(self) -> bool:
        """Say whether subscriptions get what they ask for."""
        return self._task is not None and not self._task.done() and not self._refused

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
        self._then.append((monotonic() + self._patience, then))
        self._wake.set()

    def release(self, pattern: str) -> None:
        """Note that one subscription less needs what `pattern` matches."""
        self._ledger.release(slot_key(pattern), monotonic())

    def renew(self, then: Callable[[], None]) -> None:
        """Ask for every binding again, now, and call `then` when all are there; at most one such call waits."""
        self._renewed = self._renewed or then
        self._renew_at = monotonic()
        self._wake.set()

    def doubt(self) -> None:
        """Look soon whether answers can reach us, for none does: their binding went with its exchange, it may be."""
        self._doubted = True

    async def _run(self) -> None:
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(SWEEP):
                    await self._wake.wait()
            if self._wake.is_set():
                self._wake.clear()
                await self._bind()
            if monotonic() >= self._sweep_at:
                self._sweep_at = monotonic() + SWEEP
                await self._sweep()
                if self._doubted:
                    self._doubted = False
                    await self._order(partial(self._bus.declare, topology.gateway(self._boot_id)))
            if monotonic() >= self._renew_at:
                self._renew_at = monotonic() + RENEWAL
                await self._renew_all()

    async def _bind(self) -> None:
        then, self._then = self._then, []
        keys = self._ledger.missing()
        if keys and not await self._order(partial(self._bus.bind, self._queue, DELIVER, keys)):
            now = monotonic()
            self._then[:0] = [(until, call) for until, call in then if until > now]
            return
        # Only now: whoever needs one of them while the broker is at work waits for it, too.
        self._ledger.bound.update(keys)
        for _, call in then:
            self._loop.call_soon(call)

    async def _sweep(self) -> None:
        keys = self._ledger.expired(monotonic())
        if keys:
            # Forgotten first: whoever needs one of them from now on asks for it anew, behind this.
            self._ledger.forget(keys)
            await self._order(partial(self._bus.unbind, self._queue, DELIVER, keys))

    async def _renew_all(self) -> None:
        stands = await self._order(self._renew)
        if self._renewed is None:
            return
        if stands:
            then, self._renewed = self._renewed, None
            then()
        else:
            self._renew_at = monotonic()  # the order has paused already

    async def _renew(self) -> None:
        await self._bus.declare(topology.gateway(self._boot_id))
        await self._bus.bind(self._queue, DELIVER, list(self._ledger.bound))

    async def _order(self, order: Callable[[], Awaitable[None]]) -> bool:
        """Give the broker an order; say whether it stands, now or as soon as there is a broker.

        Where it is refused a part of the topology may be gone: after a pause all of it is declared.
        """
        if await self._is_taken(order):
            return True
        await asyncio.sleep(full_jitter(self._refused, random.random(), cap=RETRY_CAP))
        if await self._is_taken(self._declare):
            self._ledger.bound.clear()  # bindings go with either of their ends: all that are needed are missing now
        self._wake.set()
        return False

    async def _declare(self) -> None:
        await self._bus.declare(topology.common())
        await self._bus.declare(topology.gateway(self._boot_id))

    async def _is_taken(self, order: Callable[[], Awaitable[None]]) -> bool:
        try:
            await order()
        except BusAway:
            # The bus has it done when it is back; until then the uplink refuses what waits for it.
            log.debug("slots wait for the broker", extra={"event": "slots_wait"})
        except (BusError, ConfigurationError) as refusal:
            self._refused += 1
            self._counters.bindings_refused += 1
            log.warning("the broker binds no slots: %s", refusal, extra={"event": "slots_refused"})
            return False
        self._refused = 0
        return True
