"""One topic's log in memory ◆"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from itertools import islice

from shared.store.port import REMEMBERED, Log, Read

ENTRY_BYTES = 120
"""What an entry takes besides its bytes: its object, its time and its place in the log."""

LOG_BYTES = 1_000
"""What a log takes besides its entries."""


class TopicLog:
    """The entries of one topic. Their offsets are consecutive, so only the last one's is kept.

    `size` is how many bytes it takes; `used` and `appended` are when it was last used, and last appended to.
    """

    __slots__ = ("_entries", "appended", "epoch", "head", "history", "size", "ttl", "used")

    def __init__(self, epoch: str, now: float) -> None:
        self.epoch = epoch
        self.head = 0
        self.history = 0
        self.ttl = 0
        self.used = now
        self.appended = now
        self.size = LOG_BYTES
        self._entries: deque[tuple[float, bytes]] = deque()

    def __len__(self) -> int:
        return len(self._entries)

    def append(self, entry: bytes, history: int, ttl: int, now: float) -> int:
        """Add `entry`, let go of what is too old or too much, and return by how many bytes the log has grown."""
        entries, before = self._entries, self.size
        entries.append((now, entry))
        self.head += 1
        self.size += ENTRY_BYTES + len(entry)
        self.history, self.ttl, self.used, self.appended = history, ttl, now, now
        if len(entries) > history or entries[0][0] < now - ttl:
            self.trim(now)
        return self.size - before

    def trim(self, now: float) -> int:
        """Let go of what is too old or too much, and return by how many bytes the log has shrunk."""
        entries, before = self._entries, self.size
        oldest = now - self.ttl
        while entries and (len(entries) > self.history or entries[0][0] < oldest):
            self._drop()
        return before - self.size

    def shrink(self, size: int) -> int:
        """Let go of the oldest entries until it takes at most `size` bytes or has one left; return how many."""
        before = len(self._entries)
        while self.size > size and len(self._entries) > 1:
            self._drop()
        return before - len(self._entries)

    def is_over(self, now: float) -> bool:
        """Say whether it was unused for so long that it is forgotten."""
        return self.used + self.ttl + REMEMBERED < now

    def read(self, read: Read, now: float) -> Log:
        """Return what `read` asks for."""
        self.trim(now)
        self.used = now
        first = self.head - len(self._entries) + 1
        return Log(self.epoch, self.head, first, self._chosen(read, first) if read.limit else ())

    def _chosen(self, read: Read, first: int) -> Sequence[tuple[int, bytes]]:
        begin = max(read.after + 1, first)
        end = self.head + 1 if read.before is None else min(read.before, self.head + 1)
        if begin >= end:
            return ()
        if not read.newest:
            return _within(zip(range(begin, end), islice(self._entries, begin - first, end - first), strict=True), read)
        backwards = islice(reversed(self._entries), self.head + 1 - end, self.head + 1 - begin)
        return _within(zip(range(end - 1, begin - 1, -1), backwards, strict=True), read)[::-1]

    def _drop(self) -> None:
        _, entry = self._entries.popleft()
        self.size -= ENTRY_BYTES + len(entry)


def _within(candidates: zip[tuple[int, tuple[float, bytes]]], read: Read) -> list[tuple[int, bytes]]:
    """Return the first of `candidates`, as many as `read` has room for, and one in any case."""
    chosen: list[tuple[int, bytes]] = []
    room = read.max_bytes
    for offset, (_, entry) in islice(candidates, read.limit):
        room -= len(entry)
        if room < 0 and chosen:
            break
        chosen.append((offset, entry))
    return chosen
