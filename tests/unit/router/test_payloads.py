import contextlib
import json
import tracemalloc

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.payloads import BadPayload, Payloads, encoding_of, is_deeper, json_depth
from shared.codes import ErrorCode
from shared.envelopes import Encoding

DEPTH = 8
PAYLOADS = Payloads(max_bytes=128 * 1024, max_depth=DEPTH)

values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=30,
)


def depth(value):
    if isinstance(value, list | dict):
        return 1 + max(map(depth, value.values() if isinstance(value, dict) else value), default=0)
    return 0


def refusal(payload, encoding, payloads=PAYLOADS):
    with pytest.raises(BadPayload) as refused:
        payloads.check(payload, encoding)
    return refused.value


def nested(levels):
    return b"[" * levels + b"]" * levels


@pytest.mark.parametrize(
    ("content_type", "encoding"),
    [
        (None, Encoding.JSON),
        ("", Encoding.JSON),
        ("application/json", Encoding.JSON),
        ("Application/JSON; charset=utf-8", Encoding.JSON),
        ("text/plain;charset=utf-8", Encoding.TEXT),
        ("application/msgpack", Encoding.MSGPACK),
        ("application/vnd.msgpack", Encoding.MSGPACK),
        ("application/octet-stream", Encoding.BINARY),
        ("image/png", None),
        ("application/jsonp", None),
    ],
)
def test_the_content_type_says_how_a_body_is_read(content_type, encoding):
    assert encoding_of(content_type) is encoding


@given(values)
def test_every_json_document_within_the_bounds_is_good_and_no_deeper_one(value):
    payload = json.dumps(value).encode()
    if depth(value) > DEPTH:
        assert "deeper" in refusal(payload, Encoding.JSON).reason
    else:
        PAYLOADS.check(payload, Encoding.JSON)


@given(values)
def test_every_msgpack_value_within_the_bounds_is_good_and_no_deeper_one(value):
    payload = msgpack.packb(value)
    if depth(value) > DEPTH:
        assert "deeper" in refusal(payload, Encoding.MSGPACK).reason
    else:
        PAYLOADS.check(payload, Encoding.MSGPACK)


@given(values)
def test_both_ways_to_measure_depth_agree_with_counting(value):
    assert json_depth(json.dumps(value).encode()) == depth(value)
    assert not is_deeper(value, depth(value))
    assert depth(value) == 0 or is_deeper(value, depth(value) - 1)


@given(st.binary(max_size=300), st.sampled_from(Encoding))
def test_no_bytes_whatever_bring_forth_another_exception(payload, encoding):
    with contextlib.suppress(BadPayload):
        Payloads(200, 4).check(payload, encoding)


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"{",
        b'{"a":1',
        b"[1,]",
        b"{'a':1}",
        b"nan",
        b"NaN",
        b"01",
        b"1 2",
        b'"\xff"',
        b'"\xed\xa0\x80"',
        b'"\\ud800"',
        b"\xef\xbb\xbf1",
        b'"a\nb"',
        b"\x00",
    ],
)
def test_what_is_not_json_is_refused(payload):
    assert refusal(payload, Encoding.JSON).reason == "the payload is not JSON"


def test_a_number_that_clients_cannot_read_is_refused():
    assert "number" in refusal(b"1e999", Encoding.JSON).reason
    assert "number" in refusal(b"1" * 5000, Encoding.JSON).reason


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"\xc1",
        b"\x01\x02",
        b"\xa1\xff",
        b"\x81\x01\x02",  # a number for a key
        b"\x81\x91\x01\x02",  # a list for a key
        b"\xdd\xff\xff\xff\xff",  # 2³² - 1 items are declared
        b"\xdf\xff\xff\xff\xff",
        b"\xc6\xff\xff\xff\xff",
        b"\xdd\xff\xff\xff\xff\x01",
        b"\xd7\xff" + b"\xff" * 8,  # a time with 2³⁰ nanoseconds and more
    ],
)
def test_what_is_not_msgpack_for_clients_is_refused(payload):
    assert refusal(payload, Encoding.MSGPACK).code is ErrorCode.BAD_REQUEST


def test_brackets_within_strings_are_not_depth():
    PAYLOADS.check(json.dumps({"a": "[" * 1000, '"[': '\\"[[[[[[[[[['}).encode(), Encoding.JSON)


@pytest.mark.parametrize("levels", [DEPTH + 1, 100, 10_000, 60_000])
def test_json_is_refused_for_its_depth_whatever_the_interpreter_bears(levels):
    assert refusal(nested(levels), Encoding.JSON).reason == f"the payload is nested deeper than {DEPTH} levels"
    PAYLOADS.check(nested(DEPTH), Encoding.JSON)


@pytest.mark.parametrize("levels", [DEPTH + 1, 100, 900, 10_000, 60_000])
def test_msgpack_is_refused_for_its_depth_whatever_the_interpreter_bears(levels):
    assert (
        refusal(b"\x91" * levels + b"\x01", Encoding.MSGPACK).reason
        == f"the payload is nested deeper than {DEPTH} levels"
    )
    PAYLOADS.check(b"\x91" * DEPTH + b"\x01", Encoding.MSGPACK)


@pytest.mark.parametrize(
    "payload",
    [b"\xdd\xff\xff\xff\xff", b"\xdd\x00\x01\x00\x00" * 60 + b"\x00" * 100_000, b"\xdf\x00\x00\xff\xff" * 8],
)
def test_nothing_is_allocated_for_items_that_are_only_declared(payload):
    tracemalloc.start()
    try:
        refusal(payload, Encoding.MSGPACK)
        assert tracemalloc.get_traced_memory()[1] < 100_000
    finally:
        tracemalloc.stop()


@pytest.mark.timeout(10)
def test_strings_that_never_end_are_looked_at_once_each():
    # With a pattern that gives up at the end and tries again from the next quote, this takes a minute.
    assert refusal(b"[" * 70 + b'"\\' * 60_000, Encoding.JSON).code is ErrorCode.BAD_REQUEST


@pytest.mark.parametrize("encoding", Encoding)
def test_a_payload_over_the_bound_is_too_large_whatever_it_is(encoding):
    small = Payloads(max_bytes=4, max_depth=DEPTH)
    assert refusal(b"12345", encoding, small).code is ErrorCode.TOO_LARGE
    small.check(b"\xa3123" if encoding is Encoding.MSGPACK else b"1234", encoding)


def test_text_is_utf8_and_binary_is_anything():
    PAYLOADS.check("grüße".encode(), Encoding.TEXT)
    PAYLOADS.check(b"\xff\x00", Encoding.BINARY)
    assert refusal(b"\xff", Encoding.TEXT).reason == "the payload is not UTF-8"


@pytest.mark.parametrize("payload", [b'{"password": hunter2', b"\xa7hunter2\xff"])
def test_a_reason_quotes_nothing_of_the_payload(payload):
    for encoding in (Encoding.JSON, Encoding.MSGPACK):
        assert "hunter2" not in refusal(payload, encoding).reason
