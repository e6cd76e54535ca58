"""Patterns with a ``#`` before their end, many at once ◆

Such a pattern may be at many places at the same time, and no other pattern needs to share them. So each has a seat of
bits in one long number, one bit for each place in it (as in `shift-and` searching), and a few operations on the number
take all of them one segment further: 64 patterns in well under a microsecond, whatever they are made of.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from typing import Generic, TypeAlias, TypeVar

V = TypeVar("V", bound=Hashable)

Values: TypeAlias = dict[V, tuple[str, ...]]
"""Who wants a pattern, and the spellings of it that each one gave."""
Pattern: TypeAlias = tuple[str, ...]

SEATS = 64
"""Patterns in one number. More make it cheaper to match, and each segment that is spelled out cost more memory."""


class Crowd(Generic[V]):
    """A map of canonical patterns, of at most `segments` segments each, to values."""

    __slots__ = ("_blocks", "_members", "_numbers", "_width")

    def __init__(self, segments: int) -> None:
        self._width = segments + 1
        self._numbers: dict[Pattern, int] = {}
        self._members: list[tuple[Pattern, Values[V]]] = []
        """By number; the blocks are full but for the last."""
        self._blocks: list[_Block] = []

    def __len__(self) -> int:
        """Return how many patterns it holds."""
        return len(self._members)

    def find(self, pattern: Pattern) -> Values[V] | None:
        """Return the values of `pattern`, where it is there."""
        number = self._numbers.get(pattern)
        return None if number is None else self._members[number][1]

    def grow(self, pattern: Pattern) -> Values[V]:
        """Return the values of `pattern`, seated where it was not; raise `ValueError` where it is too long."""
        values = self.find(pattern)
        if values is not None:
            return values
        if len(pattern) >= self._width:
            raise ValueError(f"a pattern of {len(pattern)} segments has no place among those of {self._width - 1}")
        values = {}
        number = len(self._members)
        if number % SEATS == 0:
            self._blocks.append(_Block())
        self._members.append((pattern, values))
        self._sit(pattern, number)
        return values

    def cut(self, pattern: Pattern) -> None:
        """Forget `pattern`, which must be there; the last one takes its seat."""
        number, last = self._numbers.pop(pattern), len(self._members) - 1
        member = self._members.pop()
        self._blocks[last // SEATS].toggle(member[0], last % SEATS * self._width)
        if number != last:
            self._blocks[number // SEATS].toggle(pattern, number % SEATS * self._width)
            self._members[number] = member
            self._sit(member[0], number)
        if last % SEATS == 0:
            self._blocks.pop()

    def match(self, segments: Sequence[str]) -> Iterator[Values[V]]:
        """Yield the values of each pattern that matches a topic of these segments."""
        for place, block in enumerate(self._blocks):
            ends = block.match(segments)
            while ends:
                end = ends.bit_length() - 1
                ends ^= 1 << end
                yield self._members[place * SEATS + end // self._width][1]

    def _sit(self, pattern: Pattern, number: int) -> None:
        self._numbers[pattern] = number
        self._blocks[number // SEATS].toggle(pattern, number % SEATS * self._width)


class _Block:
    """Up to `SEATS` patterns. Bit n of a seat says that n segments of its pattern may be done."""

    __slots__ = ("_ends", "_hashes", "_spelled", "_stars", "_starts")

    def __init__(self) -> None:
        self._starts = self._ends = self._stars = self._hashes = 0
        self._spelled: dict[str, int] = {}

    def toggle(self, pattern: Pattern, seat: int) -> None:
        """Set the bits of a pattern at a seat that is free, or take them back where it sits."""
        bit = 1 << seat
        self._starts ^= bit
        for segment in pattern:
            if segment == "*":
                self._stars ^= bit
            elif segment == "#":
                self._hashes ^= bit
            else:
                self._spelled[segment] = self._spelled.get(segment, 0) ^ bit
                if not self._spelled[segment]:
                    del self._spelled[segment]
            bit <<= 1
        self._ends ^= bit

    def match(self, segments: Sequence[str]) -> int:
        """Return the last places of the patterns that match."""
        spelled, stars, hashes = self._spelled, self._stars, self._hashes
        # In a canonical pattern no `#` follows another: one that stands for nothing leads one place on, and no further.
        at = self._starts | (self._starts & hashes) << 1
        for segment in segments:
            at = (at & (stars | spelled.get(segment, 0))) << 1 | at & hashes
            if not at:
                return 0
            at |= (at & hashes) << 1
        return at & self._ends
