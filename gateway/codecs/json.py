"""The dialect ``penstock.v1.json``: text messages ◆

Payloads that are JSON go out byte for byte as they came. Text becomes a string. MessagePack is transcoded as
`msgspec` does it: timestamps become RFC 3339 strings, bin inside becomes base64, NaN becomes null, keys that are
numbers become strings. What has no JSON form, and bytes, become one base64 string, with ``encoding: "base64"``.
"""

from __future__ import annotations

import re
from base64 import b64encode
from typing import Any, Final

import msgspec
from msgspec import UNSET, Raw, UnsetType

from gateway.codecs import wire
from gateway.codecs.delivery import message_frame, result_frame
from gateway.codecs.depth import json_is_deep, msgpack_is_deep
from gateway.codecs.dialect import BadFrame, Incoming
from gateway.codecs.reading import TOO_DEEP, UNREADABLE, Reader
from shared.envelopes import Encoding, Entry, HistoryRead
from shared.frames import SUBPROTOCOL_JSON, ServerFrame

subprotocol: Final = SUBPROTOCOL_JSON
opcode: Final = wire.TEXT
index: Final = 0
payload_encoding: Final = Encoding.JSON

NOT_UTF8 = BadFrame("text that is not UTF-8", fatal=True)
HALF_A_CHARACTER = "a string holds one half of a UTF-16 surrogate pair"

_WHITESPACE = b" \t\n\r"
_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F][0-9a-fA-F]{2}")

_reader = Reader("JSON", msgspec.json.Decoder)
_encode = msgspec.json.Encoder().encode


def decode(payload: bytes, /) -> list[Incoming]:
    """Read one message of a client: one frame, or an array of them. Never raises, never returns nothing."""
    if not is_utf8(payload):
        return [NOT_UTF8]
    if json_is_deep(payload):
        return [TOO_DEEP]
    incoming = _decode(payload)
    if isinstance(incoming[0], BadFrame) and incoming[0].fatal:
        return _without_halves(payload) or incoming
    return incoming


def _decode(payload: bytes) -> list[Incoming]:
    head = payload[:1]
    if head in _WHITESPACE:
        head = payload.lstrip(_WHITESPACE)[:1]
    if head == b"{":
        return _reader.one(payload)
    if head == b"[":
        return _reader.many(payload)
    return _reader.neither(payload)


def _without_halves(payload: bytes) -> list[Incoming]:
    """Blame only the guilty frames where all that is wrong are halves of surrogate pairs; else return nothing.

    Browsers send them: ``JSON.stringify`` escapes what is left of an emoji cut in two. RFC 8259 (section 8.2) lets them
    pass its grammar, but no UTF-8 can hold them, so such a frame is refused; it is no reason to end a connection.
    """
    mended = _SURROGATE.sub(rb"\\ufffd", payload)
    if mended == payload or not _reader.well_formed(mended):
        return []
    if mended.lstrip(_WHITESPACE)[:1] == b"{":
        return [_reader.blame(mended, HALF_A_CHARACTER)]
    return _reader.many(mended, untouched=payload, otherwise=HALF_A_CHARACTER)


def encode(frame: ServerFrame, /) -> bytes:
    """Return a frame as a finished WebSocket frame."""
    return wire.frame(wire.TEXT, _encode(frame))


def message(entry: Entry, /) -> bytes:
    """Return a ``message`` frame as a finished WebSocket frame. Never raises."""
    return wire.frame(wire.TEXT, _message(entry))


def result(request: int, read: HistoryRead, /) -> bytes:
    """Return the answer to a client's ``history`` as a finished WebSocket frame. Never raises."""
    return encode(result_frame(request, read, [_message(entry) for entry in read.entries]))


def _message(entry: Entry) -> bytes:
    if entry.encoding is Encoding.JSON:
        return _encode(message_frame(entry, Raw(entry.payload), UNSET))
    data, encoding = _data(entry)
    return _encode(message_frame(entry, data, encoding))


def _data(entry: Entry) -> tuple[Any, str | UnsetType]:
    try:
        if entry.encoding is Encoding.TEXT:
            return entry.payload.decode(), UNSET
        if entry.encoding is Encoding.MSGPACK and not msgpack_is_deep(entry.payload):
            return Raw(_encode(msgspec.msgpack.decode(entry.payload))), UNSET
    except (*UNREADABLE, TypeError):  # TypeError: ext, or a key that is no string and no number
        pass
    return b64encode(entry.payload).decode(), "base64"


def is_utf8(payload: bytes) -> bool:
    """Say whether `payload` is text in UTF-8 (RFC 3629)."""
    if payload.isascii():
        return True
    try:
        payload.decode()
    except UnicodeDecodeError:
        return False
    return True


def is_json(payload: bytes) -> bool:
    """Say whether `payload` is one JSON text that may travel: UTF-8, not nested too deep, no half characters."""
    return is_utf8(payload) and not json_is_deep(payload) and _reader.well_formed(payload)
