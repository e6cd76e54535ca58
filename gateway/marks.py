"""Names of which nothing is remembered but that they were put down ◆"""

from __future__ import annotations

BITS = 1 << 23
"""Places for marks: 1 MiB, from the first mark on. Of 100,000 names each has its own but for one in a hundred or so."""


class Marks:
    """Names that were put down; they share `BITS` places, so a name that was not may be taken for one that was."""

    def __init__(self) -> None:
        self._bits = bytearray()

    def add(self, name: str) -> None:
        """Put a name down."""
        if not self._bits:
            self._bits = bytearray(BITS // 8)
        place = hash(name) % BITS
        self._bits[place >> 3] |= 1 << (place & 7)

    def __contains__(self, name: str) -> bool:
        """Say whether a name was put down; never wrong about one that was."""
        place = hash(name) % BITS
        return bool(self._bits) and bool(self._bits[place >> 3] & (1 << (place & 7)))
