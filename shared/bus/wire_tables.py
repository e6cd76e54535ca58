"""AMQP field tables: headers and arguments, as bytes ◆

AMQP 0-9-1 section 4.2.5.5, with the type letters that RabbitMQ uses (https://www.rabbitmq.com/amqp-0-9-1-errata,
section 3). Written by us and not taken from pamqp, since that halves the precision of floats, has no byte strings, and
follows nested tables as deep as a sender likes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from struct import Struct, error

from shared.bus.port import HeaderValue

MAX_DEPTH = 8
"""Tables and lists within each other that are read; deeper ones are refused."""

_LONG = Struct(">I")
_DOUBLE = Struct(">cd")
_INTEGER = Struct(">cq")
_TEXT = Struct(">cI")
_NUMBERS = {
    ord(letter): Struct(form)
    for letter, form in {
        "b": ">b", "B": ">B", "s": ">h", "u": ">H", "I": ">i", "i": ">I", "l": ">q", "L": ">q", "f": ">f",
        "d": ">d", "T": ">Q",
    }.items()
}  # fmt: skip
_DECIMAL = Struct(">Bi")


class UnreadableTable(ValueError):
    """These bytes are no field table, or one that is nested too deep."""


def pack_table(table: Mapping[str, HeaderValue]) -> bytes:
    """Return `table` with its length before it.

    Raises `ValueError` for a name of more than 255 bytes and a number of more than 64 bits, `TypeError` for a value
    that no header can have.
    """
    items = b"".join([_name(name) + _pack(value) for name, value in table.items()])
    return _LONG.pack(len(items)) + items


def unpack_table(data: bytes, at: int) -> tuple[dict[str, HeaderValue], int]:
    """Return the table that stands in `data` from `at` on, and where it ends; raise `UnreadableTable`."""
    try:
        return _unpack_table(data, at, MAX_DEPTH)
    except (error, IndexError) as cause:
        raise UnreadableTable("the table ends in the middle") from cause


def _name(name: str) -> bytes:
    encoded = name.encode()
    return bytes((len(encoded),)) + encoded


def _pack(value: HeaderValue) -> bytes:
    if isinstance(value, str):
        encoded = value.encode()
        return _TEXT.pack(b"S", len(encoded)) + encoded
    if isinstance(value, bool):
        return b"t\x01" if value else b"t\x00"
    if isinstance(value, int):
        try:
            return _INTEGER.pack(b"l", value)
        except error as cause:
            raise ValueError(f"a number in a header has at most 64 bits, {value} has more") from cause
    if isinstance(value, float):
        return _DOUBLE.pack(b"d", value)
    if value is None:
        return b"V"
    if isinstance(value, bytes):
        return _TEXT.pack(b"x", len(value)) + value
    if isinstance(value, Mapping):
        return b"F" + pack_table(value)
    if isinstance(value, Sequence):
        items = b"".join([_pack(item) for item in value])
        return _TEXT.pack(b"A", len(items)) + items
    raise TypeError(f"a header cannot hold a {type(value).__name__}")


def _unpack_table(data: bytes, at: int, depth: int) -> tuple[dict[str, HeaderValue], int]:
    if not depth:
        raise UnreadableTable(f"tables are nested more than {MAX_DEPTH} deep")
    (size,) = _LONG.unpack_from(data, at)
    at += 4
    end = _end(data, at, size)
    table: dict[str, HeaderValue] = {}
    while at < end:
        start = at + 1
        at = start + data[at]
        name = data[start:at].decode("utf-8", "replace")
        table[name], at = _unpack(data, at, depth)
    return table, end


def _unpack(data: bytes, at: int, depth: int) -> tuple[HeaderValue, int]:
    letter = data[at]
    at += 1
    if letter == 0x53 or letter == 0x78:  # S, x
        (size,) = _LONG.unpack_from(data, at)
        at += 4
        end = _end(data, at, size)
        return _text(data[at:end]) if letter == 0x53 else data[at:end], end
    if (number := _NUMBERS.get(letter)) is not None:
        return number.unpack_from(data, at)[0], at + number.size
    match chr(letter):
        case "t":
            return bool(data[at]), at + 1
        case "V":
            return None, at
        case "F":
            return _unpack_table(data, at, depth - 1)
        case "A":
            return _unpack_list(data, at, depth - 1)
        case "D":
            scale, value = _DECIMAL.unpack_from(data, at)
            return value / 10**scale, at + _DECIMAL.size
    raise UnreadableTable(f"no value has the type {chr(letter)!r}")


def _unpack_list(data: bytes, at: int, depth: int) -> tuple[list[HeaderValue], int]:
    if not depth:
        raise UnreadableTable(f"lists are nested more than {MAX_DEPTH} deep")
    (size,) = _LONG.unpack_from(data, at)
    at += 4
    end = _end(data, at, size)
    items: list[HeaderValue] = []
    while at < end:
        item, at = _unpack(data, at, depth)
        items.append(item)
    return items, end


def _end(data: bytes, at: int, size: int) -> int:
    if at + size > len(data):
        raise UnreadableTable("the table ends in the middle")
    return at + size


def _text(data: bytes) -> str | bytes:
    # A "long string" is bytes by the letter of the standard; nearly always it is text.
    try:
        return data.decode()
    except UnicodeDecodeError:
        return data
