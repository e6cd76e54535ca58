"""Brings events to the exchange ``penstock.events`` of a broker, as any AMQP publisher would."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from penstock.broker import opened, where
from penstock.emitting.event import Event
from shared.bus.port import Message
from shared.bus.topology import EVENTS
from shared.errors import Unroutable


async def emit(amqp_url: str, event: Event, count: int, every: float, confirmed: Callable[[str], None]) -> None:
    """Publish `event` `count` times, `every` seconds; tell `confirmed` by whom, each time.

    Raises `BusError` and `CommandError`.
    """
    broker = where(amqp_url)
    async with opened(amqp_url, "emit") as bus:
        for number in range(count):
            if number:
                await asyncio.sleep(every)
            # No timestamp: AMQP's is in whole seconds, and times of messages would go backwards beside those of others.
            message = Message(event.body, event.content_type, message_id=event.key)
            try:
                await bus.publish(EVENTS, event.topic, message, mandatory=True)
            except Unroutable as error:
                raise Unroutable(
                    f"The exchange {EVENTS} at {broker} leads nowhere or does not exist: start a router, "
                    "or declare it with `penstock topology apply`."
                ) from error
            confirmed(f"the broker at {broker}")
