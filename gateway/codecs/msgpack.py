"""The dialect ``penstock.v1.msgpack``: binary messages ◆

Payloads that are MessagePack go out byte for byte as they came. JSON is transcoded; where MessagePack cannot hold it
(an integer beyond 64 bits, a number beyond doubles) it is sent as a string of the JSON text, with ``encoding: "json"``.
Text becomes str, bytes become bin.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec
from msgspec import UNSET, Raw, UnsetType

from gateway.codecs import wire
from gateway.codecs.delivery import message_frame, result_frame
from gateway.codecs.depth import json_is_deep, msgpack_is_deep
from gateway.codecs.dialect import Incoming
from gateway.codecs.reading import TOO_DEEP, TOO_MANY, UNREADABLE, Reader
from shared.envelopes import Encoding, Entry, HistoryRead
from shared.frames import MAX_FRAMES_PER_MESSAGE, SUBPROTOCOL_MSGPACK, ServerFrame

subprotocol: Final = SUBPROTOCOL_MSGPACK
opcode: Final = wire.BINARY
index: Final = 1
payload_encoding: Final = Encoding.MSGPACK

_reader = Reader("MessagePack", msgspec.msgpack.Decoder)
_encode = msgspec.msgpack.Encoder().encode


def decode(payload: bytes, /) -> list[Incoming]:
    """Read one message of a client: one frame, or an array of them. Never raises, never returns nothing."""
    if msgpack_is_deep(payload):
        return [TOO_DEEP]
    head = payload[0] if payload else 0xC1
    if 0x80 <= head < 0x90 or head in (0xDE, 0xDF):
        return _reader.one(payload)
    if 0x90 <= head < 0xA0 or head in (0xDC, 0xDD):
        if _declared(payload, head) > MAX_FRAMES_PER_MESSAGE:
            return [TOO_MANY]
        return _reader.many(payload)
    return _reader.neither(payload)


def _declared(payload: bytes, head: int) -> int:
    """Return how many items an array says it has, before anything is made ready for them."""
    if head < 0xA0:
        return head & 0x0F
    return int.from_bytes(payload[1 : 3 if head == 0xDC else 5], "big")


def encode(frame: ServerFrame, /) -> bytes:
    """Return a frame as a finished WebSocket frame."""
    return wire.frame(wire.BINARY, _encode(frame))


def message(entry: Entry, /) -> bytes:
    """Return a ``message`` frame as a finished WebSocket frame. Never raises."""
    return wire.frame(wire.BINARY, _message(entry))


def result(request: int, read: HistoryRead, /) -> bytes:
    """Return the answer to a client's ``history`` as a finished WebSocket frame. Never raises."""
    return encode(result_frame(request, read, [_message(entry) for entry in read.entries]))


def _message(entry: Entry) -> bytes:
    data, encoding = _data(entry)
    return _encode(message_frame(entry, data, encoding))


def _data(entry: Entry) -> tuple[Any, str | UnsetType]:
    payload = entry.payload
    if entry.encoding is Encoding.MSGPACK:
        # Bytes that are no single value would be read as the rest of the frame; such a payload travels as bin.
        return (Raw(payload) if is_msgpack(payload) else payload), UNSET
    try:
        if entry.encoding is Encoding.JSON:
            return _transcoded(payload)
        if entry.encoding is Encoding.TEXT:
            return payload.decode(), UNSET
    except UnicodeDecodeError:
        pass
    return payload, UNSET


def _transcoded(payload: bytes) -> tuple[Any, str | UnsetType]:
    if not json_is_deep(payload):
        try:
            return Raw(_encode(msgspec.json.decode(payload))), UNSET
        except UNREADABLE:
            pass
    return payload.decode(), "json"


def is_msgpack(payload: bytes) -> bool:
    """Say whether `payload` is one MessagePack value, not nested too deep."""
    return not msgpack_is_deep(payload) and _reader.well_formed(payload)
