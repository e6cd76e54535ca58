"""Where the deliveries of every topic stand here, and what a message that comes means for it ◆

The log in the store is the truth, what comes over the bus only a hint: it may be lost, doubled or overtaken. A topic's
next offset is delivered; a lower one is a duplicate; a higher one is held until the hole before it has healed. Times
are seconds, monotonic.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Sequence
from typing import NamedTuple, Protocol, TypeAlias

from gateway.counters import Counters
from gateway.marks import Marks
from gateway.window import Window
from shared.envelopes import Entry, Fetched

HOLE_PATIENCE = 0.03
"""Seconds that a hole may take to close by itself: clients' and back ends' messages come through two partitions."""

ASK_AGAIN = 2.0
"""Seconds after which a range that did not come is asked for again."""

MAX_HELD = 1_000
"""Messages of one topic held behind a hole; beyond it they are let go, and fetched when the hole has closed."""

MAX_FORMER = 8
"""Epochs of a topic that are known to be over."""

MAX_LOGS = 100_000
"""Topics whose place is remembered, besides those that somebody subscribes to by name: these are as many as may be
subscribed to, and never forgotten."""

SPARE = MAX_LOGS // 8
"""So many fewer than that are remembered as long as there are quiet ones, which are forgotten first."""

LOOKS = 32
"""Places that are looked at, the longest not looked at first, for each that is new and has no room."""

TRIMMED, EPOCH_CHANGED = "trimmed", "epoch_changed"


class Missed(NamedTuple):
    """Messages that no subscriber of `topic` here will get; `offset` is the next that comes."""

    topic: str
    epoch: str
    offset: int
    cause: str


class Hearing(Protocol):
    """Who hears a topic, as far as its place may be forgotten."""

    def is_heard(self, topic: str) -> bool:
        """Say whether anyone hears a topic, or is about to."""

    def is_named(self, topic: str) -> bool:
        """Say whether anyone subscribes to it by name."""

    @property
    def named(self) -> int:
        """Return how many topics somebody subscribes to by name."""


Step: TypeAlias = Entry | Missed
"""What subscribers are given, in order."""


class Wanted(NamedTuple):
    """What a router is to be asked for: the log of `topic` after an offset."""

    topic: str
    after: int


_NONE: dict[str, int] = {}
"""Never written to: of nearly all logs no epoch has ended here."""


class TopicLog:
    """The place of one topic."""

    __slots__ = ("due", "epoch", "former", "held", "looked_at", "offset", "seen", "stood_at", "window")

    def __init__(self, epoch: str, offset: int, now: float) -> None:
        self.epoch = epoch
        self.offset = offset
        """The last that was delivered."""
        self.former: dict[str, int] = _NONE
        """The epochs before, `MAX_FORMER` at most, and the last offset of each that was delivered.

        What still comes of them over the bus is too late; should one be the log's after all, it goes on from there.
        """
        self.seen = offset
        """The highest that is known to be there."""
        self.held: dict[int, Entry] = {}
        self.due: float | None = None
        """When a router is to be asked; None where there is nothing to ask."""
        self.window: Window | None = None
        self.stood_at = offset
        self.looked_at = now
        """The last delivered offset at the time when it was looked at whether this is a quiet one."""

    @property
    def is_quiet(self) -> bool:
        """Say whether nothing was delivered since then, and nobody waits for anything of it."""
        return self.offset == self.stood_at and self.due is None and not self.held and self.window is None

    def move(self, entry: Entry) -> Entry:
        """Deliver the next one."""
        assert entry.offset is not None
        self.offset = entry.offset
        if self.window is not None:
            self.window.append(entry)
        return entry


class Logs:
    """All topics that are followed here. `hearing` says who hears them."""

    def __init__(self, hearing: Hearing, counters: Counters) -> None:
        self.duplicates = 0
        self.holes = 0
        self._hearing = hearing
        self._counters = counters
        self._forgotten = Marks()
        """Topics that somebody heard through a pattern when there was no room for their place any more."""
        self.delivered_until = float("-inf")
        """All that was delivered of these had been taken by then."""
        self._logs: OrderedDict[str, TopicLog] = OrderedDict()
        self.due_at: float | None = None
        """When `due` has something to say, or a little earlier."""
        self._open: dict[str, None] = {}
        """Topics with something to ask."""

    def __len__(self) -> int:
        return len(self._logs)

    def of(self, topic: str) -> TopicLog | None:
        """Return the place of a topic, None where it is not followed."""
        return self._logs.get(topic)

    def begin(self, topic: str, epoch: str, offset: int, now: float) -> TopicLog:
        """Follow `topic` from here on."""
        log = self._logs[topic] = TopicLog(epoch, offset, now)
        if len(self._logs) > MAX_LOGS - SPARE:
            self._make_room(now)
        return log

    def may_know(self, topic: str, since: float) -> bool:
        """Say whether something of a topic, which is not followed, may have been delivered to who listens since then.

        Then its place was forgotten, and what was lost before that is known to nobody.
        """
        return since <= self.delivered_until and topic in self._forgotten

    def forget(self, topic: str) -> None:
        """Follow it no more."""
        self._logs.pop(topic, None)
        self._open.pop(topic, None)

    def take(self, entry: Entry, now: float) -> Sequence[Step]:
        """Return what is to be delivered, now that `entry`, which has an offset, has come."""
        topic, offset, epoch = entry.topic, entry.offset, entry.epoch or ""
        assert offset is not None
        log = self._logs.get(topic)
        if log is None:
            self.begin(topic, epoch, offset, now)
            return (entry,)
        if epoch != log.epoch:
            return self._take_of_another_epoch(log, entry, now)
        if offset == log.offset + 1:
            log.move(entry)
            return (entry,) if not log.held else [entry, *self._closed(topic, log)]
        if offset <= log.offset:
            self.duplicates += 1
            return ()
        self._hold(topic, log, entry, now)
        return ()

    def expect(self, topic: str, epoch: str, head: int, now: float) -> Sequence[Step]:
        """Return what follows from learning that the log of `topic`, which is followed, stands at `head`."""
        log = self._logs[topic]
        if epoch in log.former:
            self._ask(topic, log, now + HOLE_PATIENCE)
            return ()
        steps = self._change_epoch(topic, log, epoch) if epoch != log.epoch else []
        if head > max(log.seen, log.offset):
            log.seen = head
            if log.due is None:
                self._ask(topic, log, now + HOLE_PATIENCE)
        return steps

    def fill(self, fetched: Fetched, now: float) -> Sequence[Step]:
        """Return what is to be delivered, now that a range of a log has come."""
        topic = fetched.topic
        log = self._logs.get(topic)
        if log is None:
            return ()
        steps: list[Step] = []
        if fetched.epoch != log.epoch:
            steps += self._change_epoch(topic, log, fetched.epoch)
        if fetched.first > log.offset + 1:
            log.offset = fetched.first - 1
            log.window = None
            steps.append(Missed(topic, log.epoch, fetched.first, TRIMMED))
        for entry in fetched.entries:
            if entry.offset == log.offset + 1:
                steps.append(log.move(entry))
        log.seen = max(log.seen, fetched.head)
        log.due = None
        return steps + self._closed(topic, log, now)

    def doubt(self, topics: Iterable[str], now: float) -> None:
        """Have routers asked where these logs stand: something of them may have been lost."""
        for topic in topics:
            if (log := self._logs.get(topic)) is not None:
                self._ask(topic, log, now)

    def topics(self) -> list[str]:
        """Return all that is followed."""
        return list(self._logs)

    def due(self, now: float, most: int) -> list[Wanted]:
        """Return what is to be asked for now, `most` at a time; asked for again unless `fill` comes."""
        wanted: list[Wanted] = []
        self.due_at = None
        for topic in list(self._open):
            log = self._logs.get(topic)
            if log is None or log.due is None:
                del self._open[topic]
                continue
            if log.due <= now and len(wanted) < most:
                log.due = now + ASK_AGAIN
                wanted.append(Wanted(topic, log.offset))
            if self.due_at is None or log.due < self.due_at:
                self.due_at = log.due
        return wanted

    def _make_room(self, now: float) -> None:
        """Forget places beyond the bound: at once where nobody hears the topic, quiet ones while there are any."""
        most = MAX_LOGS + self._hearing.named
        busy: str | None = None
        for _ in range(min(LOOKS, len(self._logs) - 1)):
            if len(self._logs) <= most - SPARE:
                return
            topic, log = next(iter(self._logs.items()))
            if not self._hearing.is_named(topic):
                if not self._hearing.is_heard(topic):
                    self.forget(topic)
                    continue
                if log.is_quiet:
                    self._evict(topic, log.looked_at)
                    continue
                busy = busy or topic
            log.stood_at, log.looked_at = log.offset, now
            self._logs.move_to_end(topic)
        if busy is not None and len(self._logs) > most:
            self._evict(busy, now)

    def _evict(self, topic: str, delivered_until: float) -> None:
        self.forget(topic)
        self._forgotten.add(topic)
        self.delivered_until = max(self.delivered_until, delivered_until)
        self._counters.places_forgotten += 1

    def _hold(self, topic: str, log: TopicLog, entry: Entry, now: float) -> None:
        assert entry.offset is not None
        if not log.held and log.due is None:
            self.holes += 1
        log.seen = max(log.seen, entry.offset)
        if len(log.held) < MAX_HELD:
            log.held[entry.offset] = entry
        if log.due is None:
            self._ask(topic, log, now + HOLE_PATIENCE)

    def _ask(self, topic: str, log: TopicLog, at: float) -> None:
        self._open[topic] = None
        if log.due is None or log.due > at:
            log.due = at
        if self.due_at is None or log.due < self.due_at:
            self.due_at = log.due

    def _closed(self, topic: str, log: TopicLog, now: float | None = None) -> list[Step]:
        """Return what was held and is next; ask on where something is missing still."""
        steps: list[Step] = []
        while (entry := log.held.pop(log.offset + 1, None)) is not None:
            steps.append(log.move(entry))
        if log.held:
            log.held = {offset: entry for offset, entry in log.held.items() if offset > log.offset}
        if log.seen <= log.offset:
            log.due = None
        elif log.due is None and now is not None:
            self._ask(topic, log, now)
        return steps

    def _take_of_another_epoch(self, log: TopicLog, entry: Entry, now: float) -> Sequence[Step]:
        if entry.epoch in log.former:
            # Most likely it is late. Should it be us who are wrong, the log will tell: its word counts always.
            self.duplicates += 1
            self._ask(entry.topic, log, now + HOLE_PATIENCE)
            return ()
        return [*self._change_epoch(entry.topic, log, entry.epoch or ""), *self.take(entry, now)]

    def _change_epoch(self, topic: str, log: TopicLog, epoch: str) -> list[Step]:
        former = {**log.former, log.epoch: log.offset}
        log.offset = log.seen = former.pop(epoch, 0)
        while len(former) > MAX_FORMER:
            del former[next(iter(former))]
        log.former, log.epoch = former, epoch
        log.stood_at = -1
        log.held.clear()
        log.window = None
        log.due = None
        return [Missed(topic, epoch, log.offset + 1, EPOCH_CHANGED)]
