"""What a broker sends with every message, read from the stream as it comes ◆

`WireReader.feed` takes bytes, however they were cut, and returns what they say: deliveries, confirms, returns, and the
news that end or hold something. Everything else (and what needs an answer) it hands back as it came, in whole frames,
for aiormq to read. AMQP 0-9-1 sections 2.3.5 and 2.3.5.2.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from struct import Struct
from struct import error as StructError
from types import MappingProxyType
from typing import NamedTuple, TypeAlias

from shared.bus.port import HeaderValue
from shared.bus.wire import (
    BODY,
    CONTENT_TYPE,
    CORRELATION_ID,
    DELIVERY_MODE,
    FRAME_END,
    HEADER,
    HEADERS,
    HEARTBEAT,
    MESSAGE_ID,
    METHOD,
    OVERHEAD,
    TIMESTAMP,
)
from shared.bus.wire_tables import UnreadableTable, unpack_table

FRAME_LIMIT = 2**20
"""Bytes of the largest frame that is waited for where the broker did not name a smaller bound."""

_FRAME = Struct(">BHI")
_METHOD = Struct(">I")
_DELIVERY = Struct(">QB")
_CONTENT_HEADER = Struct(">QH")
_TIMESTAMP = Struct(">Q")
_CODE = Struct(">H")

_DELIVER, _RETURN, _ACK, _NACK, _CANCEL = (60 << 16 | method for method in (60, 50, 80, 120, 30))
_FLOW_OK, _CHANNEL_CLOSE = (20 << 16 | method for method in (21, 40))
_CONNECTION_CLOSE, _BLOCKED, _UNBLOCKED = (10 << 16 | method for method in (50, 60, 61))


NO_HEADERS: Mapping[str, HeaderValue] = MappingProxyType({})


class WireError(Exception):
    """The bytes are not AMQP: the connection is of no more use."""


class Properties(NamedTuple):
    """The properties of a content that we use. `headers` is None where they could not be read."""

    content_type: str | None = None
    headers: Mapping[str, HeaderValue] | None = NO_HEADERS
    correlation_id: str | None = None
    message_id: str | None = None
    timestamp: int | None = None


class Delivered(NamedTuple):
    """basic.deliver with its content."""

    channel: int
    consumer: bytes
    tag: int
    redelivered: bool
    exchange: str
    routing_key: str
    properties: Properties
    body: bytes


class Confirmed(NamedTuple):
    """basic.ack or basic.nack (`taken` False) of what we published; with `multiple`, of all before it, too."""

    channel: int
    tag: int
    multiple: bool
    taken: bool


class Returned(NamedTuple):
    """basic.return: no queue for a mandatory message."""

    channel: int
    text: str
    correlation_id: str | None


class Flowing(NamedTuple):
    """channel.flow-ok: the broker has read all that was sent on the channel before channel.flow."""

    channel: int


class ConsumerCancelled(NamedTuple):
    """basic.cancel: the broker ended a consumer."""

    channel: int
    consumer: bytes


class ChannelClosed(NamedTuple):
    """channel.close: the broker ended a channel."""

    channel: int
    code: int
    text: str


class ConnectionClosed(NamedTuple):
    """connection.close: the broker ends the connection."""

    code: int
    text: str


class Blocked(NamedTuple):
    """connection.blocked with its reason, or connection.unblocked (None)."""

    reason: str | None


ChannelEvent: TypeAlias = Delivered | Confirmed | Returned | Flowing | ConsumerCancelled | ChannelClosed
Event: TypeAlias = ChannelEvent | ConnectionClosed | Blocked

NO_PROPERTIES = Properties()


@dataclass(slots=True)
class _Content:
    """A content under way on one channel: the method it belongs to, then what its header said, then its body."""

    method: int
    arguments: tuple[bytes, int, bool, str, str] | str
    properties: Properties = NO_PROPERTIES
    missing: int = 0
    pieces: list[bytes] | None = None


class WireReader:
    """The state of one connection's stream."""

    __slots__ = ("_contents", "_need", "_pending", "frame_limit")

    def __init__(self) -> None:
        self.frame_limit = FRAME_LIMIT
        self._pending = bytearray()
        self._need = OVERHEAD
        self._contents: dict[int, _Content] = {}

    def feed(self, data: bytes) -> tuple[list[Event], bytes]:
        """Return what has happened, and the frames that are not for us; raise `WireError`."""
        if self._pending:
            self._pending += data
            if len(self._pending) < self._need:
                return [], b""
            data = bytes(self._pending)
            self._pending.clear()
        events: list[Event] = []
        others: list[bytes] = []
        at, end = 0, len(data)
        try:
            while end - at >= OVERHEAD:
                kind, channel, size = _FRAME.unpack_from(data, at)
                if size > self.frame_limit:
                    raise WireError(f"a frame of {size} bytes is announced, {self.frame_limit} is the most")
                stop = at + 7 + size
                if stop >= end:
                    break
                if data[stop] != FRAME_END:
                    raise WireError("a frame does not end where it says")
                if kind == METHOD:
                    self._method(data, at, stop, channel, events, others)
                elif kind == HEADER:
                    self._header(data, at + 7, stop, channel, events)
                elif kind == BODY:
                    self._body(data[at + 7 : stop], channel, events)
                elif kind != HEARTBEAT:
                    others.append(data[at : stop + 1])
                at = stop + 1
        except (StructError, IndexError) as cause:
            raise WireError("a frame is shorter than what it should hold") from cause
        if at < end:
            self._pending += data[at:]
            self._need = OVERHEAD if end - at < 7 else OVERHEAD + _FRAME.unpack_from(data, at)[2]
        return events, b"".join(others)

    def _method(self, data: bytes, at: int, stop: int, channel: int, events: list[Event], others: list[bytes]) -> None:
        (method,) = _METHOD.unpack_from(data, at + 7)
        here = at + 11
        if method == _DELIVER:
            consumer_end = here + 1 + data[here]
            tag, redelivered = _DELIVERY.unpack_from(data, consumer_end)
            exchange_end = consumer_end + 10 + data[consumer_end + 9]
            self._contents[channel] = _Content(
                _DELIVER,
                (
                    data[here + 1 : consumer_end],
                    tag,
                    bool(redelivered),
                    data[consumer_end + 10 : exchange_end].decode("utf-8", "replace"),
                    data[exchange_end + 1 : exchange_end + 1 + data[exchange_end]].decode("utf-8", "replace"),
                ),
            )
        elif method in (_ACK, _NACK):
            tag, bits = _DELIVERY.unpack_from(data, here)
            events.append(Confirmed(channel, tag, bool(bits & 1), method == _ACK))
        elif method == _RETURN:
            self._contents[channel] = _Content(_RETURN, _short(data, here + 2))
        elif method == _FLOW_OK:
            events.append(Flowing(channel))
        elif method == _BLOCKED:
            events.append(Blocked(_short(data, here)))
        elif method == _UNBLOCKED:
            events.append(Blocked(None))
        else:
            if method == _CHANNEL_CLOSE:
                self._contents.pop(channel, None)
                events.append(ChannelClosed(channel, _CODE.unpack_from(data, here)[0], _short(data, here + 2)))
            elif method == _CONNECTION_CLOSE:
                events.append(ConnectionClosed(_CODE.unpack_from(data, here)[0], _short(data, here + 2)))
            elif method == _CANCEL:
                events.append(ConsumerCancelled(channel, data[here + 1 : here + 1 + data[here]]))
            others.append(data[at : stop + 1])

    def _header(self, data: bytes, at: int, stop: int, channel: int, events: list[Event]) -> None:
        content = self._contents.get(channel)
        if content is None or content.pieces is not None:
            raise WireError("a content header came without its method")
        content.missing, flags = _CONTENT_HEADER.unpack_from(data, at + 4)
        content.properties = read_properties(data, at + 14, flags)
        content.pieces = []
        if not content.missing:
            self._complete(channel, content, b"", events)

    def _body(self, piece: bytes, channel: int, events: list[Event]) -> None:
        content = self._contents.get(channel)
        if content is None or content.pieces is None or len(piece) > content.missing:
            raise WireError("a body came that no header announced")
        content.missing -= len(piece)
        if content.missing:
            content.pieces.append(piece)
        elif content.pieces:
            content.pieces.append(piece)
            self._complete(channel, content, b"".join(content.pieces), events)
        else:
            self._complete(channel, content, piece, events)

    def _complete(self, channel: int, content: _Content, body: bytes, events: list[Event]) -> None:
        del self._contents[channel]
        if isinstance(content.arguments, str):
            events.append(Returned(channel, content.arguments, content.properties.correlation_id))
        else:
            events.append(Delivered(channel, *content.arguments, content.properties, body))


def read_properties(data: bytes, at: int, flags: int) -> Properties:
    """Return the properties that stand in `data` from `at` on, in the order of their flags (section 4.2.6.1).

    Those that come after the last one we use are not looked at.
    """
    content_type = correlation_id = message_id = timestamp = None
    headers: Mapping[str, HeaderValue] | None = NO_HEADERS
    if flags & CONTENT_TYPE:
        content_type, at = _short(data, at), at + 1 + data[at]
    if flags & 0x4000:  # content encoding
        at += 1 + data[at]
    if flags & HEADERS:
        try:
            headers, at = unpack_table(data, at)
        except UnreadableTable:
            headers, at = None, at + 4 + _METHOD.unpack_from(data, at)[0]
    if flags & DELIVERY_MODE:
        at += 1
    if flags & 0x0800:  # priority
        at += 1
    if flags & CORRELATION_ID:
        correlation_id, at = _short(data, at), at + 1 + data[at]
    if flags & 0x0200:  # reply to
        at += 1 + data[at]
    if flags & 0x0100:  # expiration
        at += 1 + data[at]
    if flags & MESSAGE_ID:
        message_id, at = _short(data, at), at + 1 + data[at]
    if flags & TIMESTAMP:
        (timestamp,) = _TIMESTAMP.unpack_from(data, at)
    return Properties(content_type, headers, correlation_id, message_id, timestamp)


def _short(data: bytes, at: int) -> str:
    return data[at + 1 : at + 1 + data[at]].decode("utf-8", "replace")
