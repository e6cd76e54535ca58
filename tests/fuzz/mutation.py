"""An input that is nearly another: the same chance, the same damage"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random
from typing import TypeAlias

MOST_BYTES = 16 * 1024
"""Inputs that have grown longer are cut: what is long costs time, and `Growth` looks after that."""
MOST_DAMAGES = 6

ODD = (
    b"\x00", b"\xff", b"\x7f", b"\x80", b"\xc1", b"\x1e", b"\r\n", b"\\", b'"', b"\\ud83d", b"\xed\xa0\x80", b"\xc3(",
    b"\xf4\x90\x80\x80", b"-0", b"1e999", b"18446744073709551616", b"9007199254740992", b"\xff\xff\xff\xff",
    b"\x7f\xff\xff\xff\xff\xff\xff\xff", b"\xcf\xff\xff\xff\xff\xff\xff\xff\xff", b"\xca\x7f\xc0\x00\x00",
    b"\xdd\xff\xff\xff\xff", b"\xc7\x0c\xff", b"null", b"true", b"NaN",
)  # fmt: skip
"""What has broken decoders before: ends of ranges, halves of characters, promises of much to come."""

Damage: TypeAlias = Callable[[Random, bytes, Sequence[bytes]], bytes]


def mutated(chance: Random, data: bytes, words: Sequence[bytes], others: Sequence[bytes] = ()) -> bytes:
    """Return `data` with up to `MOST_DAMAGES` things done to it; `others` are inputs that it may be joined with."""
    pool = (*words, *ODD) if chance.random() < 0.9 else ODD
    for _ in range(chance.randint(1, MOST_DAMAGES)):
        if others and chance.random() < 0.1:
            other = chance.choice(others)
            data = data[: chance.randint(0, len(data))] + other[chance.randint(0, len(other)) :]
        else:
            data = chance.choice(DAMAGES)(chance, data, pool)
    return data[:MOST_BYTES]


def _span(chance: Random, data: bytes) -> tuple[int, int]:
    """Return where a piece begins and ends, most of them short."""
    start = chance.randint(0, len(data))
    return start, min(len(data), start + (chance.randint(0, 8) if chance.random() < 0.7 else chance.randint(0, 200)))


def _flip(chance: Random, data: bytes, _: Sequence[bytes]) -> bytes:
    if not data:
        return b"\x00"
    place = chance.randrange(len(data))
    return data[:place] + bytes((data[place] ^ 1 << chance.randrange(8),)) + data[place + 1 :]


def _put(chance: Random, data: bytes, words: Sequence[bytes]) -> bytes:
    place = chance.randint(0, len(data))
    return data[:place] + chance.choice(words) + data[place:]


def _replace(chance: Random, data: bytes, words: Sequence[bytes]) -> bytes:
    start, end = _span(chance, data)
    return data[:start] + chance.choice(words) + data[end:]


def _noise(chance: Random, data: bytes, _: Sequence[bytes]) -> bytes:
    start, end = _span(chance, data)
    return data[:start] + chance.randbytes(chance.randint(0, 12)) + data[end:]


def _drop(chance: Random, data: bytes, _: Sequence[bytes]) -> bytes:
    start, end = _span(chance, data)
    return data[:start] + data[end:]


def _cut(chance: Random, data: bytes, _: Sequence[bytes]) -> bytes:
    return data[: chance.randint(0, len(data))]


def _repeat(chance: Random, data: bytes, _: Sequence[bytes]) -> bytes:
    start, end = _span(chance, data)
    return data[:end] + data[start:end] * chance.choice((1, 2, 3, 20, 150)) + data[end:]


def _move(chance: Random, data: bytes, _: Sequence[bytes]) -> bytes:
    start, end = _span(chance, data)
    rest = data[:start] + data[end:]
    place = chance.randint(0, len(rest))
    return rest[:place] + data[start:end] + rest[place:]


DAMAGES: tuple[Damage, ...] = (_flip, _put, _replace, _noise, _drop, _cut, _repeat, _move)
