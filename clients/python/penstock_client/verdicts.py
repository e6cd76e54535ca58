"""From the protocol's codes to errors for people ◆

Error codes answer one request; close codes end a connection. The close codes' ranges carry their meaning: 4100-4199
say that something must change first, all others let a client come back. The names below only make the reason readable.
"""

from __future__ import annotations

from typing import Final

from . import errors

BAD_TOKEN: Final = 4101
TOKEN_EXPIRED: Final = 4102

RETRY_AFTER: Final = 1.0
"""Seconds until a request that was refused for now is repeated, when the gateway names no time."""

RETRYABLE: Final = frozenset({"rate_limited", "overloaded", "unavailable", "timeout"})
"""Error codes after which the same request may succeed later."""

_PUBLISH: Final[dict[str, type[errors.PublishError]]] = {
    "bad_request": errors.BadRequest,
    "unauthenticated": errors.Unauthenticated,
    "forbidden": errors.Forbidden,
    "not_found": errors.NotFound,
    "rate_limited": errors.RateLimited,
    "overloaded": errors.Overloaded,
    "unavailable": errors.Unavailable,
    "timeout": errors.OutcomeUnknown,
    "too_large": errors.TooLarge,
    "conflict": errors.Conflict,
    "internal": errors.Internal,
}

_CLOSED: Final[dict[int, tuple[type[errors.ConnectionFailed], str]]] = {
    4100: (errors.NotAuthenticated, "the gateway received no valid `connect` in time"),
    4101: (errors.BadToken, "the gateway refuses the token; check its key, algorithm and claims"),
    4102: (errors.TokenExpired, "the token has expired; give the client a function as `token` to have it renewed"),
    4103: (errors.Revoked, "the right to be connected was revoked; sign in anew"),
    4104: (errors.TooManyConnections, "there are too many connections already; close some, or raise the limit"),
    4105: (errors.Flooding, "this client sent more than it may; slow down before connecting again"),
    4106: (errors.BadFrame, "the gateway could not read a frame; client and gateway do not fit together"),
    4107: (errors.FrameTooLarge, "a message was larger than the gateway takes; lower `max_send_size`"),
}


def may_come_back(close_code: int | None) -> bool:
    """Say whether a client closed with `close_code` (None: no close frame came) may reconnect as it is."""
    return close_code is None or not 4100 <= close_code <= 4199


def stopped(close_code: int, reason: str) -> errors.ConnectionFailed:
    """Return the error that ends a client which was closed with a code of 4100-4199."""
    kind, hint = _CLOSED.get(close_code, (errors.ConnectionFailed, "something must change before a new attempt"))
    said = f" and said: {reason}" if reason else ""
    return kind(f"The gateway closed the connection with {close_code}{said}. In short: {hint}.", close_code=close_code)


def publish_failed(code: str, reason: str, retry_after: float | None, *, topic: str, key: str) -> errors.PublishError:
    """Return the error for a publish that was answered with `error`."""
    kind = _PUBLISH.get(code, errors.PublishError)
    if kind is errors.OutcomeUnknown:
        return outcome_unknown(reason or "the gateway had no answer from behind it in time", topic=topic, key=key)
    later = f"; try again in {retry_after:g} s" if retry_after is not None else ""
    message = f"Publishing on {topic!r} failed: {code} ({reason or 'no reason given'}){later}."
    return kind(message, code=code, reason=reason, retry_after=retry_after, topic=topic, key=key)


def outcome_unknown(why: str, *, topic: str, key: str) -> errors.OutcomeUnknown:
    """Return the error for a publish that was sent and not answered."""
    message = f"Whether the publish on {topic!r} was done is unknown: {why}. Repeat it with key={key!r}."
    return errors.OutcomeUnknown(message, code="timeout", reason=why, topic=topic, key=key)


def not_sent(why: str, *, topic: str, key: str) -> errors.Unavailable:
    """Return the error for a publish that never left this client."""
    message = f"The publish on {topic!r} was not sent: {why}."
    return errors.Unavailable(message, code="unavailable", reason=why, topic=topic, key=key)


def subscribe_failed(code: str, reason: str, retry_after: float | None, *, pattern: str) -> errors.SubscribeError:
    """Return the error for a subscription that the gateway refuses."""
    message = f"Subscribing to {pattern!r} failed: {code} ({reason or 'no reason given'})."
    return errors.SubscribeError(message, code=code, reason=reason, retry_after=retry_after)


def presence_failed(code: str, reason: str, retry_after: float | None, *, topic: str) -> errors.PresenceError:
    """Return the error for a question who is at a topic that was not answered."""
    message = f"Who is at {topic!r} is not known: {code} ({reason or 'no reason given'})."
    return errors.PresenceError(message, code=code, reason=reason, retry_after=retry_after)


def history_failed(code: str, reason: str, retry_after: float | None, *, topic: str) -> errors.HistoryError:
    """Return the error for a history that was not read."""
    message = f"Reading the history of {topic!r} failed: {code} ({reason or 'no reason given'})."
    return errors.HistoryError(message, code=code, reason=reason, retry_after=retry_after)
