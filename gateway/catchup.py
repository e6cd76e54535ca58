"""From joining to live, with nothing between lost or doubled ◆

While a router is asked about a subscription, what is published on its topics must not pass by: it is held here, and
delivered when the answer has come. What a client has missed comes before it, out of the topic's log.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from msgspec import Struct

from gateway.logs import EPOCH_CHANGED, TRIMMED, Missed, Step
from gateway.window import MAX_BYTES, MAX_ENTRIES, Kept
from shared.envelopes import Entry
from shared.frames import Since
from shared.topics import matches

MAX_HELD_ENTRIES = 1_000
MAX_HELD_BYTES = 256 * 1024

SLACK = 30_000
"""Milliseconds by which a message may have been taken before another one and reach a client after it.

It was on its way, or the clocks of two routers differ. A client is given too much rather than too little.
"""


class Place(NamedTuple):
    """A place in a topic's log."""

    epoch: str
    offset: int


class Joining:
    """The live entries of one subscription whose answer has not come, and the gaps between them.

    Bounded by `MAX_HELD_ENTRIES` and `MAX_HELD_BYTES`; past either `overflowed` is set and nothing more is kept:
    the session is closed as a slow one and comes back.
    """

    __slots__ = ("_bytes", "at", "base", "entries", "info", "known", "overflowed", "watches")

    def __init__(self, *, watches: bool = False) -> None:
        self.entries: list[Step] = []
        self.overflowed = False
        self.base: Place | None = None
        """The place in the topic's log after which `entries` begin; None where that is not known yet."""
        self.known: dict[str, Place] = {}
        """Up to where the client has everything of a topic: it is not given what is held of that."""
        self.info: bytes | None = None
        """With what the session is a member of the topic; None where that has no presence, or nobody said yes yet."""
        self.at: int | None = None
        """The time that the client may come back with once all that it missed is sent; None where it is told none."""
        self.watches = watches
        """The client wants to be told who joins and leaves."""
        self._bytes = 0

    def know(self, topic: str, place: Place) -> None:
        """Note that the client has everything of `topic` up to a place."""
        self.known[topic] = place

    def begin_at(self, topic: str, place: Place) -> None:
        """Begin with what comes after `place`: what others are given of the time before is none of this one's."""
        self.base = place
        self.let_go(topic, place)

    def let_go(self, topic: str, place: Place) -> None:
        """Hold nothing of `topic` any more up to `place`, nor of any log that its log took the place of."""
        self.entries = [
            step
            for step in self.entries
            if step.topic != topic or (step.epoch == place.epoch and _upto(step) > place.offset)
        ]

    def hold(self, entry: Step) -> None:
        """Keep an entry for later."""
        if isinstance(entry, Entry):
            self._bytes += len(entry.payload)
        if len(self.entries) >= MAX_HELD_ENTRIES or self._bytes > MAX_HELD_BYTES:
            self.overflowed = True
            self.entries.clear()
        if not self.overflowed:
            self.entries.append(entry)

    def matching(self, pattern: str) -> list[Step]:
        """Return what is held on topics that `pattern` matches, and that the client does not have, in its order."""
        if not self.entries:
            return []
        wanted = {topic for topic in {entry.topic for entry in self.entries} if matches(pattern, topic)}
        return [entry for entry in self.entries if entry.topic in wanted and not self._is_known(entry)]

    def drop(self, steps: Iterable[Step]) -> None:
        """Hold these no more, as far as they are held."""
        gone = {id(step) for step in steps}
        if not gone or not self.entries:
            return
        self.entries = [entry for entry in self.entries if id(entry) not in gone]
        self._bytes = sum(len(entry.payload) for entry in self.entries if isinstance(entry, Entry))

    def release(self, pattern: str) -> list[Step]:
        """Take out what is on topics that `pattern` matches, in its order."""
        released = self.matching(pattern)
        self.drop(released)
        return released

    def _is_known(self, entry: Step) -> bool:
        place = self.known.get(entry.topic)
        return place is not None and entry.epoch == place.epoch and _upto(entry) <= place.offset


def _upto(step: Step) -> int:
    """Return the offset up to which nothing is left to be told after `step`."""
    offset = step.offset or 0
    return offset if isinstance(step, Entry) else offset - 1


def held_by_all(joinings: Iterable[Joining], pattern: str) -> list[Step]:
    """Return what all subscriptions of one session hold of what `pattern` matches, each entry once.

    The first to have joined holds all that the later ones hold of a topic, so each topic keeps its order.
    """
    return list({id(entry): entry for joining in joinings for entry in joining.matching(pattern)}.values())


def place_before(joining: Joining, topic: str) -> Place | None:
    """Return the place before the first of `topic` that is held, None where none is that has one."""
    for step in joining.entries:
        if step.topic == topic and step.epoch is not None and step.offset is not None:
            return Place(step.epoch, step.offset - 1)
    return None


class Decision(Struct, frozen=True, gc=False):
    """How a subscription begins: what is missing `after` an offset (None: nothing), or the cause why that is lost."""

    after: int | None = None
    recovered: bool | None = None
    lost: str | None = None


class Beginning(Struct, frozen=True, gc=False):
    """How a topic of a subscription begins: after `place` the gap `missed`, if any, then `past`, then what is live."""

    topic: str
    place: Place
    recovered: bool | None = None
    missed: Missed | None = None
    past: Sequence[Kept] = ()


def decide(since: Since | None, tail: int, base: Place) -> Decision:
    """Say what somebody needs who left off at `since`, or wants the last `tail` messages, where the log is at `base`.

    More than a window holds is not replayed.
    """
    if since is None or since.epoch is None or since.offset is None:
        recovered = None if since is None else False
        after = max(0, base.offset - tail)
        return Decision(after if after < base.offset else None, recovered, EPOCH_CHANGED if since else None)
    if since.epoch != base.epoch:
        # All that the new log has is news: it began when the one that the client knows was lost.
        after = max(0, base.offset - MAX_ENTRIES)
        return Decision(after if after < base.offset else None, recovered=False, lost=EPOCH_CHANGED)
    if since.offset >= base.offset:
        return Decision(recovered=True)
    if base.offset - since.offset > MAX_ENTRIES:
        return Decision(recovered=False, lost=TRIMMED)
    return Decision(since.offset, recovered=True)


def begin(
    topic: str, since: Since | None, base: Place, decision: Decision, past: Sequence[Kept] | None
) -> Beginning:
    """Say how a topic begins, with the `past` that was found; None: it cannot be found any more.

    Of a log that is another than the client knows all that it has follows, after a gap.
    """
    if decision.lost is not None and past:
        begins = past[0].entry.offset or 1
        missed = Missed(topic, base.epoch, begins, decision.lost)
        return Beginning(topic, Place(base.epoch, begins - 1), False, missed, past)
    if decision.lost is not None or past is None:
        missed = Missed(topic, base.epoch, base.offset + 1, decision.lost or TRIMMED)
        return Beginning(topic, base) if decision.recovered is None else Beginning(topic, base, False, missed)
    if decision.after is None:
        # A client may know more than this gateway does, of which the rest is on its way.
        known = (since.offset or 0) if since is not None and since.epoch == base.epoch else 0
        return Beginning(topic, Place(base.epoch, max(known, base.offset)), decision.recovered)
    first = past[0].entry.offset if past else base.offset + 1
    assert first is not None, "what is in a window has an offset"
    place = Place(base.epoch, first - 1)
    if first > decision.after + 1 and decision.recovered:
        return Beginning(topic, place, False, Missed(topic, base.epoch, first, TRIMMED), past)
    return Beginning(topic, place, decision.recovered, None, past)


def begin_unknown(topic: str, at: int, base: Place, past: Sequence[Kept] | None) -> Beginning:
    """Say how a topic begins of which the client knows nothing but that it had all of it before the time `at`.

    `at` is milliseconds since 1970. What routers took up to `SLACK` earlier may be new to it, and is sent.
    """
    if past is None:
        return Beginning(topic, base, False, Missed(topic, base.epoch, base.offset + 1, TRIMMED))
    new = (index for index, kept in enumerate(past) if (kept.entry.taken or kept.entry.at) >= at - SLACK)
    news = past[next(new, len(past)) :]
    first = news[0].entry.offset if news else base.offset + 1
    assert first is not None, "what is in a window has an offset"
    place = Place(base.epoch, first - 1)
    if len(news) == len(past) and first > 1:
        return Beginning(topic, place, False, Missed(topic, base.epoch, first, TRIMMED), news)
    return Beginning(topic, place, True, None, news)


def within_bounds(beginnings: Iterable[Beginning]) -> list[Beginning]:
    """Return the same with no more past than one subscription is given; topics beyond begin with a gap."""
    fitting: list[Beginning] = []
    entries = size = 0
    for one in beginnings:
        entries += len(one.past)
        size += sum(len(kept.entry.payload) for kept in one.past)
        if one.past and (entries > MAX_ENTRIES or size > MAX_BYTES):
            last = one.past[-1].entry.offset or 0
            place = Place(one.place.epoch, last)
            one = Beginning(one.topic, place, False, Missed(one.topic, place.epoch, last + 1, TRIMMED))
        fitting.append(one)
    return fitting
