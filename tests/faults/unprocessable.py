"""Messages that a router cannot process, in every documented way, and the dead letters that become of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import count
from typing import Any

import msgspec
import pika

from shared.bus.topology import DEAD, EVENTS, FRAMES, route_queue
from shared.envelopes import VERSION

TOO_LARGE = 200_000
"""Bytes; 128 KiB are allowed."""
TOO_DEEP = 100
"""Arrays in each other; 64 are allowed."""


@dataclass(frozen=True)
class Bad:
    """A message, and the `reason` for which it is to be dead; its `remains` are what the letter holds of it."""

    reason: str
    exchange: str
    routing_key: str
    body: bytes
    properties: dict[str, Any] = field(default_factory=dict)
    part: bytes | None = None

    @property
    def remains(self) -> bytes:
        return self.body if self.part is None else self.part


def one_of_each(topic: str, numbers: Iterator[int]) -> list[Bad]:
    """Return one of each kind; each has a body of its own."""

    def body(form: bytes = b'{"bad": %d}') -> bytes:
        return form % next(numbers)

    odd = msgspec.msgpack.encode([99, f"odd {next(numbers)}"])
    batch = [VERSION, "nobody", [], [msgspec.Raw(odd)]]
    return [
        Bad("empty_topic", EVENTS, "", body()),
        Bad("invalid_topic", EVENTS, "not a topic", body()),
        Bad("unknown_content_type", EVENTS, topic, body(), {"content_type": "image/png"}),
        Bad("bad_payload", EVENTS, topic, body(b'{"bad": %d'), {"content_type": "application/json"}),
        Bad("bad_payload", EVENTS, topic, b"[" * TOO_DEEP + body() + b"]" * TOO_DEEP),
        Bad("bad_payload", EVENTS, topic, body(b"%d \xff"), {"content_type": "text/plain"}),
        Bad("bad_payload", EVENTS, topic, b"\xdd\xff\xff" + body(), {"content_type": "application/msgpack"}),
        Bad("too_large", EVENTS, topic, body(b'"%d' + b"x" * TOO_LARGE + b'"')),
        Bad("unknown_origin", "", route_queue(next(numbers) % 16), body()),
        Bad("unreadable_batch", FRAMES, "3", b"\xc1" + body()),
        Bad("unreadable_request", FRAMES, "5", msgspec.msgpack.encode(batch), part=odd),
    ]


def send(url: str, several: list[Bad]) -> None:
    """Publish them, and wait for the confirms."""
    connection = pika.BlockingConnection(pika.URLParameters(url))
    try:
        channel = connection.channel()
        channel.confirm_delivery()
        for bad in several:
            properties = pika.BasicProperties(**bad.properties)
            channel.basic_publish(bad.exchange, bad.routing_key, bad.body, properties, mandatory=True)
    finally:
        connection.close()


@dataclass(frozen=True)
class Letter:
    """A dead letter. `attempts` is 0 where the broker made it, as the dead-letter queue took none from a router."""

    reason: str
    body: bytes
    attempts: int


def collect(url: str, queue: str = DEAD) -> list[Letter]:
    """Take all dead letters away."""
    found = []
    connection = pika.BlockingConnection(pika.URLParameters(url))
    try:
        channel = connection.channel()
        while (got := channel.basic_get(queue, auto_ack=True))[0] is not None:
            _, properties, body = got
            headers = properties.headers or {}
            reason = str(headers.get("x-penstock-reason", BY_BROKER))
            found.append(Letter(reason, bytes(body), int(headers.get("x-penstock-attempts", 0))))
    finally:
        connection.close()
    return found


BY_BROKER = "the broker's own"


def bad_ones(topics: list[str], rounds: int) -> list[Bad]:
    """Return `rounds` of each kind, on `topics` in turns."""
    numbers = count(1)
    return [bad for number in range(rounds) for bad in one_of_each(topics[number % len(topics)], numbers)]
