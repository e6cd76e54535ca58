"""Follows events at a broker, with a queue of its own bound to ``penstock.events``, as any back end may.

What clients publish is not there: it goes from their gateway to the routers.
"""

from __future__ import annotations

import asyncio
import base64
import json
import secrets
from collections import deque
from collections.abc import Callable, Sequence

from penstock.broker import opened, where
from penstock.listening.heard import Heard
from shared.bus.port import BusState, Received, Source
from shared.bus.topology import EVENTS, Binding, Exchange, ExchangeKind, Overflow, Queue, QueueKind, Topology
from shared.clock import wall

MESSAGES = 1_000
BYTES = 16 * 2**20
"""Bounds of the queue; a listener that is slower loses the oldest."""

PREFETCH = 200


async def listen(
    amqp_url: str, patterns: Sequence[str], heard: Callable[[Heard], bool], notice: Callable[[str], None]
) -> None:
    """Follow `patterns` until `heard` returns False. Raises `CommandError` and `ConfigurationError`."""
    queue = Queue(
        f"penstock.listen.{secrets.token_hex(8)}", QueueKind.CLASSIC, MESSAGES, BYTES, Overflow.DROP_HEAD, True
    )
    topology = Topology(
        exchanges=(Exchange(EVENTS, ExchangeKind.TOPIC),),
        queues=(queue,),
        bindings=tuple(Binding(EVENTS, queue.name, pattern) for pattern in patterns),
    )
    came: deque[Received] = deque(maxlen=PREFETCH)  # the prefetch keeps it from being full
    something = asyncio.Event()

    def take(received: Received) -> None:
        came.append(received)
        something.set()

    leaving = False

    def changed(state: BusState, cause: str) -> None:
        if not leaving:  # our own close is no news
            notice("the broker is back" if state is BusState.READY else f"the broker is {state.value}: {cause}")

    async with opened(amqp_url, "listen") as bus:
        bus.watch(changed)
        await bus.declare(topology)
        intake = await bus.consume([Source(queue.name, exclusive=True)], take, prefetch=PREFETCH)
        notice(f"listening at {where(amqp_url)}, exchange {EVENTS}; Ctrl-C ends it")
        try:
            while True:
                await something.wait()
                something.clear()
                while came:
                    received = came.popleft()
                    intake.ack(received)
                    if not heard(as_heard(received, wall())):
                        return
        finally:
            leaving = True


def as_heard(received: Received, now: float) -> Heard:
    """Read an event as a router would: JSON unless it says otherwise; what cannot be read is shown as base64."""
    data: object
    encoding = None
    kind = (received.content_type or "application/json").split(";")[0].strip().lower()
    try:
        if kind == "application/json":
            data = json.loads(received.body)
        elif kind.startswith("text/"):
            data = received.body.decode()
        else:
            raise ValueError(kind)
    except (ValueError, RecursionError):
        data, encoding = base64.b64encode(received.body).decode(), "base64"
    at = int((received.timestamp or now) * 1000)
    return Heard(received.routing_key, data, at, encoding, key=received.message_id)
