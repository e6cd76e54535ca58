import msgpack
import pytest

from gateway.codecs.depth import MAX_DEPTH, json_is_deep, msgpack_is_deep

WIDE = 40_000


def array_of(count: int) -> bytes:
    return b"\xdd" + count.to_bytes(4, "big")


def test_json_at_the_bound_passes_and_one_deeper_does_not() -> None:
    assert not json_is_deep(b"[" * MAX_DEPTH + b"]" * MAX_DEPTH)
    assert not json_is_deep(b"[" * (MAX_DEPTH - 1) + b"[],[]" + b"]" * (MAX_DEPTH - 1))
    assert json_is_deep(b"[" * (MAX_DEPTH + 1) + b"]" * (MAX_DEPTH + 1))


def test_json_maps_and_arrays_count_alike() -> None:
    levels = MAX_DEPTH // 2
    assert not json_is_deep(b'{"a":[' * levels + b"]}" * levels)
    assert json_is_deep(b'[{"a":[' + b'{"a":[' * levels + b"]}" * levels + b"]}]")


def test_json_that_is_wide_is_not_deep() -> None:
    assert not json_is_deep(b"[" + b"[]," * WIDE + b"{}]")


@pytest.mark.parametrize(
    "string",
    [
        b'"' + b"[" * 500 + b'"',
        b'"\\"' + b"{" * 500 + b'"',
        b'"\\\\","' + b"[" * 500 + b'"',
        b'"' + b"[" * 500,
        b'"' + b"[" * 500 + b"\\",
        b'"\\\n' + b"[" * 500 + b'"',
    ],
)
def test_brackets_inside_json_strings_do_not_count(string: bytes) -> None:
    assert not json_is_deep(string)


@pytest.mark.parametrize("before", [b"", b"[]," * 21, b"[[]]," * 32, b'"[",' * 50, b'"\\\\",' * 50])
def test_json_towers_are_followed_wherever_they_begin(before: bytes) -> None:
    for shift in range(70):
        shifted = b"[" + before + b"[]," * shift
        tower = b"[" * (MAX_DEPTH - 1) + b"]" * (MAX_DEPTH - 1)
        assert not json_is_deep(shifted + tower + b"," + tower + b"]")
        assert json_is_deep(shifted + tower + b",[" + tower + b"]]")


def test_brackets_behind_a_json_string_count() -> None:
    assert json_is_deep(b'["\\\\",' + b"[" * 500)


def test_msgpack_at_the_bound_passes_and_one_deeper_does_not() -> None:
    assert not msgpack_is_deep(b"\x91" * MAX_DEPTH + b"\xc0")
    assert msgpack_is_deep(b"\x91" * (MAX_DEPTH + 1) + b"\xc0")


@pytest.mark.parametrize(
    "level", [b"\x91", b"\x81\xa1a", b"\xdc\x00\x01", b"\xdd\x00\x00\x00\x01", b"\xde\x00\x01\x01"]
)
def test_every_kind_of_msgpack_container_counts(level: bytes) -> None:
    assert not msgpack_is_deep(level * MAX_DEPTH + b"\xc0")
    assert msgpack_is_deep(level * (MAX_DEPTH + 1) + b"\xc0")


def test_msgpack_maps_nest_by_their_last_value_too() -> None:
    assert msgpack_is_deep(b"\x82\x01\x02\x03" * (MAX_DEPTH + 1) + b"\xc0")


@pytest.mark.parametrize(
    "value",
    [
        "привет мир " * 200,
        ["я" * 10] * 200,
        b"\x91" * 500,
        [0.1] * 500,
        list(range(200)) * 3,
        [[1, 2]] * 500,
        [{"a": 1, "b": None}] * 500,
        {f"k{number}": [number, -number * 1000, 2**63] for number in range(300)},
        [msgpack.ExtType(7, b"\x91" * size) for size in (1, 2, 3, 4, 8, 16, 200, 70_000)],
        ["x" * size for size in (31, 32, 300, 70_000)] + [[]] * 200,
        [b"\x91" * size for size in (31, 32, 300, 70_000)],
    ],
)
def test_msgpack_of_every_type_is_followed_without_losing_the_way(value: object) -> None:
    levels = MAX_DEPTH - 4
    at_the_bound = b"\x91" * levels + msgpack.packb([value, [[[]]]])
    beyond = b"\x91" * levels + msgpack.packb([value, [[[[[0]]]]]])
    assert not msgpack_is_deep(at_the_bound)
    assert msgpack_is_deep(beyond)


def test_msgpack_that_is_wide_is_not_deep() -> None:
    assert not msgpack_is_deep(array_of(WIDE) + b"\x01" * WIDE)
    assert not msgpack_is_deep(array_of(WIDE) + b"\x90" * WIDE)


@pytest.mark.parametrize("item", [*range(0x81), 0x90, 0xA0, 0xC0, 0xC1, 0xC2, 0xC3, *range(0xE0, 0x100)])
def test_runs_of_every_item_of_one_byte_are_followed(item: int) -> None:
    # As many bytes that could open a container as make the payload worth following.
    assert not msgpack_is_deep(array_of(1000) + bytes([item]) * 840 + b"\x91\x01" * 160)


def test_msgpack_of_many_small_containers_is_not_deep() -> None:
    assert not msgpack_is_deep(array_of(WIDE) + b"\x91\x01" * WIDE)


def test_msgpack_of_many_deep_containers_is_deep_by_the_last_of_them() -> None:
    tower = b"\x91" * (MAX_DEPTH - 1) + b"\xc0"
    assert not msgpack_is_deep(array_of(500) + tower * 500)
    assert msgpack_is_deep(array_of(500) + tower * 499 + b"\x91" + tower)


@pytest.mark.parametrize("end", [b"", b"\xdd", b"\xdd\xff\xff\xff\xff", b"\xdb\xff\xff\xff\xff", b"\xd9", b"\xcb\x00"])
def test_msgpack_that_ends_too_early_is_not_deep_as_far_as_it_goes(end: bytes) -> None:
    assert not msgpack_is_deep(array_of(1000) + b"\x91\x01" * 999 + end)


def test_an_empty_string_is_an_item_of_one_byte_like_the_others() -> None:
    shallow = b"\x91" * MAX_DEPTH + b"\xdc\x00\x20" + b"\xa0" * 32
    assert msgpack_is_deep(shallow[1:]) is False
    assert msgpack_is_deep(shallow) is True
