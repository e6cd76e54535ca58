"""Gives a client what it has missed: as fast as it reads, and never more at a time than its outbox can hold.

First what its topics' logs had, then what was held for it while it waited for that.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from typing import Protocol

from gateway.codecs import Dialect
from gateway.counters import Counters
from gateway.fanout import Receiver
from gateway.logs import Step
from gateway.window import Kept
from shared.envelopes import Entry, Slow

PIECE = 64 * 1024
"""Bytes in an outbox from which on a replay waits for it to be written: a quarter of the default bound."""


class Reader(Receiver, Protocol):
    """A connection as a replay sees it."""

    def has_room(self, most: int) -> bool:
        """Say whether fewer than `most` bytes wait and the socket takes more."""

    def when_written(self, then: Callable[[], None]) -> None:
        """Call `then` once, when what waits has been written."""


class Replays:
    """Sends the past. `send` gives one receiver one finished frame."""

    def __init__(self, send: Callable[[Reader, bytes], None], counters: Counters) -> None:
        self._send = send
        self._counters = counters

    def begin(self, reader: Reader, past: Iterable[Kept], wanted: Callable[[], bool], then: Callable[[], None]) -> None:
        """Send `past`, then call `then`; give up where it is not `wanted` any more."""
        self._go_on(reader, deque(past), wanted, then)

    def _go_on(self, reader: Reader, past: deque[Kept], wanted: Callable[[], bool], then: Callable[[], None]) -> None:
        if not wanted():
            return
        dialect = reader.dialect
        while past and reader.has_room(PIECE):
            kept = past.popleft()
            self._send(reader, chunk_of(kept, dialect))
            self._counters.replayed += 1
        if past:
            reader.when_written(lambda: self._go_on(reader, past, wanted, then))
        else:
            then()


def send_held(reader: Reader, held: Sequence[Step], send: Callable[[Step], None]) -> int:
    """Send as much of what was held as there is room for; return how many of `held` that was.

    What may be left out for a slow client needs none: if it does not read, the topic's rule says what it gets.
    """
    sent = 0
    for step in held:
        if not (reader.has_room(PIECE) or (isinstance(step, Entry) and step.slow is not Slow.DISCONNECT)):
            break
        send(step)
        sent += 1
    return sent


def chunk_of(kept: Kept, dialect: Dialect) -> bytes:
    """Return a message's finished frame, made once for all who need it."""
    chunk = kept.chunks[dialect.index]
    if chunk is None:
        chunk = kept.chunks[dialect.index] = dialect.message(kept.entry)
    return chunk
