"""What a dead letter looks like ◆

Its body is what could not be processed, unchanged, so that it can be replayed; why and whence are in its headers. The
origin's own headers stay behind: ``CC`` and ``BCC`` among them would add routes. A letter can always be published: what
is too long for a property is in a header, cut.
"""

from __future__ import annotations

from router.plan import DeadLetter, Outgoing
from shared.bus.port import RETURNS_HEADER, HeaderValue, Message, Received
from shared.bus.topology import DEAD
from shared.bus.wire import MAX_SHORT

MAX_DETAIL = 500
"""Characters."""

MAX_ATTEMPTS = 1_000_000
"""Attempts that are told; a publisher may have written any number."""


def outgoing(dead: DeadLetter, router: str, now: float) -> Outgoing:
    """Return the message for ``penstock.dead``; `now` is seconds since 1970."""
    origin = dead.origin
    headers: dict[str, HeaderValue] = {
        "x-penstock-reason": dead.reason.value,
        "x-penstock-detail": dead.detail[:MAX_DETAIL],
        "x-penstock-origin-exchange": origin.exchange,
        "x-penstock-origin-routing-key": origin.routing_key,
        "x-penstock-attempts": _attempts(origin),
        "x-penstock-router": router,
        "x-penstock-at": int(now * 1000),
    }
    content_type = _property(headers, "content-type", origin.content_type)
    message_id = _property(headers, "message-id", origin.message_id)
    message = Message(dead.body, content_type, message_id, origin.timestamp, headers)
    # The exchange is a fanout, and any key will do but an empty one, which brokers were seen to lead astray
    # (rabbitmq-server issue 16271).
    return Outgoing(DEAD, dead.reason.value, message)


def _attempts(origin: Received) -> int:
    before = origin.headers.get(RETURNS_HEADER)
    return min(max(before, 0) if isinstance(before, int) else 0, MAX_ATTEMPTS - 1) + 1


def _property(headers: dict[str, HeaderValue], name: str, text: str | None) -> str | None:
    """Return a property of the origin, or None and put it into a header, cut, where it has grown too long.

    What was 200 bytes that are no UTF-8 is 600 bytes now: each is a character that stands for what cannot be read.
    """
    if text is None or len(text.encode()) <= MAX_SHORT:
        return text
    headers[f"x-penstock-origin-{name}"] = text[:MAX_DETAIL]
    return None
