"""Payloads, from a publisher's bytes to what a subscriber's client makes of them ◆"""

from __future__ import annotations

import json as stdlib
from typing import Any

import msgpack as reference  # type: ignore[import-untyped]
from penstock_client import frames as client_frames
from penstock_client.codec import CODECS

from gateway.codecs import DIALECTS
from gateway.transports.events import CHECKS
from router.payloads import BadPayload, Payloads, is_deeper, json_depth
from shared.envelopes import DeliveryBatch, Encoding, Entry, pack, read_deliveries
from tests.fuzz.target import Growth, Target

MAX_BYTES, MAX_DEPTH = 128 * 1024, 64
PAYLOADS = Payloads(MAX_BYTES, MAX_DEPTH)
"""As the settings have it, unless somebody says otherwise."""

_TYPES = {
    Encoding.JSON: "application/json",
    Encoding.TEXT: "text/plain",
    Encoding.MSGPACK: "application/msgpack",
    Encoding.BINARY: "application/octet-stream",
}


def check(payload: bytes, encoding: Encoding) -> None:
    """Check a payload as a router does; where it is good, everybody must be able to read it."""
    PAYLOADS.check(payload, encoding)
    assert len(payload) <= MAX_BYTES
    is_good, _ = CHECKS[_TYPES[encoding]]
    assert is_good(payload), "what a router takes is not refused at the HTTP door"
    deliver(Entry("a.b", payload, encoding, 1, epoch="e", offset=1))


def deliver(entry: Entry) -> None:
    """Carry an entry over the bus to clients of both dialects."""
    assert read_deliveries(pack(DeliveryBatch(1, [entry]))).items == [entry]
    for dialect, codec in zip(DIALECTS, CODECS.values(), strict=True):
        assert dialect.subprotocol == codec.subprotocol
        frame = codec.decode(unframed(dialect.message(entry), dialect.opcode))
        message = client_frames.message(frame, None)
        assert (message.topic, message.offset, message.epoch) == (entry.topic, entry.offset, entry.epoch)
        _is_what_was_sent(entry, message.data)


def _is_what_was_sent(entry: Entry, data: Any) -> None:
    if entry.encoding is Encoding.TEXT:
        assert data == entry.payload.decode()
    elif entry.encoding is Encoding.BINARY:
        assert data == entry.payload
    elif entry.encoding is Encoding.JSON:
        assert _written(data) == _written(stdlib.loads(entry.payload))


def _written(value: Any) -> str:
    """Return a value in one spelling; a float that is whole may come as another spelling of it."""
    return stdlib.dumps(value, sort_keys=True)


def unframed(chunk: bytes, opcode: int) -> bytes:
    """Return the payload of a server's finished WebSocket frame (RFC 6455, section 5.2)."""
    assert chunk[0] == 0x80 | opcode
    length, head = chunk[1], 2
    if length >= 126:
        head = 4 if length == 126 else 10
        length = int.from_bytes(chunk[2:head], "big")
    assert len(chunk) == head + length
    return chunk[head:]


def read_json(payload: bytes) -> None:
    """Take a payload as JSON."""
    try:
        check(payload, Encoding.JSON)
    except BadPayload:
        assert not _is_plain_json(payload), "what is plain JSON within the bounds is good"
        raise
    assert _depth(_whole(payload)) == json_depth(payload) <= MAX_DEPTH


def _is_plain_json(payload: bytes) -> bool:
    if b"\\u" in payload or len(payload) > MAX_BYTES:
        return False
    try:
        value = _whole(payload)
    except (ValueError, RecursionError):
        return False
    return _depth(value) <= MAX_DEPTH and "inf" not in repr(value)


def _whole(payload: bytes) -> Any:
    """Return all values in JSON, objects as lists: of a name that comes twice, a dict has only the last."""
    text = payload.decode()
    return stdlib.loads(text, parse_constant=_refuse, object_pairs_hook=lambda pairs: [value for _, value in pairs])


def _refuse(name: str) -> float:
    raise ValueError(f"JSON has no {name}")


def _depth(value: Any) -> int:
    depth, level = 0, [value]
    while level := [each for each in level if isinstance(each, list | dict)]:
        depth += 1
        level = [child for each in level for child in (each.values() if isinstance(each, dict) else each)]
    return depth


def read_msgpack(payload: bytes) -> None:
    """Take a payload as MessagePack."""
    check(payload, Encoding.MSGPACK)
    value = reference.unpackb(payload)
    assert not is_deeper(value, MAX_DEPTH)
    assert _depth(value) <= MAX_DEPTH


def read_text(payload: bytes) -> None:
    """Take a payload as text, and as bytes."""
    check(payload, Encoding.BINARY)
    check(payload, Encoding.TEXT)


_VALUES: tuple[Any, ...] = (
    None, True, 0, -1, 2**63, 2**64 - 1, -(2**63), 1.5, -0.0, 1e308, "", "é\U0001f600", "\x00", [], {}, [[]],
    {"a": [1, {"b": None}], "": "x" * 40}, ["a"] * 20,
)  # fmt: skip
_JSON = tuple(stdlib.dumps(value).encode() for value in _VALUES)
_DEEP = b"[" * MAX_DEPTH + b"]" * MAX_DEPTH
_MSGPACK = (
    *map(reference.packb, _VALUES),
    reference.packb(b"\x00\xff"),
    reference.packb(reference.ExtType(5, b"abc")),
    reference.packb(reference.Timestamp(1, 1)),
    reference.packb(reference.Timestamp(2**40, 999_999_999)),
    reference.packb({"a": float("nan")}),
    reference.packb({1: 2}),
    b"\x91" * MAX_DEPTH + b"\xc0",
)

TARGETS = (
    Target(
        "payload-json",
        read_json,
        (*_JSON, _DEEP, b"1" * 400, b" 1 ", rb'"\ud83d\ude00"'),
        allowed=(BadPayload,),
        words=(*_JSON, b"{", b"}", b"[", b"]", b",", b":", b'"', b"e", b"E+", b".", b"-", b"0", b" ", b'{"a":1,"a":2}'),
        growth=(
            Growth(b"["), Growth(b'"'), Growth(b'\\"', b'"', b'"'), Growth(b"[],", b"[", b"1]"), Growth(b"1"),
            Growth(b'"a%d":1,', b"{", b'"z":0}'), Growth(b'["'), Growth(b"\\", b'"'), Growth(b'{"a":'),
        ),
    ),
    Target(
        "payload-msgpack",
        read_msgpack,
        _MSGPACK,
        allowed=(BadPayload,),
        words=(*_MSGPACK, b"\x81\xa1a", b"\xd6\xff", b"\xd7\xff", b"\xc7\x0c\xff", b"\xca", b"\xcb", b"\xd9", b"\xda"),
        growth=(
            Growth(b"\x91"), Growth(b"\x81\xa1a"), Growth(b"\xc0", b"\xdd\x00\x0f\xff\xf0"),
            Growth(b"\xdd\x00\xff\xff\xff"),
            Growth(b"\xa4%04d\xc0", b"\xdf\x00\x02\x00\x00"), Growth(b"\x80", b"\xdd\x00\x0f\xff\xf0"),
        ),
    ),
    Target(
        "payload-text",
        read_text,
        (b"", "é\U0001f600".encode(), b"\x00", b"plain"),
        allowed=(BadPayload,),
        growth=(Growth(b"a"), Growth("é".encode()), Growth(b"\x80")),
    ),
)  # fmt: skip

