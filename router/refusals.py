"""How a router says no: to a client in an answer, to a back end by a dead letter ◆"""

from __future__ import annotations

from enum import StrEnum

from shared.codes import CloseCode, ErrorCode
from shared.envelopes import ConnectRequest, RefreshRequest
from shared.errors import TokenRefused
from shared.store.port import Admitted
from shared.topics import has_wildcard, is_pattern

QUOTED = 80
"""Characters of a client's own words that a reason repeats."""

STORE_RETRY_AFTER = 2.0
"""Seconds after which a client may try again what needs the store."""
BUSY_RETRY_AFTER = 1.0
"""Seconds after which a client may try again what one turn had no room for."""

_WHOSE = {"connection": "on this connection", "user": "by this user", "topic": "by this user on this topic"}


class Refusal(Exception):
    """A client's request is not done. `retry_after` is seconds; `close` is how the connection ends, where it does."""

    def __init__(
        self,
        code: ErrorCode,
        reason: str,
        *,
        retry_after: float | None = None,
        close: CloseCode | None = None,
    ) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason
        self.retry_after = retry_after
        self.close = close


class DeadReason(StrEnum):
    """Why a message went to ``penstock.dead``; its header ``x-penstock-reason``."""

    UNKNOWN_ORIGIN = "unknown_origin"
    UNREADABLE_BATCH = "unreadable_batch"
    UNREADABLE_REQUEST = "unreadable_request"
    EMPTY_TOPIC = "empty_topic"
    INVALID_TOPIC = "invalid_topic"
    UNKNOWN_CONTENT_TYPE = "unknown_content_type"
    BAD_PAYLOAD = "bad_payload"
    TOO_LARGE = "too_large"
    INTERNAL = "internal"
    DEADLY = "deadly"


class Unprocessable(Exception):
    """A message of which nothing can be made."""

    def __init__(self, reason: DeadReason, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason
        self.detail = detail


def not_a_topic(text: str) -> Refusal:
    """Return the refusal of a publish on `text`."""
    if is_pattern(text):
        return Refusal(ErrorCode.BAD_REQUEST, f"publish needs one topic, and {text} is a pattern")
    return Refusal(ErrorCode.BAD_REQUEST, f"not a topic: {text[:QUOTED]!r}")


def not_a_pattern(text: str) -> Refusal:
    """Return the refusal of a subscription to `text`."""
    return Refusal(ErrorCode.BAD_REQUEST, f"not a topic or pattern: {text[:QUOTED]!r}")


def no_right(to: str, topic: str) -> Refusal:
    """Return the refusal of what the token does not cover; `to` is a verb."""
    return Refusal(ErrorCode.FORBIDDEN, f"the token gives no right to {to} {topic}")


def expired() -> Refusal:
    """Return the refusal of a request that came with a token whose time is over."""
    return Refusal(ErrorCode.UNAUTHENTICATED, "the token has expired", close=CloseCode.TOKEN_EXPIRED)


def bad_token(refused: TokenRefused, request: ConnectRequest | RefreshRequest) -> Refusal:
    """Return the refusal of a bad token.

    It ends a connection that it was to open. One that was to be prolonged goes on until its own token ends.
    """
    close = CloseCode.TOKEN_EXPIRED if refused.expired else CloseCode.BAD_TOKEN
    opening = isinstance(request, ConnectRequest)
    return Refusal(ErrorCode.UNAUTHENTICATED, refused.reason, close=close if opening else None)


def no_keys(retry_after: float) -> Refusal:
    """Return the refusal of a token that cannot be checked just now."""
    return Refusal(
        ErrorCode.UNAVAILABLE, "the token cannot be checked now: its key is not here yet", retry_after=retry_after
    )


def too_fast(admitted: Admitted) -> Refusal:
    """Return the refusal of a publish that a rate forbids."""
    limit = admitted.refused_by
    assert limit is not None, "what is refused is refused by a limit"
    reason = f"more than {limit.rate:g} messages a second {_WHOSE[str(limit.key[0])]}"
    return Refusal(ErrorCode.RATE_LIMITED, reason, retry_after=admitted.retry_after)


def store_away() -> Refusal:
    """Return the refusal of what needs the store, which cannot be reached."""
    return Refusal(
        ErrorCode.UNAVAILABLE, "the store of this topic's messages is away just now", retry_after=STORE_RETRY_AFTER
    )


def store_unsure() -> Refusal:
    """Return the refusal of a publish that may stand in its log: the store was lost while it was asked."""
    reason = "the store of this topic's messages was lost while it was asked: whether it was published is not known"
    return Refusal(ErrorCode.TIMEOUT, reason, retry_after=STORE_RETRY_AFTER)


def too_many_heads() -> Refusal:
    """Return the refusal of a subscription to a pattern when others have asked for as much as can be told at once."""
    return Refusal(
        ErrorCode.OVERLOADED, "too many come back to patterns of many topics at once", retry_after=BUSY_RETRY_AFTER
    )


def no_history(topic: str) -> Refusal:
    """Return the refusal to read what `topic` does not keep."""
    return Refusal(ErrorCode.NOT_FOUND, f"{topic} keeps no history: its messages are for those who are there")


def no_presence(topic: str) -> Refusal:
    """Return the refusal to tell who is at `topic`, or joins and leaves it."""
    if is_pattern(topic) and has_wildcard(topic):
        return Refusal(ErrorCode.BAD_REQUEST, f"presence is told of one topic, and {topic} is a pattern")
    why = "its rule, as it was when the router started, does not say presence = true"
    return Refusal(ErrorCode.NOT_FOUND, f"{topic[:QUOTED]} has no presence: {why}")


def presence_away() -> Refusal:
    """Return the refusal of a question or a report about who is where, while the store is away."""
    return Refusal(
        ErrorCode.UNAVAILABLE, "the store that knows who is where is away just now", retry_after=STORE_RETRY_AFTER
    )


def not_one_topic(text: str, what: str = "history is read") -> Refusal:
    """Return the refusal to read the history of `text`, or `what` else there is of a topic alone."""
    if is_pattern(text):
        return Refusal(ErrorCode.BAD_REQUEST, f"{what} of one topic, and {text} is a pattern")
    return Refusal(ErrorCode.BAD_REQUEST, f"not a topic: {text[:QUOTED]!r}")


def internal() -> Refusal:
    """Return the refusal of a request that a fault of ours kept from being done."""
    return Refusal(ErrorCode.INTERNAL, "the router failed on this request; it was logged")


def failed_on(what: str) -> Unprocessable:
    """Say that we failed, and nobody else did."""
    return Unprocessable(DeadReason.INTERNAL, f"the router failed on {what}; its log says how")


def never_ended(attempts: int) -> Unprocessable:
    """Say that too many routers died at a message."""
    detail = (
        f"{attempts} times a router began to work on it alone, and died or lost its connection; so nobody worked on it "
        "any more"
    )
    return Unprocessable(DeadReason.DEADLY, detail)


def came_back(returns: int) -> Unprocessable:
    """Say that a message was too often in hand when a router died, where nobody knows who worked on it."""
    detail = (
        f"{returns} times routers that had it in hand died, or lost their connection, and no store knew whether they "
        "worked on it; so nobody worked on it any more"
    )
    return Unprocessable(DeadReason.DEADLY, detail)
