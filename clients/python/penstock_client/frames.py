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
from .messages import Gap, Message, Receipt

MAX_FRAMES_PER_MESSAGE = 128
"""Frames that may be sent as one array."""

_Kind = TypeVar("_Kind")


def connect(number: int, token: str, name: str, version: str) -> dict[str, Any]:
    """Return the first frame: who is there."""
    return {"type": "connect", "id": number, "token": token, "client": {"name": name, "version": version}}


def subscribe(number: int, pattern: str) -> dict[str, Any]:
    """Return a request for a topic, or for all topics of a pattern."""
    return {"type": "subscribe", "id": number, "topic": pattern}


def unsubscribe(number: int, pattern: str) -> dict[str, Any]:
    """Return the withdrawal of a subscription."""
    return {"type": "unsubscribe", "id": number, "topic": pattern}


def publish(number: int, topic: str, data: Any, key: str) -> dict[str, Any]:
    """Return a request to send `data` to all who are subscribed to `topic`."""
    return {"type": "publish", "id": number, "topic": topic, "data": data, "key": key}


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
