"""The few frames of AMQP 0-9-1 that go out with every message, as bytes ◆

Sections 2.3.5 (framing), 2.3.5.2 (content) and 1.8 (basic) of the standard. Whatever is sent rarely is left to aiormq.
"""

from __future__ import annotations

from functools import lru_cache
from struct import Struct

from shared.bus.port import Message
from shared.bus.wire_tables import pack_table

METHOD, HEADER, BODY, HEARTBEAT = 1, 2, 3, 8
FRAME_END = 0xCE
OVERHEAD = 8
"""Bytes of a frame around its payload: type, channel and size before, the end mark after."""

MAX_SHORT = 255
"""Bytes of a short string: names, routing keys, message ids."""

CONTENT_TYPE, HEADERS, DELIVERY_MODE, CORRELATION_ID, MESSAGE_ID, TIMESTAMP = (
    0x8000, 0x2000, 0x1000, 0x0400, 0x0080, 0x0040,
)  # fmt: skip

HEARTBEAT_FRAME = b"\x08\x00\x00\x00\x00\x00\x00\xce"

_FRAME = Struct(">BHI")
_CONTENT_HEADER = Struct(">BHIHHQH")
_PUBLISH = Struct(">HHH")
_TIMESTAMP = Struct(">Q")
_ACK = Struct(">BHIHHQBB")
_FLOW = Struct(">BHIHHBB")


def publish_frames(
    channel: int,
    exchange: str,
    routing_key: str,
    message: Message,
    frame_max: int,
    *,
    mandatory: bool = False,
    correlation_id: str | None = None,
) -> bytes:
    """Return basic.publish with its content; raise `ValueError` where a string is too long for its field.

    `frame_max` is the negotiated bound of a frame in bytes, its overhead included; 0 is none.
    """
    body = message.body
    parts = [
        _publish_method(channel, exchange, routing_key, mandatory),
        _content_header(channel, message, correlation_id),
    ]
    if len(body) + OVERHEAD <= frame_max or not frame_max:
        if body:
            parts += (_FRAME.pack(BODY, channel, len(body)), body, b"\xce")
    else:
        step = frame_max - OVERHEAD
        for start in range(0, len(body), step):
            piece = body[start : start + step]
            parts += (_FRAME.pack(BODY, channel, len(piece)), piece, b"\xce")
    return b"".join(parts)


def ack_frame(channel: int, tag: int, *, multiple: bool) -> bytes:
    """Return basic.ack."""
    return _ACK.pack(METHOD, channel, 13, 60, 80, tag, multiple, FRAME_END)


def reject_frame(channel: int, tag: int, *, requeue: bool) -> bytes:
    """Return basic.reject."""
    return _ACK.pack(METHOD, channel, 13, 60, 90, tag, requeue, FRAME_END)


def flow_frame(channel: int) -> bytes:
    """Return channel.flow with `active` set: what a channel does anyway, and has to answer."""
    return _FLOW.pack(METHOD, channel, 5, 20, 20, True, FRAME_END)


@lru_cache(maxsize=4096)
def _publish_method(channel: int, exchange: str, routing_key: str, mandatory: bool) -> bytes:
    payload = _PUBLISH.pack(60, 40, 0) + short(exchange) + short(routing_key) + (b"\x01" if mandatory else b"\x00")
    return _FRAME.pack(METHOD, channel, len(payload)) + payload + b"\xce"


def _content_header(channel: int, message: Message, correlation_id: str | None) -> bytes:
    flags, values = DELIVERY_MODE, [b"\x02" if message.durable else b"\x01"]
    if message.headers:
        flags |= HEADERS
        values.insert(0, pack_table(message.headers))
    if message.content_type is not None:
        flags |= CONTENT_TYPE
        values.insert(0, short(message.content_type))
    if correlation_id is not None:
        flags |= CORRELATION_ID
        values.append(short(correlation_id))
    if message.message_id is not None:
        flags |= MESSAGE_ID
        values.append(short(message.message_id))
    if message.timestamp is not None:
        flags |= TIMESTAMP
        values.append(_TIMESTAMP.pack(message.timestamp))
    properties = b"".join(values)
    head = _CONTENT_HEADER.pack(HEADER, channel, 14 + len(properties), 60, 0, len(message.body), flags)
    return head + properties + b"\xce"


def check_strings(exchange: str, routing_key: str, message: Message) -> None:
    """Raise `ValueError` where a string of the message is too long for its field."""
    for text in (exchange, routing_key, message.content_type, message.message_id):
        if text is not None and len(text) > MAX_SHORT // 4:  # no character takes more than four bytes
            short(text)


def short(text: str) -> bytes:
    """Return a short string with its length before it; raise `ValueError` where it is longer than `MAX_SHORT`."""
    encoded = text.encode()
    if len(encoded) > MAX_SHORT:
        raise ValueError(f"at most {MAX_SHORT} bytes fit here, {text[:32]!r}… has {len(encoded)}")
    return bytes((len(encoded),)) + encoded
