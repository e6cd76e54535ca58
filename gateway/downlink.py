"""From the routers to the sessions: deliveries, answers and orders."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable

from gateway.counters import Counters
from shared import envelopes
from shared.attending import Notice
from shared.bus.port import STOP_PATIENCE, Bus, Intake, Received, Source
from shared.bus.topology import CONTROL, gateway_queue, replies_queue
from shared.errors import MalformedEnvelope

log = logging.getLogger(__name__)

PREFETCH = 128
"""Envelopes that the broker may have sent and we have not handled."""


class Downlink:
    """Reads the two queues of a gateway and hands on what is in them."""

    def __init__(
        self,
        bus: Bus,
        boot_id: str,
        counters: Counters,
        *,
        deliver: Callable[[envelopes.Entry], None],
        answer: Callable[[envelopes.AnyReply], None],
        kick: Callable[[envelopes.Kick], None],
        notice: Callable[[Notice], None],
    ) -> None:
        self._bus = bus
        self._deliveries, self._replies = gateway_queue(boot_id), replies_queue(boot_id)
        self._counters = counters
        self._deliver, self._answer, self._kick, self._notice = deliver, answer, kick, notice
        self._intake: Intake | None = None
        self._last: Received | None = None
        self._loop = asyncio.get_running_loop()

    async def start(self) -> None:
        """Begin to read; raise `BusAway` where there is no broker."""
        sources = (Source(self._deliveries, exclusive=True), Source(self._replies, exclusive=True))
        self._intake = await self._bus.consume(sources, self._receive, prefetch=PREFETCH)

    async def stop(self) -> None:
        """Read no more; a bus that does not answer has `STOP_PATIENCE` seconds, for it will be closed anyway."""
        if self._intake is not None:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(STOP_PATIENCE):
                    await self._intake.cancel()

    def _receive(self, received: Received) -> None:
        try:
            self._handle(received)
        except MalformedEnvelope as error:
            # What our own routers sent cannot be read: a version too new, or another's message.
            self._counters.envelopes_malformed += 1
            log.warning("unreadable envelope from the bus", extra={"event": "envelope_malformed", "reason": str(error)})
        if self._last is None:
            self._loop.call_soon(self._acknowledge)
        self._last = received

    def _handle(self, received: Received) -> None:
        if received.queue == self._deliveries:
            batch = envelopes.read_deliveries(received.body)
            for entry in batch.items:
                self._deliver(entry)
            for notice in batch.notices:
                self._notice(notice)
        elif received.exchange == CONTROL:
            self._kick(envelopes.read_kick(received.body))
        else:
            for reply in envelopes.read_replies(received.body).items:
                self._answer(reply)

    def _acknowledge(self) -> None:
        last, self._last = self._last, None
        if last is not None and self._intake is not None:
            self._intake.ack(last, through=True)
