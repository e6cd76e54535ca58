"""Events of back ends: AMQP properties, headers and bodies, to what is delivered or put away ◆"""

from __future__ import annotations

import struct

from router.deadletters import outgoing
from router.events import Events
from router.payloads import encoding_of
from router.plan import DeadLetter, Publication
from router.reading import read_batch
from router.refusals import QUOTED, Unprocessable
from router.rules import Rules
from router.settings import DEFAULT_RULE
from shared.bus.port import Received
from shared.bus.topology import EVENTS
from shared.bus.wire import publish_frames
from shared.bus.wire_reader import Delivered, WireError, WireReader
from shared.bus.wire_tables import UnreadableTable, pack_table, unpack_table
from shared.envelopes import Encoding, FrameBatch, Grant, ProbeRequest, PublishRequest, pack
from shared.topics import is_topic
from tests.fuzz.target import Growth, Target
from tests.fuzz.targets.payloads import PAYLOADS, deliver

NOW = 1_700_000_000.0
EVENTS_OF_ALL = Events(Rules([DEFAULT_RULE]), PAYLOADS)


def method(identifier: int, arguments: bytes, channel: int = 1) -> bytes:
    """Return a method frame (AMQP 0-9-1, section 2.3.5)."""
    return frame(1, struct.pack(">I", identifier) + arguments, channel)


def frame(kind: int, payload: bytes, channel: int = 1) -> bytes:
    """Return a frame."""
    return struct.pack(">BHI", kind, channel, len(payload)) + payload + b"\xce"


def short(text: bytes) -> bytes:
    """Return a short string."""
    return bytes((len(text),)) + text


def delivery(key: bytes, flags: int, properties: bytes, body: bytes) -> bytes:
    """Return a delivery with its content, as a broker sends it."""
    deliver = method(60 << 16 | 60, short(b"c") + struct.pack(">QB", 1, 0) + short(b"penstock.events") + short(key))
    header = frame(2, struct.pack(">HHQH", 60, 0, len(body), flags) + properties)
    return deliver + header + (frame(3, body) if body else b"")


def table(items: bytes) -> bytes:
    """Return a field table of these items."""
    return struct.pack(">I", len(items)) + items


def read_stream(data: bytes) -> None:
    """Take what a broker sends; what back ends wrote in it goes the whole way."""
    events, _ = WireReader().feed(data)
    for event in events:
        if isinstance(event, Delivered):
            process(event)


def process(event: Delivered) -> None:
    """Decide what becomes of an event; it is delivered in both dialects, or it is a dead letter that can be sent."""
    properties = event.properties
    received = Received(
        event.body, "penstock.route.3", EVENTS, event.routing_key, event.redelivered, event.tag, 1,
        properties.content_type, properties.message_id, properties.timestamp, properties.headers or {},
    )  # fmt: skip
    assert isinstance(received.returns, int)
    assert received.doubtful in (True, False)
    assert EVENTS_OF_ALL.waits_for_store(received) == is_topic(event.routing_key)
    try:
        publication = EVENTS_OF_ALL.decide(received, NOW)
    except Unprocessable as why:
        _is_put_away(received, why)
        return
    assert isinstance(publication, Publication)
    entry = publication.entry
    assert is_topic(entry.topic)
    assert encoding_of(properties.content_type) is entry.encoding
    assert 0 < entry.at <= NOW * 1000
    assert entry.trace is None or (entry.trace.isascii() and len(entry.trace) == 55)
    deliver(entry)


def _is_put_away(received: Received, why: Unprocessable) -> None:
    assert len(why.detail) < 10 * QUOTED
    out = outgoing(DeadLetter(received, why.reason, why.detail), "router", NOW)
    frames = publish_frames(
        1, out.exchange, out.routing_key, out.message, 131_072, mandatory=True, correlation_id="1"
    )  # fmt: skip
    assert isinstance(frames, bytes | bytearray) or all(isinstance(each, bytes) for each in frames)


def read_table(data: bytes) -> None:
    """Take a field table; what can be written again is read as the same."""
    found, end = unpack_table(data, 0)
    assert 4 <= end <= len(data)
    assert all(isinstance(name, str) for name in found)
    try:
        packed = pack_table(found)
    except ValueError:
        return  # a name that has grown, for what is no UTF-8 in it; or a number that only strangers send
    again, _ = unpack_table(packed, 0)
    assert repr(again) == repr(found)


def read_frames(data: bytes) -> None:
    """Take a batch of a gateway: what can be read of it is read, and the rest is told apart."""
    batch = read_batch(data)
    assert all(grant is None or isinstance(grant, Grant) for grant in batch.asker.grants)
    assert all(isinstance(item, bytes) for item in batch.unreadable)
    assert isinstance(batch.asker.gateway, str)


_TRACE = b"S" + struct.pack(">I", 55) + b"00-" + b"a" * 32 + b"-" + b"b" * 16 + b"-01"
_FIELDS = (
    short(b"t") + b"t\x01", short(b"n") + b"V", short(b"l") + b"l" + bytes(8), short(b"d") + b"d" + bytes(8),
    short(b"D") + b"D\x02" + bytes(4), short(b"T") + b"T" + b"\xff" * 8, short(b"x") + b"x\x00\x00\x00\x02ab",
    short(b"traceparent") + _TRACE, short(b"F") + b"F" + table(short(b"i") + b"I" + bytes(4)),
    short(b"A") + b"A" + struct.pack(">I", 3) + b"t\x01V", short(b"x-delivery-count") + b"l" + b"\x00" * 7 + b"\x03",
)  # fmt: skip
_HEADERS = table(b"".join(_FIELDS))
_JSON = short(b"application/json")
_FULL = _JSON + _HEADERS + b"\x02" + short(b"message-1") + struct.pack(">Q", 1_600_000_000)
_DELIVERIES = (
    delivery(b"a.b", 0x8000 | 0x2000 | 0x1000 | 0x0080 | 0x0040, _FULL, b'{"total": 12}'),
    delivery(b"a.b", 0, b"", b"1"),
    delivery(b"a", 0x8000, short(b"application/msgpack"), b"\x81\xa1a\x01"),
    delivery(b"a", 0x8000, short(b"text/plain; charset=utf-8"), "é".encode()),
    delivery(b"a", 0x8000, short(b"application/octet-stream"), b"\x00\xff"),
    delivery(b"a", 0x8000, short(b"image/png"), b"x"),
    delivery(b"", 0x0080, short(b"\xff" * 200), b"{"),
    delivery(b"a.\xff", 0x0040, b"\xff" * 8, b""),
)
_GRANT = pack(Grant("ada", ("#",), ("#",), (), 2**31))
_BATCH = pack(
    FrameBatch(
        1, "gateway", [_GRANT], [PublishRequest(1, 2, 0, "a", b"1", Encoding.JSON, "k"), ProbeRequest(-1, 3)]
    )
)  # fmt: skip
_WORDS = (*_FIELDS, _HEADERS, b"\xce", *(letter + b"\xff" * 4 for letter in (b"A", b"F", b"S")), b"\x08" + bytes(6))
_DEEP = b""
for _ in range(9):
    _DEEP = table(short(b"d") + b"F" + (_DEEP or table(b"")))

TARGETS = (
    Target(
        "amqp-stream",
        read_stream,
        (*_DELIVERIES, b"".join(_DELIVERIES), method(60 << 16 | 80, bytes(9)), frame(8, b"", 0)),
        allowed=(WireError,),
        words=_WORDS,
        growth=(Growth(method(60 << 16 | 80, bytes(9))), Growth(frame(8, b"", 0)), Growth(_DELIVERIES[1])),
        bare=lambda data: WireReader().feed(data),
    ),
    Target(
        "amqp-headers",
        read_table,
        (_HEADERS, table(b""), _DEEP, *map(table, _FIELDS)),
        allowed=(UnreadableTable,),
        words=_WORDS,
        growth=(Growth(b"\x01aV"), Growth(b"\x01dF\x00\x00\x00\x00"), Growth(b"\x01dF\x00\x0f\x00\x00")),
        bare=lambda items: unpack_table(table(items), 0),
    ),
    Target(
        "envelopes",
        read_frames,
        (_BATCH, b"\x94\x01\xa1g\x90\x92\x92\x07\x01\xc0", b""),
        allowed=(Unprocessable,),
        words=(b"\x90", b"\x94", b"\x95\x04", b"\xc0", b"\xdd\xff\xff\xff\xff", _GRANT),
        growth=(Growth(b"\x91"), Growth(b"\x93\x04\x01\x02", b"\x94\x01\xa1g\x90\xdd\x00\x03\xff\x00")),
    ),
)
