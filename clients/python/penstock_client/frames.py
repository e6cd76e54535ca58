"""The frames of penstock.v1 as this client writes and reads them ◆

A frame is a map; its field ``type`` names it. Unknown fields are ignored, and so are unknown types: a newer gateway may
say more than we know. A field that is there and is not what the protocol says raises `ProtocolError`.
"""

from __future__ import annotations

import base64
import binascii
import json
from typing import Any, TypeVar

from .errors import ProtocolError
from .messages import Gap, History, Message, Position, Receipt
from .presence import Member, Presence

MAX_FRAMES_PER_MESSAGE = 128
"""Frames that may be sent as one array."""

_Kind = TypeVar("_Kind")


def connect(number: int, token: str, name: str, version: str) -> dict[str, Any]:
    """Return the first frame: who is there."""
    return {"type": "connect", "id": number, "token": token, "client": {"name": name, "version": version}}


def subscribe(
    number: int, pattern: str, since: dict[str, Any] | None, tail: int | None, *, presence: bool = False
) -> dict[str, Any]:
    """Return a request for a topic, or for all topics of a pattern; `since` is where it left off.

    With `presence` it is told who joins and leaves.
    """
    frame: dict[str, Any] = {"type": "subscribe", "id": number, "topic": pattern}
    if since is not None:
        frame["from"] = since
    elif tail is not None:
        frame["tail"] = tail
    if presence:
        frame["presence"] = True
    return frame


def place(position: Position) -> dict[str, Any]:
    """Return a position as it travels."""
    return {"epoch": position.epoch, "offset": position.offset}


def unsubscribe(number: int, pattern: str) -> dict[str, Any]:
    """Return the withdrawal of a subscription."""
    return {"type": "unsubscribe", "id": number, "topic": pattern}


def publish(number: int, topic: str, data: Any, key: str) -> dict[str, Any]:
    """Return a request to send `data` to all who are subscribed to `topic`."""
    return {"type": "publish", "id": number, "topic": topic, "data": data, "key": key}


def history(number: int, topic: str, limit: int, before: int | None, after: int | None) -> dict[str, Any]:
    """Return a request for what a topic has kept."""
    frame: dict[str, Any] = {"type": "history", "id": number, "topic": topic, "limit": limit}
    if before is not None:
        frame["before"] = before
    if after is not None:
        frame["after"] = after
    return frame


def presence(number: int, topic: str) -> dict[str, Any]:
    """Return the question who is at a topic."""
    return {"type": "presence", "id": number, "topic": topic}


def refresh(number: int, token: str) -> dict[str, Any]:
    """Return a new token's frame."""
    return {"type": "refresh", "id": number, "token": token}


def pong() -> dict[str, Any]:
    """Return the answer to a ping."""
    return {"type": "pong"}


def required(frame: dict[str, Any], name: str, kind: type[_Kind]) -> _Kind:
    """Return a field that must be there."""
    value = frame.get(name)
    if not isinstance(value, kind):
        raise ProtocolError(f"The gateway sent {frame.get('type')!r} without a proper {name!r}.")
    return value


def optional(frame: dict[str, Any], name: str, kind: type[_Kind]) -> _Kind | None:
    """Return a field, or None where it is absent."""
    return None if frame.get(name) is None else required(frame, name, kind)


def seconds(frame: dict[str, Any], name: str) -> float | None:
    """Return a duration of 0 s or more, or None where it is absent."""
    value = frame.get(name)
    if value is None:
        return None
    if not isinstance(value, int | float) or not 0 <= value < float("inf"):
        raise ProtocolError(f"The gateway sent {frame.get('type')!r} without a proper {name!r}.")
    return float(value)


def error(frame: dict[str, Any]) -> tuple[str, str, float | None]:
    """Return code, reason and the seconds to wait of an `error`."""
    return required(frame, "code", str), optional(frame, "reason", str) or "", seconds(frame, "retry_after")


def receipt(frame: dict[str, Any]) -> Receipt:
    """Return what an `ok` says of a publish."""
    return Receipt(offset=optional(frame, "offset", int), epoch=optional(frame, "epoch", str))


def position(frame: dict[str, Any]) -> Position | None:
    """Return the place that a frame names, or None where it names none."""
    epoch, offset = optional(frame, "epoch", str), optional(frame, "offset", int)
    return None if epoch is None or offset is None else Position(epoch, offset)


def read(frame: dict[str, Any]) -> History:
    """Return what a `result` holds of a topic's history."""
    epoch, kept = required(frame, "epoch", str), required(frame, "messages", list)
    if not all(isinstance(each, dict) for each in kept):
        raise ProtocolError("The gateway sent a history of something that is no message.")
    messages = tuple(message(each, epoch) for each in kept)
    return History(messages, epoch, required(frame, "offset", int))


def there(frame: dict[str, Any]) -> Presence:
    """Return who a `result` says is at a topic."""
    listed = required(frame, "members", list)
    return Presence(tuple(map(_member, listed)), required(frame, "count", int))


def member(frame: dict[str, Any]) -> tuple[str, Member]:
    """Return the topic and the member that a `joined` or `left` tells of."""
    return required(frame, "topic", str), _member(frame.get("member"))


def _member(value: Any) -> Member:
    if not isinstance(value, dict):
        raise ProtocolError("The gateway sent a member that is none.")
    return Member(required(value, "user", str), required(value, "session", str), value.get("info"))


def gap(frame: dict[str, Any]) -> Gap:
    """Return the hole that a `gap` announces."""
    return Gap(
        topic=required(frame, "topic", str),
        cause=required(frame, "cause", str),
        offset=optional(frame, "offset", int),
        epoch=optional(frame, "epoch", str),
    )


def message(frame: dict[str, Any], known_epoch: str | None) -> Message:
    """Return the message in a `message` frame.

    The epoch comes with the first message of an epoch only; `known_epoch` is what later ones leave out.
    """
    data = frame.get("data")
    match optional(frame, "encoding", str):
        case "base64":
            data = _from_base64(data)
        case "json":
            data = _from_json(data)
    offset = optional(frame, "offset", int)
    epoch = optional(frame, "epoch", str)
    if epoch is None and offset is not None:
        epoch = known_epoch
    return Message(
        topic=required(frame, "topic", str),
        data=data,
        at=required(frame, "at", int),
        offset=offset,
        epoch=epoch,
        key=optional(frame, "key", str),
        sender=optional(frame, "from", str),
    )


def _from_json(data: Any) -> Any:
    """Return a payload that MessagePack has no form for, such as a number of more than 64 bits."""
    try:
        return json.loads(data)
    except (TypeError, ValueError, RecursionError) as fault:
        raise ProtocolError("The gateway sent a payload that is not JSON.") from fault


def _from_base64(data: Any) -> bytes:
    """Return the bytes of a binary payload on JSON (RFC 4648, section 4)."""
    try:
        return base64.b64decode(data, validate=True)
    except (TypeError, ValueError, binascii.Error) as fault:
        raise ProtocolError("The gateway sent a payload that is not base64.") from fault
