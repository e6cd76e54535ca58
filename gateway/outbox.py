"""What waits to be written to one client: bounded, with the topic's policy for when it does not read ◆

In the common case an outbox is a list of finished frames that lives for one turn of the loop. Only when the client's
socket is full does it grow, and then every further message is a decision: the list becomes a `Backlog`.
"""

from __future__ import annotations

from gateway.backlog import Backlog, Shed, is_latest
from gateway.codecs import Dialect


class Outbox:
    """Finished frames, at most `bound` bytes."""

    __slots__ = ("chunks", "size")

    def __init__(self) -> None:
        self.chunks: list[bytes] = []
        self.size = 0

    def push(self, chunk: bytes, bound: int, stalled: bool, dialect: Dialect) -> Shed | None:
        """Add one frame; return what had to go for it, None where nothing.

        `stalled` says that the socket takes no more, so that conflation makes sense; clients are told in `dialect`
        what they lost.
        """
        chunks = self.chunks
        size = self.size + len(chunk)
        if size > bound or type(chunks) is Backlog or (stalled and is_latest(chunk)):
            return self._decide(chunk, bound, dialect)
        chunks.append(chunk)
        self.size = size
        return None

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

    def _decide(self, chunk: bytes, bound: int, dialect: Dialect) -> Shed | None:
        backlog = self.chunks
        if not isinstance(backlog, Backlog):
            backlog = self.chunks = Backlog(backlog)
        shed = backlog.add(chunk, bound, dialect)
        self.size = backlog.size
        return shed
