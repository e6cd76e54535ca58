"""AMQP field tables, there and back."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.bus.wire_tables import MAX_DEPTH, UnreadableTable, pack_table, unpack_table

NAMES = st.text(max_size=40)
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False)
    | st.text(max_size=30)
    | st.binary(max_size=30),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=10,
)


@given(st.dictionaries(NAMES, VALUES, max_size=5))
def test_a_table_comes_back_as_it_went(table):
    packed = pack_table(table)
    assert unpack_table(b"before" + packed + b"after", 6) == (table, 6 + len(packed))


@given(st.binary(max_size=60))
def test_any_bytes_are_a_table_or_unreadable(data):
    try:
        table, end = unpack_table(data, 0)
    except UnreadableTable:
        return
    assert end <= len(data)
    assert isinstance(table, dict)


@given(st.dictionaries(NAMES, VALUES, min_size=1, max_size=5), st.data())
def test_a_table_that_is_cut_is_unreadable(table, data):
    packed = pack_table(table)
    cut = data.draw(st.integers(0, len(packed) - 1))
    with pytest.raises(UnreadableTable):
        unpack_table(packed[:cut], 0)


@pytest.mark.parametrize(
    ("packed", "value"),
    [
        (b"b\xff", -1),
        (b"B\xff", 255),
        (b"s\xff\xfe", -2),
        (b"u\xff\xfe", 65534),
        (b"I\xff\xff\xff\xff", -1),
        (b"i\xff\xff\xff\xff", 2**32 - 1),
        (b"L" + b"\xff" * 8, -1),
        (b"f?\xc0\x00\x00", 1.5),
        (b"T" + struct.pack(">Q", 1_700_000_000), 1_700_000_000),
        (b"D\x02\x00\x00\x00\x7b", 1.23),
        (b"S\x00\x00\x00\x01\xff", b"\xff"),
        (b"t\x00", False),
    ],
)
def test_the_types_that_others_send_are_read(packed, value):
    item = b"\x01k" + packed
    table, _ = unpack_table(struct.pack(">I", len(item)) + item, 0)
    assert table == {"k": value}
    assert type(table["k"]) is type(value)


@pytest.mark.parametrize(
    "packed", [b"?", *(letter + b"\xff\xff\xff\xff" for letter in (b"S", b"A", b"F")), b"l\x00", b""]
)
def test_what_is_no_value_is_unreadable(packed):
    item = b"\x01k" + packed
    with pytest.raises(UnreadableTable):
        unpack_table(struct.pack(">I", len(item)) + item, 0)


@pytest.mark.parametrize("letter", [b"F", b"A"])
def test_what_is_nested_ten_thousand_deep_is_unreadable_and_not_followed(letter):
    item = b""
    for _ in range(10_000):
        item = (b"\x01k" if letter == b"F" else b"") + letter + struct.pack(">I", len(item)) + item
    item = b"\x01k" + item if letter == b"A" else item
    with pytest.raises(UnreadableTable, match=f"more than {MAX_DEPTH} deep"):
        unpack_table(struct.pack(">I", len(item)) + item, 0)


@pytest.mark.parametrize(
    ("table", "mistake"),
    [({"k": 2**63}, "64 bits"), ({"k" * 256: 1}, "bytes must be in range"), ({"k": object()}, "cannot hold a object")],
)
def test_what_no_table_can_hold_is_refused(table, mistake):
    with pytest.raises((ValueError, TypeError), match=mistake):
        pack_table(table)
