"""What is fuzzed: a function of bytes, where to begin, and what it may raise ◆"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

CUT = b"\x1e"
"""Separates the parts of an input that a target takes apart: ASCII's record separator, which is rare by itself."""


@dataclass(frozen=True)
class Target:
    """A decoder. `attack` returns for every input, or raises one of `allowed`; what it asserts must hold.

    `words` are what its language is made of, for mutations to put in. `growth` are inputs that can be made long, for
    `bare`: the decoder alone, without what is asserted of it.
    """

    name: str
    attack: Callable[[bytes], object]
    seeds: tuple[bytes, ...]
    allowed: tuple[type[Exception], ...] = ()
    words: tuple[bytes, ...] = ()
    growth: tuple[Growth, ...] = ()
    bare: Callable[[bytes], object] | None = None

    def finding(self, data: bytes) -> Exception | None:
        """Return what is wrong with how the target took `data`; None where nothing is."""
        try:
            self.attack(data)
        except self.allowed:
            return None
        except Exception as fault:  # the border: whatever else it is, it is what is looked for
            return fault
        return None

    def decode(self, data: bytes) -> None:
        """Have `data` decoded, whatever comes of it."""
        with suppress(*self.allowed):
            (self.bare or self.attack)(data)


@dataclass(frozen=True)
class Growth:
    """An input of any length: `head`, then `piece` again and again, then `tail`. ``%d`` in a piece is its number."""

    piece: bytes
    head: bytes = b""
    tail: bytes = b""
    long: int = 1024 * 1024
    """Bytes that count as long: fewer where each piece costs much by itself."""

    def of(self, size: int) -> bytes:
        """Return the input of about `size` bytes."""
        room = max(1, size - len(self.head) - len(self.tail))
        if b"%d" not in self.piece:
            return self.head + self.piece * (room // len(self.piece)) + self.tail
        pieces: list[bytes] = []
        while room > 0:
            pieces.append(self.piece % len(pieces))
            room -= len(pieces[-1])
        return self.head + b"".join(pieces) + self.tail


def parts(data: bytes, count: int) -> list[bytes]:
    """Return the `count` parts of `data`; those that are not there are empty."""
    found = data.split(CUT, count - 1)
    return found + [b""] * (count - len(found))
