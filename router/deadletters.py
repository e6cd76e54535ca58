"""What a dead letter looks like ◆

Its body is what could not be processed, unchanged, so that it can be replayed; why and whence are in its headers. The
origin's own headers stay behind: ``CC`` and ``BCC`` among them would add routes.
"""

from __future__ import annotations

from router.plan import DeadLetter, Outgoing
from shared.bus.port import HeaderValue, Message
from shared.bus.topology import DEAD

MAX_DETAIL = 500
"""Characters."""

_ATTEMPTS_BEFORE = "x-delivery-count"
"""A quorum queue's count of the times that a message came back."""


def outgoing(dead: DeadLetter, router: str, now: float) -> Outgoing:
    """Return the message for ``penstock.dead``; `now` is seconds since 1970."""
    origin = dead.origin
    before = origin.headers.get(_ATTEMPTS_BEFORE)
    headers: dict[str, HeaderValue] = {
        "x-penstock-reason": dead.reason.value,
        "x-penstock-detail": dead.detail[:MAX_DETAIL],
        "x-penstock-origin-exchange": origin.exchange,
        "x-penstock-origin-routing-key": origin.routing_key,
        "x-penstock-attempts": (before if isinstance(before, int) else 0) + 1,
        "x-penstock-router": router,
        "x-penstock-at": int(now * 1000),
    }
    message = Message(dead.body, origin.content_type, origin.message_id, origin.timestamp, headers)
    # The exchange is a fanout, and any key will do but an empty one, which brokers were seen to lead astray
    # (rabbitmq-server issue 16271).
    return Outgoing(DEAD, dead.reason.value, message)
