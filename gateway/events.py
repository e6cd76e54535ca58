"""The emit door over HTTP: what ``POST /api/events/{topic}`` brings goes to the exchange that AMQP publishers use."""

from __future__ import annotations

from gateway.counters import Counters
from shared.bus.port import Bus, Message
from shared.bus.topology import EVENTS
from shared.errors import BusError


class EventDoor:
    """Publishes events for those who do not speak AMQP, with the same guarantee: accepted means confirmed."""

    def __init__(self, bus: Bus, counters: Counters) -> None:
        self._bus = bus
        self._counters = counters

    async def emit(
        self, topic: str, body: bytes, content_type: str, message_id: str | None, traceparent: str | None
    ) -> None:
        """Publish one event and wait for the broker's confirm; raise a `BusError` where it did not take it."""
        headers = {} if traceparent is None else {"traceparent": traceparent}
        message = Message(body, content_type, message_id, headers=headers)
        try:
            await self._bus.publish(EVENTS, topic, message, mandatory=True)
        except BusError:
            self._counters.events_refused += 1
            raise
        self._counters.events_emitted += 1
