"""From joining to live, with nothing between lost or doubled ◆

While a router is asked about a subscription, what is published on its topics must not pass by: it is held here, and
delivered when the answer has come. (Holes in a topic's log will be healed in this room, too.)
"""

from __future__ import annotations

from collections.abc import Iterable

from shared.envelopes import Entry
from shared.topics import matches

MAX_HELD_ENTRIES = 1_000
MAX_HELD_BYTES = 256 * 1024


class Joining:
    """The live entries of one subscription whose answer has not come.

    Bounded by `MAX_HELD_ENTRIES` and `MAX_HELD_BYTES`; past either `overflowed` is set and nothing more is kept:
    the session is closed as a slow one and comes back.
    """

    __slots__ = ("_bytes", "entries", "overflowed")

    def __init__(self) -> None:
        self.entries: list[Entry] = []
        self.overflowed = False
        self._bytes = 0

    def hold(self, entry: Entry) -> None:
        """Keep an entry for later."""
        self._bytes += len(entry.payload)
        if len(self.entries) >= MAX_HELD_ENTRIES or self._bytes > MAX_HELD_BYTES:
            self.overflowed = True
            self.entries.clear()
        if not self.overflowed:
            self.entries.append(entry)

    def release(self, pattern: str) -> list[Entry]:
        """Take out what is on topics that `pattern` matches, in its order."""
        if not self.entries:
            return []
        wanted = {topic for topic in {entry.topic for entry in self.entries} if matches(pattern, topic)}
        released = [entry for entry in self.entries if entry.topic in wanted]
        self.entries = [entry for entry in self.entries if entry.topic not in wanted]
        self._bytes -= sum(len(entry.payload) for entry in released)
        return released


def release_all(joinings: Iterable[Joining], pattern: str) -> list[Entry]:
    """Take what `pattern` matches out of all subscriptions of one session, each entry once.

    The first to have joined holds all that the later ones hold of a topic, so each topic keeps its order.
    """
    return list({id(entry): entry for joining in joinings for entry in joining.release(pattern)}.values())
