"""Topics that are heard or heard of for the first time, and not from their first message on ◆

Nobody here knows where such a topic stood when somebody's pattern began to listen. What comes first may have overtaken
others, or be what is left of them, so it is held. Where its log's first message does not come within the patience of a
hole, a router is asked what stands before it, and all that was taken since somebody listens is delivered. Of a topic
whose place was forgotten nobody knows what was delivered already: it begins where its log stands then, with a gap
before it. Times are seconds, monotonic.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain, islice, takewhile
from typing import NamedTuple

from gateway.logs import ASK_AGAIN, HOLE_PATIENCE, Wanted
from shared.envelopes import Entry, Fetched, Head

BEFORE = 16
"""Messages before the first one held that are asked for at first; four times as many each time that all are news."""

GIVE_UP = 10.0
"""Seconds after which a topic begins with what is held and a gap before it: no router says what stood there."""

MAX_HELD = 1_000
"""Messages of one topic that are held; those beyond are a hole in its log, and healed like one."""

MAX_TOPICS = 10_000
"""Topics that are held at a time; those beyond begin with what came first and a gap before it."""


class Begun(NamedTuple):
    """A topic is followed from `base` on and has `entries` first; `missed`: what lay before is not known."""

    topic: str
    epoch: str
    base: int
    entries: list[Entry]
    missed: bool
    head: int = 0
    """Where its log stands at least, as far as that is known."""


class Held:
    """What is held of one topic."""

    __slots__ = ("after", "deadline", "due", "entries", "epoch", "floor", "forgotten", "head", "news_since", "number")

    def __init__(self, epoch: str, head: int, news_since: float, now: float, *, forgotten: bool = False) -> None:
        self.epoch = epoch
        self.head = head
        """Where the log stood at least when it was heard of."""
        self.entries: dict[int, Entry] = {}
        self.news_since = news_since
        """Milliseconds since 1970 by the clock of a router: what was taken earlier is not news."""
        self.after: int | None = None
        """After which offset a router was asked last."""
        self.floor = 0
        """Up to where it is known that nothing is news."""
        self.forgotten = forgotten
        """Its place was: what is held may have been delivered, and what was before that, too."""
        self.number = 0
        """Of the first question to a router, by which an earlier answer is told."""
        self.due = now + HOLE_PATIENCE
        self.deadline = now + GIVE_UP

    @property
    def lowest(self) -> int:
        """The offset of the first message held, or of the next that comes."""
        return min(self.entries, default=self.head + 1)

    def keep(self, entry: Entry) -> None:
        """Hold one more, within the bound."""
        assert entry.offset is not None
        if len(self.entries) < MAX_HELD or entry.offset < self.lowest:
            self.entries[entry.offset] = entry

    def pass_over(self, epoch: str, head: int) -> None:
        """Hold nothing any more up to `head`, nor of another epoch."""
        self.entries = {
            offset: entry for offset, entry in self.entries.items() if entry.epoch == epoch and offset > head
        }
        self.epoch, self.head = epoch, head


class Discovery:
    """All topics of which that is not known yet."""

    def __init__(self) -> None:
        self._held: dict[str, Held] = {}
        """In the order in which they came."""
        self._fresh: dict[str, None] = {}
        """Topics that no router was asked about, in the same order."""
        self._asked: dict[str, None] = {}
        """The others, in the order in which routers were asked last."""

    @property
    def due_at(self) -> float | None:
        """When `due` has something to say, None where it has not."""
        return min((self._held[topic].due for topic in self._next()), default=None)

    def __contains__(self, topic: str) -> bool:
        return topic in self._held

    def take(self, entry: Entry, heard_for: float, now: float) -> Begun | None:
        """Hold `entry`, which has an offset, of a topic that somebody has heard for so long; say if it can begin."""
        topic = entry.topic
        held = self._held.get(topic)
        if held is None:
            assert entry.offset is not None
            held = Held(entry.epoch or "", entry.offset, taken(entry) - heard_for * 1000, now)
            held.keep(entry)
            if entry.offset == 1 or len(self._held) >= MAX_TOPICS:
                return _begun(topic, held, held.lowest - 1, missed=entry.offset != 1)
            self._held[topic] = held
            self._fresh[topic] = None
            return None
        if held.forgotten:
            held.keep(entry)
            return None
        if entry.epoch != held.epoch:
            begun = self._begin_over(topic)
            begun.entries.append(entry)
            return begun
        held.keep(entry)
        return self._begin(topic, 0) if entry.offset == 1 else None

    def expect(self, head: Head, news_since: float, now: float) -> Begun | None:
        """Take a router's word that the log of a topic stands at `head`, though nothing came of it.

        `news_since` is milliseconds since 1970, by that router's clock.
        """
        held = Held(head.epoch, head.offset, news_since, now)
        if len(self._held) >= MAX_TOPICS:
            return _begun(head.topic, held, head.offset, missed=True)
        self._held[head.topic] = held
        self._fresh[head.topic] = None
        return None

    def holds_forgotten(self, topic: str) -> bool:
        """Say whether a topic is held whose place was forgotten."""
        held = self._held.get(topic)
        return held is not None and held.forgotten

    def hold_forgotten(self, head: Head, now: float) -> None:
        """Hold what comes of a topic whose place was forgotten, and whose log stands at `head` at least.

        Where there is no room it is not held.
        """
        if head.topic not in self._held and len(self._held) < MAX_TOPICS:
            self._held[head.topic] = Held(head.epoch, head.offset, 0.0, now, forgotten=True)
            self._fresh[head.topic] = None

    def asked(self, topic: str, number: int) -> None:
        """Note the number of a question about a topic; later ones have higher numbers."""
        if (held := self._held.get(topic)) is not None:
            held.number = held.number or number

    def fill(self, fetched: Fetched, now: float) -> Begun | Wanted | None:
        """Take what a router says of a topic; say if it can begin, or what else is to be asked for."""
        topic = fetched.topic
        held = self._held.get(topic)
        if held is None or held.after is None:
            return None
        if held.forgotten:
            if not 0 < held.number <= fetched.id:
                return None  # asked when it was followed yet: much may have been delivered since
            held.pass_over(fetched.epoch, fetched.head)
            return self._begin(topic, fetched.head, missed=True)
        if fetched.epoch != held.epoch:
            return self._begin_over(topic)
        lowest, start = held.lowest, max(held.after + 1, fetched.first)
        begins = (fetched.entries[0].offset or 0) if fetched.entries else fetched.head + 1
        if begins > start and start < lowest:
            return None  # the answer to a question that went less far back, and was asked twice
        news = [entry for entry in fetched.entries if taken(entry) >= held.news_since]
        first = min((entry.offset or 0 for entry in news), default=lowest)
        if first >= lowest:
            last = (fetched.entries[-1].offset or 0) if fetched.entries else lowest
            if last >= min(lowest - 1, fetched.head):
                # A log that has let go of what is held already says nothing of what stood before that.
                return self._begin(topic, lowest - 1, missed=fetched.first > lowest > held.floor + 1)
            held.after = held.floor = last  # the answer was cut off, and what is news may come behind it
            return self._ask(topic, held, now)
        if first == held.after + 1 and first > max(fetched.first, held.floor + 1):
            held.after = max(held.floor, lowest - 1 - 4 * (lowest - 1 - held.after))
            return self._ask(topic, held, now)
        for entry in fetched.entries:
            if (entry.offset or 0) >= first:
                held.keep(entry)
        return self._begin(topic, first - 1, missed=first == fetched.first and first > held.floor + 1)

    def forget(self, topic: str) -> None:
        """Hold nothing of `topic` any more."""
        self._held.pop(topic, None)
        self._fresh.pop(topic, None)
        self._asked.pop(topic, None)

    def due(self, now: float, most: int) -> list[Wanted]:
        """Return what is to be asked for now, `most` at a time; asked for again unless `fill` comes."""
        wanted: list[Wanted] = []
        while len(wanted) < most:
            topic = next((topic for topic in self._next() if self._held[topic].due <= now), None)
            if topic is None:
                break
            held = self._held[topic]
            if held.after is None:
                held.after = max(0, held.lowest - 1 - BEFORE)
            wanted.append(self._ask(topic, held, now))
        return wanted

    def overdue(self, now: float) -> list[Begun]:
        """Return what begins now, as nobody has said what stands before it."""
        begun: list[Begun] = []
        for topic in list(takewhile(lambda topic: self._held[topic].deadline <= now, self._held)):
            held = self._held[topic]
            if held.forgotten:  # no more is known of it than before: without a router's word it cannot begin
                held.deadline = now + GIVE_UP
                self._held[topic] = self._held.pop(topic)
            else:
                begun.append(self._begin(topic, held.lowest - 1, missed=True))
        return begun

    def _next(self) -> Iterator[str]:
        """Return the topics, two at most, one of which is due first."""
        return chain(islice(self._fresh, 1), islice(self._asked, 1))

    def _ask(self, topic: str, held: Held, now: float) -> Wanted:
        assert held.after is not None
        held.due = now + ASK_AGAIN
        self._fresh.pop(topic, None)
        self._asked.pop(topic, None)
        self._asked[topic] = None
        return Wanted(topic, held.after)

    def _begin_over(self, topic: str) -> Begun:
        """Begin with what is held of a log that was lost: nobody can say any more what stood before it."""
        held = self._held[topic]
        return self._begin(topic, held.lowest - 1, missed=held.lowest > held.floor + 1)

    def _begin(self, topic: str, base: int, *, missed: bool = False) -> Begun:
        held = self._held[topic]
        self.forget(topic)
        return _begun(topic, held, base, missed=missed)


def _begun(topic: str, held: Held, base: int, *, missed: bool) -> Begun:
    return Begun(topic, held.epoch, base, _in_order(held.entries.values()), missed, held.head)


def _in_order(entries: Iterable[Entry]) -> list[Entry]:
    return sorted(entries, key=lambda entry: entry.offset or 0)


def taken(entry: Entry) -> int:
    """Return when a router took a message, in milliseconds since 1970 by its clock."""
    return entry.taken or entry.at
