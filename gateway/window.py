"""The last messages of one topic, kept for a crowd that comes back: one read of the log serves them all ◆"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from itertools import islice

from shared.envelopes import Entry

MAX_ENTRIES = 1_000
MAX_BYTES = 1024 * 1024
"""What one subscription is given of the past at most, and so what is worth keeping."""


class Kept:
    """A message, and its finished frame in each dialect once somebody has needed it."""

    __slots__ = ("chunks", "entry")

    def __init__(self, entry: Entry) -> None:
        self.entry = entry
        self.chunks: list[bytes | None] = [None, None]


class Window:
    """Consecutive messages. `after` is the offset before the first, `last` that of the last one."""

    __slots__ = ("_kept", "after", "last", "size")

    def __init__(self, after: int) -> None:
        self.after = after
        self.last = after
        self._kept: deque[Kept] = deque()
        self.size = 0
        """Bytes of all messages."""

    def __len__(self) -> int:
        """Return how many messages are kept."""
        return len(self._kept)

    def append(self, entry: Entry) -> None:
        """Keep the next one; the oldest go where there is no room."""
        self._kept.append(Kept(entry))
        self.size += len(entry.payload)
        self.last += 1
        while len(self._kept) > MAX_ENTRIES or self.size > MAX_BYTES:
            self.size -= len(self._kept.popleft().entry.payload)
            self.after += 1

    def extend(self, entries: Iterable[Entry]) -> None:
        """Keep all that follow."""
        for entry in entries:
            if entry.offset == self.last + 1:
                self.append(entry)

    def between(self, after: int, upto: int) -> list[Kept] | None:
        """Return the messages after one offset up to another; None where not all of them are here."""
        if after < self.after or upto > self.last:
            return None
        first = after - self.after
        return list(islice(self._kept, first, first + max(0, upto - after)))

    def all(self) -> Iterable[Kept]:
        """Return everything that is kept."""
        return self._kept
