"""What waits for a client whose outbox is full: what is left out, and what the client is told about it ◆

Each message is looked at a fixed number of times, however much waits: what was left out leaves an empty place, the
places of what may be replaced are known, and what was found to have to stay is not looked at again.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple, TypeGuard

from gateway.codecs import Dialect
from shared.envelopes import Slow
from shared.frames import Gap

CAUSE = "dropped"
"""Of the `gap` in the place of messages that were left out."""

MAX_EMPTY = 64
"""Empty places that are kept, at least; when they are the greater part as well, all places are given anew."""


class Sheddable(bytes):
    """A message that may be left out for a client that is slow. Shared by all its receivers, like any message."""

    topic: str
    slow: Slow
    epoch: str | None
    offset: int | None
    """Its place in the topic's log; None where there is no log."""

    @classmethod
    def of(cls, data: bytes, topic: str, slow: Slow, epoch: str | None = None, offset: int | None = None) -> Sheddable:
        """Return `data` with what a policy needs to know."""
        sheddable = cls(data)
        sheddable.topic = topic
        sheddable.slow = slow
        sheddable.epoch = epoch
        sheddable.offset = offset
        return sheddable


class Shed(NamedTuple):
    """What came of a frame that did not simply find its place.

    `dropped` messages of ``drop`` topics were left out, itself perhaps among them, with `gaps` new gaps in their
    place; `conflated` ones of ``latest`` topics gave way to newer ones. Where it is `full` the frame was not kept, and
    nothing may be left out for it: the client must go.
    """

    dropped: int = 0
    conflated: int = 0
    gaps: int = 0
    full: bool = False


class Told(bytes):
    """The `gap` frame of a topic."""

    topic: str


class Backlog(list[bytes]):
    """The frames that wait, in their order, with empty ones among them; `size` is their bytes in all.

    Of a ``latest`` topic it holds one message at most, of a ``drop`` topic one gap at most: all that was dropped of it
    lay before all that is left.
    """

    __slots__ = ("_conflated", "_empty", "_gaps", "_latest", "_stays", "size")

    def __init__(self, chunks: Iterable[bytes]) -> None:
        super().__init__(chunks)
        self.size = sum(map(len, self))
        self._conflated = 0
        self._look()

    def add(self, chunk: bytes, bound: int, dialect: Dialect) -> Shed | None:
        """Keep a frame within `bound` bytes; return what had to go for it, None where nothing."""
        if is_latest(chunk):
            self._give_way(chunk.topic)
        dropped = gaps = 0
        if self.size + len(chunk) > bound:
            # An eighth more than is needed, so that not every further message calls for this.
            dropped, gaps = self._make_room(bound * 7 // 8 - len(chunk), dialect)
        full = self.size + len(chunk) > bound
        if not full:
            self._append(chunk)
        elif is_droppable(chunk):
            dropped, gaps = dropped + 1, gaps + self._tell(chunk, len(self), dialect)
            full = self.size > bound
        conflated, self._conflated = self._conflated, 0
        return Shed(dropped, conflated, gaps, full) if dropped or conflated or full else None

    def _make_room(self, most: int, dialect: Dialect) -> tuple[int, int]:
        """Drop the oldest messages that may be, until `most` bytes are left; return how many, and the new gaps."""
        dropped = gaps = 0
        while self.size > most and self._stays < len(self):
            last: dict[str, tuple[Sheddable, int]] = {}
            while self.size > most and self._stays < len(self):
                chunk = self[self._stays]
                if is_droppable(chunk):
                    self._leave_out(self._stays)
                    dropped += 1
                    last[chunk.topic] = chunk, self._stays
                self._stays += 1
            gaps += sum(self._tell(chunk, place, dialect) for chunk, place in last.values())
        return dropped, gaps

    def _tell(self, last: Sheddable, place: int, dialect: Dialect) -> int:
        """Put a gap where the `last` message that was dropped had its place; return how many more there are now."""
        if last.offset is None:
            return 0
        older = self._gaps.pop(last.topic, None)
        if older is not None:
            self._leave_out(older)
        gap = Told(dialect.encode(Gap(last.topic, last.epoch or "", last.offset + 1, CAUSE)))
        gap.topic = last.topic
        if place == len(self):
            self._append(gap)
        else:
            self[place] = gap
            self.size += len(gap)
            self._empty -= 1
        self._gaps[gap.topic] = place
        return 0 if older is not None else 1

    def _give_way(self, topic: str) -> None:
        place = self._latest.pop(topic, None)
        if place is not None:
            self._leave_out(place)
            self._conflated += 1

    def _leave_out(self, place: int) -> None:
        self.size -= len(self[place])
        self[place] = b""
        self._empty += 1

    def _append(self, chunk: bytes) -> None:
        if is_latest(chunk):
            self._latest[chunk.topic] = len(self)
        self.append(chunk)
        self.size += len(chunk)
        if self._empty > max(MAX_EMPTY, len(self) // 2):
            self[:] = filter(None, self)
            self._look()

    def _look(self) -> None:
        """Find every place anew."""
        self._empty = 0
        self._stays = 0
        """How many frames, at the front, were found to have to stay."""
        self._latest: dict[str, int] = {}
        self._gaps: dict[str, int] = {}
        for place, chunk in enumerate(self):
            if is_latest(chunk):
                self._give_way(chunk.topic)
                self._latest[chunk.topic] = place
            elif isinstance(chunk, Told):
                self._gaps[chunk.topic] = place


def is_latest(chunk: bytes) -> TypeGuard[Sheddable]:
    """Say whether a newer message of its topic takes the place of this one."""
    return isinstance(chunk, Sheddable) and chunk.slow is Slow.LATEST


def is_droppable(chunk: bytes) -> TypeGuard[Sheddable]:
    """Say whether this is a message that a slow client may lose."""
    return isinstance(chunk, Sheddable) and chunk.slow is Slow.DROP
