"""How a session says no: the error frames of its own making ◆"""

from __future__ import annotations

from math import ceil
from typing import TypeVar

from msgspec import UNSET, UnsetType

from gateway.early import Early
from gateway.effects import Count, Effect, End, Send
from gateway.flood import FRAME_BYTES
from shared import frames
from shared.codes import CloseCode, ErrorCode, may_come_back
from shared.topics import has_wildcard, is_pattern, is_topic

T = TypeVar("T")

RETRY_AFTER = 1.0
"""Seconds after which a client that has too much in flight may try again."""

QUOTED = 80
"""Characters of a client's own words that an error repeats."""


def given(value: T | None) -> T | UnsetType:
    """Return the value of a frame's optional field."""
    return UNSET if value is None else value


def error(request: int | None, code: str, reason: str, retry_after: float | None = None) -> Send:
    """Return an error frame, with an `ErrorCode` or one that only newer routers know; `retry_after` is seconds."""
    wait = None if retry_after is None else ceil(retry_after * 1000) / 1000
    return Send(frames.Error(str(code), reason, id=given(request), retry_after=given(wait)))


def ended(topic: str, reason: str) -> Send:
    """Return what tells a client that a subscription of it ended."""
    return Send(frames.Error(ErrorCode.FORBIDDEN.value, reason, topic=topic))


def close_code(number: int) -> CloseCode:
    """Return the close code that a router named; for one that only newer routers know, a plain one of its range."""
    try:
        return CloseCode(number)
    except ValueError:
        return CloseCode.INTERNAL if may_come_back(number) else CloseCode.REVOKED


def out_of_place(frame: frames.AnyClientFrame) -> Send:
    """Return the answer to a frame that its session's state does not allow."""
    if isinstance(frame, frames.Connect):
        return error(frame.id, ErrorCode.CONFLICT, "connect was sent already; to change the token use refresh")
    request = None if isinstance(frame, frames.Pong) else frame.id
    return error(request, ErrorCode.UNAUTHENTICATED, "send connect first")


def misnamed(frame: Early) -> Send | None:
    """Return the answer to a frame that names what can be no topic or pattern; None where nothing is wrong."""
    match frame:
        case frames.Publish() | frames.History() | frames.Presence() if not is_topic(frame.topic):
            kind = str(frame.__struct_config__.tag)
            return error(frame.id, ErrorCode.BAD_REQUEST, not_a_topic(frame.topic, kind))
        case frames.Subscribe() if not is_pattern(frame.topic):
            return error(frame.id, ErrorCode.BAD_REQUEST, f"not a topic or pattern: {frame.topic[:QUOTED]!r}")
        case frames.Subscribe() if frame.tail and has_wildcard(frame.topic):
            return error(frame.id, ErrorCode.BAD_REQUEST, f"tail needs one topic, and {frame.topic} is a pattern")
        case frames.Unsubscribe() if not is_pattern(frame.topic):
            return not_subscribed(frame)
    return None


def not_subscribed(frame: frames.Unsubscribe) -> Send:
    """Return the answer to the end of a subscription that is not there."""
    return error(frame.id, ErrorCode.NOT_FOUND, f"not subscribed to {frame.topic[:QUOTED]!r}")


def flooded(frame: frames.AnyClientFrame | None, rate: float, wait: float) -> list[Effect]:
    """Return the answer to a frame that came too fast, or to a message that was not even read."""
    request = None if frame is None or isinstance(frame, frames.Pong) else frame.id
    reason = f"more than {rate:g} frames a second"
    if frame is None:
        reason += f", as which {FRAME_BYTES} bytes of a large message count; it was not read"
    return [error(request, ErrorCode.RATE_LIMITED, reason, wait), Count("rate_limited")]


def not_a_topic(text: str, kind: str) -> str:
    """Say why a request of this kind cannot be about `text`."""
    if is_pattern(text) and has_wildcard(text):
        return f"{kind} needs one topic, and {text} is a pattern"
    return f"not a topic: {text[:QUOTED]!r}"


def unanswered(frame: frames.Connect | Early) -> Send:
    """Return the answer to a request whose number is in use."""
    return error(frame.id, ErrorCode.CONFLICT, f"request {frame.id} is not answered yet; choose another id")


def taken_back(request: int, topic: str) -> Send:
    """Return the answer to a subscribe that an unsubscribe has overtaken."""
    return error(request, ErrorCode.CONFLICT, f"the subscription to {topic} was taken back meanwhile")


def overrun(topic: str) -> End:
    """Return the end of a client for which more came than can be held while it joins."""
    return End(CloseCode.SLOW, f"too much came on {topic} while it was being joined")


def too_many(frame: Early, reason: str) -> list[Effect]:
    """Return the answer to a request for which there is no room."""
    return [error(frame.id, ErrorCode.OVERLOADED, reason, RETRY_AFTER), Count("too_many_pending")]
