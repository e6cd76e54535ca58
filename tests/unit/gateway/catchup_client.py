"""A client that comes and goes, with what must be true of all that it is told."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import count
from typing import Any

import msgspec

from shared.frames import Position, Since, Subscribe, Unsubscribe
from shared.topics import has_wildcard, matches
from tests.unit.gateway.catchup_house import House, Socket
from tests.unit.gateway.catchup_world import LONGEST, TOPICS, Store

Heads = dict[str, tuple[str, int]]


@dataclass
class Bounds:
    """What one subscription is given of the past at most."""

    entries: int
    size: int


@dataclass
class Subscription:
    """What a client wants, and knows of it."""

    since: Since | None
    tail: int
    ours: int = 0
    """The gateway's number of the request."""
    heads: Heads = field(default_factory=dict)
    """Where the logs stood when a router said yes: what is newer must come."""
    untold: bool = False
    """The router could not say which logs grew."""
    served: bool = False
    caught_up: bool = False
    """It has been told that all that it missed has come."""


class Client:
    """See above. What it is told wrongly raises `AssertionError`."""

    def __init__(self, store: Store, bounds: Bounds, *, crowded: bool = False) -> None:
        self.store = store
        self.bounds = bounds
        self.crowded = crowded
        """Gateways have so little room that they forget places: then gaps are told that need not be there."""
        self.excused: set[str] = set()
        """Topics for which no router answered for so long that something may be given up."""
        self.house: House | None = None
        self.last: dict[str, tuple[str, int]] = {}
        """The last place of each topic, across connections."""
        self.had: set[tuple[str, str, int]] = set()
        """Everything that it was given since it began anew with a topic."""
        self.floors: dict[str, Heads] = {}
        """For each pattern, after what it has to be told of topics that it knows nothing of."""
        self.at: dict[str, int] = {}
        """From when each pattern is resumed."""
        self.heard_at: dict[str, int] = {}
        self.subscriptions: dict[str, Subscription] = {}
        self.asked: dict[int, tuple[str, Subscription]] = {}
        self.is_told_to_go = False
        self._numbers = count(1)
        self._data = b""

    # What it does.

    def come(self, house: House) -> None:
        self.house = house
        self._data = b""
        self.is_told_to_go = False
        self.socket = Socket(self.read)
        self.connection = house.open(self.socket)

    def go(self) -> None:
        assert self.house is not None
        for pattern, subscription in self.subscriptions.items():
            # Until what it missed has come it may not take the time of what came for the place where it left off.
            if has_wildcard(pattern) and (subscription.caught_up or (subscription.served and not subscription.since)):
                self.at[pattern] = self.heard_at[pattern]
        self.connection.connection_lost(None)
        self.house = None
        self.subscriptions.clear()
        self.asked.clear()

    def is_live(self, pattern: str) -> bool:
        return self.connection.session.topics.get(pattern, self) is None

    @property
    def is_settled(self) -> bool:
        """All its subscriptions are live."""
        return all(each.served and self.is_live(pattern) for pattern, each in self.subscriptions.items())

    def overlaps(self, pattern: str) -> bool:
        return any(matches(each, topic) and matches(pattern, topic) for each in self.subscriptions for topic in TOPICS)

    def memory_of(self, pattern: str) -> Since | None:
        """Where it left off."""
        if not has_wildcard(pattern):
            place = self.last.get(pattern)
            return None if place is None else Since(*place)
        if pattern not in self.at:
            return None
        topics = {topic: Position(*place) for topic, place in self.last.items() if matches(pattern, topic)}
        return Since(at=self.at[pattern], topics=topics)

    def subscribe(self, pattern: str, since: Since | None, tail: int = 0) -> None:
        assert self.house is not None
        number = next(self._numbers)
        subscription = Subscription(since, tail)
        self.subscriptions[pattern] = subscription
        self.asked[number] = (pattern, subscription)
        if since is not None and not has_wildcard(pattern):
            assert since.epoch is not None
            assert since.offset is not None
            if self.last.get(pattern) != (since.epoch, since.offset):
                self.begin_anew(pattern)
            self.last[pattern] = (since.epoch, since.offset)
        self.house.frame(self.connection, Subscribe(number, pattern, since, tail or None))
        subscription.ours = max(self.connection.session.pending)

    def unsubscribe(self, pattern: str) -> None:
        assert self.house is not None
        self.house.frame(self.connection, Unsubscribe(next(self._numbers), pattern))
        del self.subscriptions[pattern]
        self.forget(pattern)

    def forget(self, pattern: str) -> None:
        """Begin anew with a pattern the next time."""
        for memory in (self.at, self.heard_at, self.floors):
            memory.pop(pattern, None)

    def begin_anew(self, topic: str) -> None:
        """Forget what it was told of a topic, of which it may be told again."""
        self.last.pop(topic, None)
        self.had = {place for place in self.had if place[0] != topic}

    def note_heads(self, ours: int, heads: Heads, untold: bool) -> None:
        """Note where the logs stood when a router said yes."""
        for each in self.subscriptions.values():
            if each.ours == ours:
                each.heads, each.untold = heads, untold

    # What it is told.

    def read(self, data: bytes) -> None:
        self._data += data
        while len(self._data) >= 2:
            opcode, length, start = self._data[0] & 15, self._data[1], 2
            if length == 126:
                length, start = int.from_bytes(self._data[2:4]), 4
            payload, self._data = self._data[start : start + length], self._data[start + length :]
            if opcode == 8:
                self.is_told_to_go = True
            else:
                self.take(msgspec.json.decode(payload))

    def take(self, frame: dict[str, Any]) -> None:
        match frame["type"]:
            case "subscribed":
                pattern, subscription = self.asked.pop(frame["id"])
                assert self.subscriptions.get(pattern) is subscription
                self.begin(pattern, subscription, frame)
            case "error":
                pattern, subscription = self.asked.pop(frame["id"])
                if self.subscriptions.get(pattern) is subscription:
                    del self.subscriptions[pattern]
                    if subscription.since is None:
                        self.forget(pattern)
            case "caught_up":
                assert self.is_live(frame["topic"]), "not all that it missed has come"
                self.subscriptions[frame["topic"]].caught_up = True
                self.heard_at[frame["topic"]] = frame["at"]
            case "message":
                self.message(frame)
            case "gap":
                self.gap(frame)

    def begin(self, pattern: str, subscription: Subscription, frame: dict[str, Any]) -> None:
        subscription.served = True
        recovered = frame.get("recovered")
        assert (recovered is None) == (subscription.since is None)
        if not recovered and recovered is not None:
            assert self.may_be_lost(pattern, subscription), "not recovered, though it is all there"
        if has_wildcard(pattern):
            self.begin_pattern(pattern, subscription, frame)
            return
        place = (frame["epoch"], frame["offset"])
        if recovered:
            assert place == self.last[pattern], "recovered, from another place"
        if subscription.since is None:
            self.check_tail(pattern, subscription, *place)
            if not self.is_heard(pattern, but=pattern):
                self.begin_anew(pattern)
                self.last[pattern] = place

    def begin_pattern(self, pattern: str, subscription: Subscription, frame: dict[str, Any]) -> None:
        self.heard_at.setdefault(pattern, frame["at"])
        if subscription.since is None or subscription.untold:
            self.floors[pattern] = subscription.heads
            for topic in TOPICS:
                if matches(pattern, topic) and not self.is_heard(topic, but=pattern):
                    self.begin_anew(topic)
        if subscription.untold:
            self.at.pop(pattern, None)  # whatever it had is of no use until it is live

    def check_tail(self, topic: str, subscription: Subscription, epoch: str, offset: int) -> None:
        log = self.store.logs[topic]
        if self.is_tight or epoch != log.epoch or subscription.heads[topic][0] != epoch:
            return
        latest = max(subscription.heads[topic][1] - subscription.tail, log.first - 1)
        assert 0 <= offset <= latest, f"{offset}: less than the tail that it asked for"

    def message(self, frame: dict[str, Any]) -> None:
        topic, epoch, offset = frame["topic"], frame["epoch"], frame["offset"]
        assert self.is_heard(topic), "nobody asked for this"
        assert len(frame["data"]) == self.size_of(topic, epoch, offset)
        last = self.last.get(topic)
        if last is None:
            self.check_first(topic, epoch, offset)
        else:
            assert epoch == last[0], f"{topic}: from {last} to {epoch}, {offset} without a word"
            assert offset > last[1], f"{topic}: {offset} again, or late: it has {last}"
            assert offset == last[1] + 1, f"{topic}: a silent hole between {last} and {offset}"
        assert (topic, epoch, offset) not in self.had, f"{topic}: {epoch}, {offset} again, behind gaps"
        self.had.add((topic, epoch, offset))
        self.last[topic] = (epoch, offset)
        for pattern, subscription in self.subscriptions.items():
            if has_wildcard(pattern) and matches(pattern, topic) and subscription.served:
                self.heard_at[pattern] = frame["at"]

    def check_first(self, topic: str, epoch: str, offset: int) -> None:
        """Nothing is known of the topic: what came since it was listened to must not be missing."""
        for pattern, subscription in self.subscriptions.items():
            if subscription.served and has_wildcard(pattern) and matches(pattern, topic):
                floor = self.floors[pattern][topic]
                least = floor[1] if floor[0] == epoch else 0
                if (epoch, offset) in self.store.firsts[topic]:
                    continue  # nobody can tell whether what was kept no longer had been there before it was listened
                if self.epochs(topic).index(epoch) < self.epochs(topic).index(floor[0]):
                    continue  # it is late, and older than all that has to come
                assert offset <= least + 1, f"{topic}: a silent hole between {floor} and {epoch}, {offset}"

    def gap(self, frame: dict[str, Any]) -> None:
        topic, epoch, offset, cause = frame["topic"], frame["epoch"], frame["offset"], frame["cause"]
        assert self.is_heard(topic)
        assert epoch in self.epochs(topic)
        if cause == "epoch_changed":
            assert len(self.epochs(topic)) > 1, "no log was lost"
        else:
            self.check_trimmed(topic, epoch, offset)
        self.last[topic] = (epoch, offset - 1)

    def check_trimmed(self, topic: str, epoch: str, offset: int) -> None:
        last, log = self.last.get(topic), self.store.logs[topic]
        if self.crowded:
            assert last is None or last[0] != epoch or last[1] < offset, f"{topic}: back to {offset}: it has {last}"
            return
        if last is not None and last[0] == epoch:
            assert last[1] < offset - 1, f"{topic}: a gap up to {offset} where nothing is missing: it has {last}"
        if len(self.epochs(topic)) == 1 and topic not in self.excused and not self.is_beyond_bounds(topic):
            assert log.first >= offset, f"{topic}: a gap up to {offset}, and {log.first} is there yet"

    # What it knows of the world.

    def is_heard(self, topic: str, but: str = "") -> bool:
        return any(
            each.served and matches(pattern, topic)
            for pattern, each in self.subscriptions.items()
            if pattern != but
        )

    def epochs(self, topic: str) -> list[str]:
        return [log.epoch for log in (*self.store.former[topic], self.store.logs[topic])]

    def size_of(self, topic: str, epoch: str, offset: int) -> int:
        logs = (*self.store.former[topic], self.store.logs[topic])
        entries = next(log.entries for log in logs if log.epoch == epoch)
        return len(entries[offset - 1].payload) - 2

    @property
    def is_tight(self) -> bool:
        return self.bounds.entries < 1_000

    def is_beyond_bounds(self, topic: str) -> bool:
        """Say whether the logs of all that it may hear with that topic hold more than a subscription is given."""
        patterns = [pattern for pattern in self.subscriptions if matches(pattern, topic)]
        logs = [self.store.logs[other] for pattern in patterns for other in TOPICS if matches(pattern, other)]
        size = sum(len(entry.payload) for log in logs for entry in log.entries)
        return size > self.bounds.size or sum(log.head for log in logs) > self.bounds.entries

    def may_be_lost(self, pattern: str, subscription: Subscription) -> bool:
        """Say whether not all that it missed can be had."""
        since = subscription.since
        assert since is not None
        for topic in TOPICS:
            if not matches(pattern, topic):
                continue
            log, last = self.store.logs[topic], self.last.get(topic)
            if self.crowded or self.is_beyond_bounds(topic) or self.store.former[topic]:
                return True
            if log.first > (1 if last is None else last[1] + 1):
                return True
        return since.at is not None and self.store.time.milliseconds - since.at > LONGEST * 1000

    def is_up_to_date(self) -> bool:
        """Say whether it has everything that there is."""
        for topic in TOPICS:
            if not self.is_heard(topic):
                continue
            log = self.store.logs[topic]
            wild = [pattern for pattern in self.subscriptions if has_wildcard(pattern) and matches(pattern, topic)]
            floors = [self.floors[pattern][topic] for pattern in wild]
            last = self.last.get(topic)
            if last is None:
                # An epoch that is new and has nothing yet is no news to who has heard of none.
                here = log.head == 0 or any(floor == (log.epoch, log.head) for floor in floors)
            else:
                here = last == (log.epoch, log.head) or (log.head == 0 and last[0] != log.epoch)
            if not here:
                return False
        return self.is_settled
