"""What both dialects make of server frames and of bus entries, read back by other implementations."""

import json as stdlib
from typing import Any

import msgpack as reference
import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.frames import Frame
from websockets.streams import StreamReader

from gateway.codecs import DIALECTS, Dialect, json, msgpack
from shared.envelopes import Encoding, Entry, HistoryRead
from shared.frames import Connected, Error, Ping, Subscribed

both = pytest.mark.parametrize("dialect", DIALECTS, ids=lambda dialect: dialect.subprotocol)
BIG = 2**70


def read(dialect: Dialect, wire: bytes) -> Any:
    stream = StreamReader()
    stream.feed_data(wire)
    stream.feed_eof()
    parser = Frame.parse(stream.read_exact, mask=False, max_size=None)
    frame: Any = None
    try:
        next(parser)
    except StopIteration as done:
        frame = done.value
    assert frame.fin
    assert frame.opcode == dialect.opcode
    assert next(iter([stream.buffer])) == b""
    return stdlib.loads(frame.data) if dialect is DIALECTS[0] else reference.unpackb(frame.data, strict_map_key=False)


def entry(payload: bytes, encoding: Encoding, **more: Any) -> Entry:
    return Entry("orders.1", payload, encoding, 1_700_000_000_000, **more)


@both
def test_server_frames_leave_out_what_is_not_set(dialect: Dialect) -> None:
    assert read(dialect, dialect.encode(Ping())) == {"type": "ping"}
    assert read(dialect, dialect.encode(Subscribed(3, "a"))) == {"type": "subscribed", "id": 3, "topic": "a"}
    assert read(dialect, dialect.encode(Error("timeout", "no answer", retry_after=0.5))) == {
        "type": "error",
        "code": "timeout",
        "reason": "no answer",
        "retry_after": 0.5,
    }
    connected = Connected(1, "s" * 200, "u", 25, 60)
    assert read(dialect, dialect.encode(connected))["session"] == "s" * 200


@both
def test_a_message_carries_its_envelope(dialect: Dialect) -> None:
    full = entry(b"1", Encoding.JSON, key="k", sender="alice", epoch="e", offset=7, trace="t")
    expected = {
        "type": "message",
        "topic": "orders.1",
        "at": 1_700_000_000_000,
        "data": 1,
        "offset": 7,
        "epoch": "e",
        "key": "k",
        "from": "alice",
    }
    assert read(dialect, dialect.message(full)) == expected


@both
def test_a_history_is_one_frame_with_its_messages_in_it(dialect: Dialect) -> None:
    entries = [
        entry(b"1", Encoding.JSON, epoch="e", offset=6),
        entry("grüße".encode(), Encoding.TEXT, epoch="e", offset=7),
    ]
    result = read(dialect, dialect.result(3, HistoryRead(5, 9, "orders.1", "e", 8, entries)))
    messages = result.pop("messages")
    assert result == {"type": "result", "id": 3, "topic": "orders.1", "epoch": "e", "offset": 8}
    assert messages == [read(dialect, dialect.message(each)) for each in entries]


@both
def test_a_message_without_a_log_has_no_offset_and_no_epoch(dialect: Dialect) -> None:
    bare = read(dialect, dialect.message(entry(b"null", Encoding.JSON)))
    assert bare == {"type": "message", "topic": "orders.1", "at": 1_700_000_000_000, "data": None}


def test_a_json_payload_goes_to_json_byte_for_byte() -> None:
    payload = b'{ "b":1.50,\n"a":[1e3, "\\u00e9"] }'
    assert payload in json.message(entry(payload, Encoding.JSON))


def test_a_msgpack_payload_goes_to_msgpack_byte_for_byte() -> None:
    payload = b"\xcd\x00\x01"  # 1, written longer than needed
    assert payload in msgpack.message(entry(payload, Encoding.MSGPACK))


@pytest.mark.parametrize(
    ("dialect", "payload", "encoding", "data", "mark"),
    [
        (json, "é".encode(), Encoding.TEXT, "é", None),
        (json, b"\xff\x00", Encoding.BINARY, "/wA=", "base64"),
        (json, b"\xff", Encoding.TEXT, "/w==", "base64"),
        (json, reference.packb({"a": [1, "é", None]}), Encoding.MSGPACK, {"a": [1, "é", None]}, None),
        (json, reference.packb({1: b"\xff"}), Encoding.MSGPACK, {"1": "/w=="}, None),
        (json, reference.packb(reference.ExtType(5, b"x")), Encoding.MSGPACK, "1AV4", "base64"),
        (json, b"\xa1\xff", Encoding.MSGPACK, "of8=", "base64"),
        (json, b"\x91", Encoding.MSGPACK, "kQ==", "base64"),
        (json, b"\x81\x90\x01", Encoding.MSGPACK, "gZAB", "base64"),
        (msgpack, b'{"a":[1,"\xc3\xa9",null]}', Encoding.JSON, {"a": [1, "é", None]}, None),
        (msgpack, str(BIG).encode(), Encoding.JSON, str(BIG), "json"),
        (msgpack, f"[{BIG}]".encode(), Encoding.JSON, f"[{BIG}]", "json"),
        (msgpack, "é".encode(), Encoding.TEXT, "é", None),
        (msgpack, b"\xff", Encoding.TEXT, b"\xff", None),
        (msgpack, b"\xff\x00", Encoding.BINARY, b"\xff\x00", None),
        (msgpack, b"\x91", Encoding.MSGPACK, b"\x91", None),
        (msgpack, b"\x01\x01", Encoding.MSGPACK, b"\x01\x01", None),
    ],
)
def test_a_payload_is_told_in_the_dialect_of_the_client(
    dialect: Dialect, payload: bytes, encoding: Encoding, data: object, mark: str | None
) -> None:
    message = read(dialect, dialect.message(entry(payload, encoding)))
    assert message["data"] == data
    assert message.get("encoding") == mark


@pytest.mark.parametrize("text", ["1" + "0" * 5000, "1e999", "[" * 200 + "]" * 200])
def test_json_that_msgpack_cannot_hold_travels_as_text(text: str) -> None:
    message = read(msgpack, msgpack.message(entry(text.encode(), Encoding.JSON)))
    assert (message["data"], message["encoding"]) == (text, "json")


def test_msgpack_that_nests_too_deep_reaches_json_as_bytes() -> None:
    message = read(json, json.message(entry(b"\x91" * 2000 + b"\xc0", Encoding.MSGPACK)))
    assert message["encoding"] == "base64"


@both
@pytest.mark.parametrize("size", [10, 200, 70_000])
def test_messages_of_every_size_are_one_finished_frame(dialect: Dialect, size: int) -> None:
    assert read(dialect, dialect.message(entry(b"x" * size, Encoding.TEXT)))["data"] == "x" * size


@both
@given(payload=st.binary(), encoding=st.sampled_from([Encoding.TEXT, Encoding.MSGPACK, Encoding.BINARY]))
def test_no_payload_makes_an_encoder_raise(dialect: Dialect, payload: bytes, encoding: Encoding) -> None:
    assert dialect.message(entry(payload, encoding))


@given(payload=st.binary() | st.text().map(str.encode))
def test_no_payload_called_json_makes_the_msgpack_dialect_raise(payload: bytes) -> None:
    assert msgpack.message(entry(payload, Encoding.JSON))


@pytest.mark.parametrize(
    ("payload", "good"),
    [(b"{}", True), (b" 1 ", True), (b"", False), (b"{", False), (b'"\xff"', False), (b"[" * 200 + b"]" * 200, False)],
)
def test_is_json_says_what_may_travel_as_json(payload: bytes, good: bool) -> None:
    assert json.is_json(payload) is good


@pytest.mark.parametrize(
    ("payload", "good"),
    [(b"\x90", True), (b"", False), (b"\x91", False), (b"\x01\x01", False), (b"\x91" * 200 + b"\xc0", False)],
)
def test_is_msgpack_says_what_may_travel_as_msgpack(payload: bytes, good: bool) -> None:
    assert msgpack.is_msgpack(payload) is good
