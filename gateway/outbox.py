"""What waits to be written to one client: bounded, with the topic's policy for when it does not read ◆

In the common case an outbox is a list of finished frames that lives for one turn of the loop. Only when the client's
socket is full does it grow, and then every further message is a decision.
"""

from __future__ import annotations

from enum import Enum
from typing import TypeGuard

from shared.envelopes import Slow


class Sheddable(bytes):
    """A message that may be left out for a client that is slow. Shared by all its receivers, like any message."""

    topic: str
    slow: Slow

    @classmethod
    def of(cls, data: bytes, topic: str, slow: Slow) -> Sheddable:
        """Return `data` with what a policy needs to know."""
        sheddable = cls(data)
        sheddable.topic = topic
        sheddable.slow = slow
        return sheddable


class Verdict(Enum):
    """What became of a message."""

    KEPT = "kept"
    DROPPED = "dropped"
    """Older ones were left out to keep it; or, on a `drop` topic where that was not enough, it was left out itself."""
    CONFLATED = "conflated"
    """Kept in the place of an older one of its topic."""
    FULL = "full"
    """Not kept: nothing may be left out, so the client must go."""


class Outbox:
    """Finished frames, at most `bound` bytes."""

    __slots__ = ("chunks", "size")

    def __init__(self) -> None:
        self.chunks: list[bytes] = []
        self.size = 0

    def push(self, chunk: bytes, bound: int, *, stalled: bool) -> Verdict:
        """Add one frame. `stalled` says that the socket takes no more, so that conflation makes sense."""
        verdict = Verdict.KEPT
        if stalled and _is_conflated(chunk) and self._leave_out_older(chunk):
            verdict = Verdict.CONFLATED
        if self.size + len(chunk) > bound:
            if not self._make_room(chunk, bound):
                return Verdict.DROPPED if isinstance(chunk, Sheddable) and chunk.slow is Slow.DROP else Verdict.FULL
            verdict = Verdict.DROPPED
        self.chunks.append(chunk)
        self.size += len(chunk)
        return verdict

    def take(self) -> bytes:
        """Return everything as one piece and be empty."""
        chunks = self.chunks
        data = chunks[0] if len(chunks) == 1 else b"".join(chunks)
        self.chunks = []
        self.size = 0
        return data

    def clear(self) -> None:
        """Forget everything."""
        self.chunks = []
        self.size = 0

    def _leave_out_older(self, latest: Sheddable) -> bool:
        for place, chunk in enumerate(self.chunks):
            if _is_conflated(chunk) and chunk.topic == latest.topic:
                self.size -= len(chunk)
                del self.chunks[place]
                return True
        return False

    def _make_room(self, wanted: bytes, bound: int) -> bool:
        """Leave out the oldest messages that may be, until `wanted` fits; change nothing where that is not enough.

        Of a `latest` topic the last message is not left out: the client would stay with an older one.
        """
        last = {chunk.topic: chunk for chunk in (*self.chunks, wanted) if _is_conflated(chunk)}
        excess = self.size + len(wanted) - bound
        doomed: set[int] = set()
        for place, chunk in enumerate(self.chunks):
            if excess <= 0:
                break
            if isinstance(chunk, Sheddable) and last.get(chunk.topic) is not chunk:
                doomed.add(place)
                excess -= len(chunk)
        if excess > 0:
            return False
        self.size -= sum(len(self.chunks[place]) for place in doomed)
        self.chunks = [chunk for place, chunk in enumerate(self.chunks) if place not in doomed]
        return True


def _is_conflated(chunk: bytes) -> TypeGuard[Sheddable]:
    return isinstance(chunk, Sheddable) and chunk.slow is Slow.LATEST
