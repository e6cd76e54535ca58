"""What both dialects make of good and of bad input."""

import json as stdlib
from typing import Any

import msgpack as reference
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw

from gateway.codecs import BY_SUBPROTOCOL, DIALECTS, BadFrame, Dialect, json, msgpack
from gateway.codecs.reading import REASON_LENGTH
from shared.frames import MAX_FRAMES_PER_MESSAGE, Connect, Pong, Publish, Refresh, Since, Subscribe, Unsubscribe

PACK: dict[str, Any] = {
    json.subprotocol: lambda value: stdlib.dumps(value).encode(),
    msgpack.subprotocol: reference.packb,
}
both = pytest.mark.parametrize("dialect", DIALECTS, ids=lambda dialect: dialect.subprotocol)


def decode(dialect: Dialect, value: object) -> list[Any]:
    return dialect.decode(PACK[dialect.subprotocol](value))


def only_bad(incoming: list[Any]) -> BadFrame:
    assert len(incoming) == 1
    assert isinstance(incoming[0], BadFrame)
    return incoming[0]


def test_dialects_are_found_by_index_and_by_subprotocol() -> None:
    assert [dialect.index for dialect in DIALECTS] == [0, 1]
    assert [dialect.opcode for dialect in DIALECTS] == [1, 2]
    assert all(BY_SUBPROTOCOL[dialect.subprotocol] is dialect for dialect in DIALECTS)


@both
def test_every_client_frame_is_read(dialect: Dialect) -> None:
    frames = [
        {"type": "connect", "id": 0, "token": "t", "client": {"name": "n", "version": "1"}},
        {"type": "subscribe", "id": 1, "topic": "a.b", "from": {"epoch": "e", "offset": 7}},
        {"type": "unsubscribe", "id": 2, "topic": "a.b"},
        {"type": "publish", "id": 2**53 - 1, "topic": "a.b", "data": {"x": [1, "é"]}, "key": "k"},
        {"type": "refresh", "id": 4, "token": "t"},
        {"type": "pong"},
    ]
    kinds = [Connect, Subscribe, Unsubscribe, Publish, Refresh, Pong]
    assert [type(frame) for frame in decode(dialect, frames)] == kinds
    assert [type(decode(dialect, frame)[0]) for frame in frames] == kinds
    assert decode(dialect, frames[1]) == [Subscribe(1, "a.b", Since("e", 7))]


@both
def test_the_data_of_a_publish_is_left_as_the_client_wrote_it(dialect: Dialect) -> None:
    (publish,) = decode(dialect, {"type": "publish", "id": 1, "topic": "t", "data": {"b": 1, "a": [1.50]}})
    assert isinstance(publish.data, Raw)
    assert bytes(publish.data) == PACK[dialect.subprotocol]({"b": 1, "a": [1.50]})


@both
def test_unknown_fields_are_ignored(dialect: Dialect) -> None:
    assert decode(dialect, {"type": "pong", "later": [1], "id": "x"}) == [Pong()]


@both
@pytest.mark.parametrize(
    ("frame", "id_"),
    [
        ({"type": "dance", "id": 7}, 7),
        ({"id": 7}, 7),
        ({}, None),
        ({"type": 5, "id": 7}, 7),
        ({"type": "subscribe", "id": 7}, 7),
        ({"type": "subscribe", "topic": "a"}, None),
        ({"type": "subscribe", "topic": "a", "id": "7"}, None),
        ({"type": "subscribe", "topic": "a", "id": -1}, None),
        ({"type": "subscribe", "topic": "a", "id": 2**53}, None),
        ({"type": "subscribe", "topic": "a", "id": 1.5}, None),
        ({"type": "subscribe", "topic": "a", "id": True}, None),
        ({"type": "subscribe", "topic": 1, "id": 7}, 7),
        ({"type": "subscribe", "topic": "a" * 600, "id": 7}, 7),
        ({"type": "subscribe", "topic": "a", "from": 3, "id": 7}, 7),
        ({"type": "publish", "topic": "a", "id": 7}, 7),
        ({"type": "publish", "topic": "a", "data": 1, "key": "k" * 129, "id": 7}, 7),
        ({"type": "connect", "token": "t" * 9000, "id": 7}, 7),
        ({"type": "connect", "token": None, "id": 7}, 7),
    ],
)
def test_a_frame_with_wrong_fields_is_refused_with_its_id_and_costs_nothing_else(
    dialect: Dialect, frame: object, id_: int | None
) -> None:
    bad = only_bad(decode(dialect, frame))
    assert (bad.fatal, bad.id) == (False, id_)
    assert decode(dialect, [{"type": "pong"}, frame, {"type": "pong"}]) == [Pong(), bad, Pong()]


@both
def test_a_reason_is_bounded_whatever_the_client_sent(dialect: Dialect) -> None:
    bad = only_bad(decode(dialect, {"type": "x" * 50_000, "id": 1}))
    assert len(bad.reason) <= REASON_LENGTH
    assert bad.id == 1


@both
@pytest.mark.parametrize("word", ["canary", "x' - at `$.token`, 'canary", "canary\n - at `"])
def test_what_a_client_takes_for_a_type_is_no_part_of_a_reason(dialect: Dialect, word: str) -> None:
    bad = only_bad(decode(dialect, {"type": word, "id": 7}))
    assert (bad.id, bad.fatal) == (7, False)
    kinds = "connect, subscribe, unsubscribe, publish, history, presence, refresh, pong"
    assert bad.reason == f"not a frame of this protocol: unknown type; there are {kinds}", "logs have it, too"


@both
def test_a_token_is_never_part_of_a_reason(dialect: Dialect) -> None:
    secret = "canary"
    for frame in (
        {"type": "connect", "id": "x", "token": secret},
        {"type": "connect", "id": 1, "token": secret * 2000},
        {"type": "connect", "id": 1, "token": [secret]},
        {"type": "refresh", "token": secret},
    ):
        assert secret not in only_bad(decode(dialect, frame)).reason


@both
@pytest.mark.parametrize("value", [None, 1, "pong", True, 1.5])
def test_a_message_that_is_no_map_and_no_array_is_fatal(dialect: Dialect, value: object) -> None:
    assert only_bad(decode(dialect, value)).fatal


@both
@pytest.mark.parametrize("item", [None, 1, "pong", [], [{"type": "pong"}]])
def test_an_item_that_is_no_map_is_refused_alone(dialect: Dialect, item: object) -> None:
    good, bad = decode(dialect, [{"type": "pong"}, item])
    assert good == Pong()
    assert isinstance(bad, BadFrame)
    assert not bad.fatal


@both
def test_an_array_of_no_frames_is_refused_so_that_it_counts(dialect: Dialect) -> None:
    assert not only_bad(decode(dialect, [])).fatal


@both
def test_as_many_frames_as_allowed_are_read_and_one_more_is_fatal(dialect: Dialect) -> None:
    assert decode(dialect, [{"type": "pong"}] * MAX_FRAMES_PER_MESSAGE) == [Pong()] * MAX_FRAMES_PER_MESSAGE
    assert only_bad(decode(dialect, [{"type": "pong"}] * (MAX_FRAMES_PER_MESSAGE + 1))).fatal


@both
@pytest.mark.parametrize("wrap", [lambda frame: frame, lambda frame: [{"type": "pong"}, frame]])
def test_a_frame_that_nests_too_deep_is_fatal_and_a_deep_one_is_read(dialect: Dialect, wrap: Any) -> None:
    data: list[Any] = []
    for _ in range(100):
        data = [data]
    frame = {"type": "publish", "id": 1, "topic": "t", "data": data}
    assert isinstance(decode(dialect, wrap(frame))[-1], Publish)
    for _ in range(100):
        frame["data"] = [frame["data"]]
    assert only_bad(decode(dialect, wrap(frame))).fatal


@pytest.mark.parametrize("levels", [129, 1_000, 10_000, 100_000])
@pytest.mark.parametrize("field", ["data", "later"])
def test_nesting_of_any_depth_is_fatal_in_every_field(levels: int, field: str) -> None:
    text = f'{{"type":"publish","id":1,"topic":"t","{field}":{"[" * levels}{"]" * levels}}}'
    assert only_bad(json.decode(text.encode())).fatal
    assert only_bad(json.decode(b"[" * levels)).fatal
    packed = reference.packb({"type": "publish", "id": 1, "topic": "t", field: 0})[:-1]
    assert only_bad(msgpack.decode(packed + b"\x91" * levels + b"\xc0")).fatal
    assert only_bad(msgpack.decode(b"\x81\xa1a" * levels)).fatal


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b" ",
        b"hello",
        b"{",
        b"[",
        b'{"type":"pong"',
        b'{"type":"pong"} {}',
        b'{"type":"pong"}{"type":"pong"}',
        b'{"type":1,',
        b"{'type':'pong'}",
        b'{"type":"pong","x":NaN}',
        b'{"type":"pong","x":01}',
        b'{"type":"pong","x":"\x01"}',
        b'[{"type":"pong"},]',
        b'[{"type":"pong"}',
        b'\xef\xbb\xbf{"type":"pong"}',
        b'{"type":"pong"}\x00',
    ],
)
def test_text_that_is_not_json_is_fatal(payload: bytes) -> None:
    bad = only_bad(json.decode(payload))
    assert bad.fatal


@pytest.mark.parametrize(
    "payload", [b"\xff", b'{"type":"publish","id":1,"topic":"t","data":"\xc3\x28"}', b'{"\xed\xa0\x80":1}']
)
def test_text_that_is_not_utf_8_has_a_mark_of_its_own(payload: bytes) -> None:
    bad = only_bad(json.decode(payload))
    assert (bad.fatal, bad.reason) == (True, "text that is not UTF-8")


def test_whitespace_around_json_is_allowed() -> None:
    assert json.decode(b' \r\n\t{"type":"pong"} ') == [Pong()]
    assert json.decode(b'\n[ {"type":"pong"} ]\n') == [Pong()]


@pytest.mark.parametrize("half", [r"\ud83d", r"\uDE00", r"\ud83dx\ude00", r"\\\ud83d"])
def test_half_an_emoji_costs_its_frame_and_not_the_connection(half: str) -> None:
    guilty = f'{{"type":"publish","id":3,"topic":"t","data":"{half} and more"}}'
    bad = only_bad(json.decode(guilty.encode()))
    assert (bad.fatal, bad.id) == (False, 3)
    assert json.decode(f'[{{"type":"pong"}},{guilty},{{"type":"pong"}}]'.encode()) == [Pong(), bad, Pong()]


def test_a_whole_emoji_and_an_escaped_backslash_are_nothing_special() -> None:
    for fine in (r"\ud83d\ude00", r"\\ud83d"):
        (publish,) = json.decode(f'{{"type":"publish","id":3,"topic":"t","data":"{fine}"}}'.encode())
        assert isinstance(publish, Publish)


@pytest.mark.parametrize("fine", [r"\ud83d\ude00", r"\\ud83d", "\U0001f600"])
def test_half_an_emoji_costs_no_neighbour_whatever_is_escaped_there(fine: str) -> None:
    good = f'{{"type":"publish","id":1,"topic":"t","data":"{fine}"}}'
    guilty = r'{"type":"publish","id":2,"topic":"t","data":"\ud83d"}'
    first, bad, last = json.decode(f"[{good},{guilty},{good}]".encode())
    assert isinstance(bad, BadFrame)
    assert isinstance(first, Publish)
    assert first == last
    assert bytes(first.data).decode() == f'"{fine}"', "as the client wrote it"


def test_half_an_emoji_does_not_excuse_broken_json() -> None:
    assert only_bad(json.decode(rb'{"type":"publish","id":3,"data":"\ud83d"')).fatal


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"\xc1",
        b"\x81",
        b"\x81\xa4type",
        b"\x81\xa4type\xa4pongx",
        b"\x81\xa4type\xdb\xff\xff\xff\xff",
        b"\x81\xa4type\xdd\xff\xff\xff\xff",
        b"\x84\xa4type\xa7publish\xa2id\x01\xa5topic\xa1a\xa4data\xdf\xff\xff\xff\xff",
        b"\xdd\xff\xff\xff\xff",
        b"\xdd",
        b"\xdc\x00",
        b"\xdc\x00\x02\x81\xa4type\xa4pong",
        b"\xdf\xff\xff\xff\xff",
        b"\xdd\x0f\xff\xff\xff" + b"\x81\xa4type\xa4pong",
    ],
)
def test_msgpack_that_is_truncated_or_promises_too_much_is_fatal(payload: bytes) -> None:
    assert only_bad(msgpack.decode(payload)).fatal


def test_msgpack_strings_that_are_not_utf_8_cost_their_frame() -> None:
    bad = only_bad(msgpack.decode(b"\x83\xa4type\xa9subscribe\xa2id\x05\xa5topic\xa1\xff"))
    assert (bad.fatal, bad.id) == (False, 5)


values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats() | st.text() | st.binary(),
    lambda inner: (
        st.lists(inner) | st.dictionaries(st.text() | st.sampled_from(["type", "id", "topic", "data"]), inner)
    ),
    max_leaves=12,
)
shapes = st.fixed_dictionaries(
    {"type": st.sampled_from(["connect", "subscribe", "publish", "pong", "x"])},
    optional={"id": values, "topic": values, "data": values, "token": values, "from": values, "key": values},
)


def check_incoming(incoming: list[Any]) -> None:
    assert isinstance(incoming, list)
    assert incoming
    fatal = [item for item in incoming if isinstance(item, BadFrame) and item.fatal]
    assert not fatal or len(incoming) == 1


@both
@given(payload=st.binary() | st.text().map(str.encode))
def test_no_bytes_make_a_decoder_raise(dialect: Dialect, payload: bytes) -> None:
    check_incoming(dialect.decode(payload))
    check_incoming(dialect.decode(b"[" + payload + b"]"))


@given(value=shapes | st.lists(shapes | values), cut=st.integers(0, 200), flip=st.integers(0, 255))
def test_no_damage_to_a_msgpack_message_makes_the_decoder_raise(value: object, cut: int, flip: int) -> None:
    payload = bytearray(reference.packb(value))
    check_incoming(msgpack.decode(bytes(payload[:cut])))
    payload[cut % len(payload)] = flip
    check_incoming(msgpack.decode(bytes(payload)))


@given(value=shapes | st.lists(shapes | values), cut=st.integers(0, 200), flip=st.integers(0, 255))
def test_no_damage_to_a_json_message_makes_the_decoder_raise(value: object, cut: int, flip: int) -> None:
    payload = bytearray(stdlib.dumps(value, default=repr).encode())
    check_incoming(json.decode(bytes(payload[:cut])))
    payload[cut % len(payload)] = flip
    check_incoming(json.decode(bytes(payload)))
