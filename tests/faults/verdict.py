"""What is wrong with a ledger, or with a process, in words ◆

The checks are those of RabbitMQ's Jepsen test for queues, and what Penstock promises beyond: one order, no doubles,
and every hole announced.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from enum import StrEnum
from typing import TypeAlias

from gateway.logs import EPOCH_CHANGED, TRIMMED
from gateway.window import MAX_ENTRIES
from tests.faults.ledger import Account, Announced, Arrival, Ledger, Outcome, Place, Publish


class Check(StrEnum):
    """What a run is asked."""

    LOST = "LOST"
    """Acknowledged, and neither delivered nor announced as missing."""
    UNEXPECTED = "UNEXPECTED"
    """Delivered, and never published, or to the wrong topic, or elsewhere than its publisher was told."""
    DUP = "DUP"
    """Delivered, logged or placed twice."""
    ORD = "ORD"
    """Out of order: of the log, of a publisher, or of another subscriber."""
    GAP = "GAP"
    """A hole that was not announced, or one that need not have been."""
    MEM = "MEM"
    """More memory, or longer queues, than configured."""
    LIVE = "LIVE"
    """Not back to normal in time."""
    LEAK = "LEAK"
    """Queues, bindings or descriptors left behind."""
    LOG = "LOG"
    """A process spoke of a bug of its own, or much too much."""
    DEAD = "DEAD"
    """Good messages that were given up as dead letters; whether any subscriber lacks them, `LOST` tells."""
    EXIT = "EXIT"
    """A process did not end as it should."""


Findings: TypeAlias = dict[Check, list[str]]

COMES_BACK_WITHIN = 3.0
"""Seconds that may pass between the first of what a subscriber of a pattern is given again and the last."""


def judge(
    ledger: Ledger, *, gaps: bool = False, late: bool = False, unordered: str | None = None
) -> Findings:
    """Return what is wrong; nothing, where all is well.

    Without `gaps` no announced hole is accepted either, but for who missed more than a subscription is replayed: all
    topics of a pattern share that bound, and each of them has a longer log. Where routers may be heard too `late`, a
    new topic may begin with one. Publishers whose names begin with `unordered` may be overtaken by themselves.
    """
    findings: dict[Check, list[str]] = defaultdict(list)
    for check, words in (
        *_lost(ledger),
        *_unexpected(ledger),
        *_doubled(ledger),
        *_disordered(ledger, unordered),
        *_unannounced(ledger),
        *(() if gaps else ((Check.GAP, words) for _, words in needless(ledger, late=late))),
    ):
        findings[check].append(words)
    return dict(findings)


def missing(ledger: Ledger) -> dict[str, list[Publish]]:
    """Return, of each subscriber, what was acknowledged, has not come and was not announced as missing."""
    found: dict[str, list[Publish]] = defaultdict(list)
    for subscriber, publish, is_doubted in _lacking(ledger):
        if not is_doubted:
            found[subscriber].append(publish)
    return dict(found)


Wrong: TypeAlias = Iterator[tuple[Check, str]]


def _lacking(ledger: Ledger) -> Iterator[tuple[str, Publish, bool]]:
    """Yield who lacks what was acknowledged, and was told of no hole there; and whether its pattern is in doubt."""
    places = ledger.places()
    by_topic = defaultdict(list)
    for publish in list(ledger.publishes.values()):  # the load may go on meanwhile
        if publish.outcome is Outcome.ACKED:
            by_topic[publish.topic].append(publish)
    for subscriber, topic, account in _accounts(ledger):
        got = {arrival.id for arrival in account.arrivals}
        for publish in by_topic[topic]:
            if publish.id not in got and not _is_excused(account, publish, places.get(publish.id), ledger):
                yield subscriber, publish, account.whole and _doubted_since(ledger, subscriber, publish.at) is not None


def _doubted_since(ledger: Ledger, subscriber: str, since: float) -> float | None:
    """Return when a subscriber was told, after `since`, that any topic of its pattern may lack something."""
    return next((at for at in ledger.doubted.get(subscriber, ()) if at > since), None)


def _accounts(ledger: Ledger) -> Iterator[tuple[str, str, Account]]:
    for subscriber, accounts in ledger.accounts.items():
        for topic, account in accounts.items():
            yield subscriber, topic, account


def _is_excused(account: Account, publish: Publish, place: Place | None, ledger: Ledger) -> bool:
    """Say whether a subscriber was told that it would not get what stands at `place`, or need not get it.

    That a log was lost excuses what may have been in it, and nothing that was first tried since.
    """
    may_be_lost = publish.at < ledger.logs_lost_at
    if place is None:
        if account.began is not None and account.began.offset and publish.at < account.began_at:
            return True  # nobody ever saw where it stands: perhaps there
        # Or in a log that nobody ever saw: lost with it.
        causes = {hole.cause for hole in account.announced if may_be_lost or hole.cause != EPOCH_CHANGED}
        return EPOCH_CHANGED in causes or (account.whole and _began_behind(account, publish, ledger))
    if account.began is not None and place.epoch == account.began.epoch and place.offset <= account.began.offset:
        return True
    holes = (hole for hole in account.announced if may_be_lost or hole.cause != EPOCH_CHANGED)
    return any(_covers(hole, place) for hole in holes)


def _began_behind(account: Account, publish: Publish, ledger: Ledger) -> bool:
    """Say whether what stands nobody knows where may be in the hole with which a new topic began: it has the room."""
    hole = account.announced[0] if account.announced else None
    if hole is None or hole.before is not None or publish.at > hole.at:
        return False
    known = ledger.places()
    others = [
        each
        for each in list(ledger.publishes.values())
        if each.topic == publish.topic and each.outcome is Outcome.ACKED and each.at < hole.at
    ]
    inside = sum(each.id not in known or _covers(hole, known[each.id]) for each in others)
    return inside < hole.next.offset


def _covers(hole: Announced, place: Place) -> bool:
    before, upto = hole.before, hole.next
    if before is None or before.epoch == upto.epoch:
        after = 0 if before is None else before.offset
        return place.epoch == upto.epoch and after < place.offset < upto.offset
    if place.epoch == before.epoch:
        return place.offset > before.offset
    return place.epoch != upto.epoch or place.offset < upto.offset


def _lost(ledger: Ledger) -> Wrong:
    places = ledger.places()
    for subscriber, lacks in missing(ledger).items():
        for publish in lacks:
            yield Check.LOST, f"{publish.id} at {_words(places.get(publish.id))} never reached {subscriber}"


def _unexpected(ledger: Ledger) -> Wrong:
    for subscriber, topic, account in _accounts(ledger):
        for arrival in account.arrivals:
            publish = ledger.publishes.get(arrival.id)
            if publish is None:
                yield Check.UNEXPECTED, f"{arrival.id} reached {subscriber} and was never published"
            elif publish.topic != topic:
                yield Check.UNEXPECTED, f"{arrival.id} reached {subscriber} on {topic}"
            elif publish.place not in (None, arrival.place):
                told, got = _words(publish.place), _words(arrival.place)
                yield Check.UNEXPECTED, f"{arrival.id} reached {subscriber} at {got}; its publisher was told {told}"


def _doubled(ledger: Ledger) -> Wrong:
    placed: dict[str, set[Place]] = defaultdict(set)
    for subscriber, _, account in _accounts(ledger):
        seen: set[str] = set()
        for arrival in account.arrivals:
            if arrival.id in seen:
                yield Check.DUP, f"{arrival.id} reached {subscriber} again, at {_words(arrival.place)}"
            seen.add(arrival.id)
            placed[arrival.id].add(arrival.place)
    for publish in ledger.publishes.values():
        if publish.contradiction is not None:
            told = f"{_words(publish.place)} and {_words(publish.contradiction)}"
            yield Check.DUP, f"the publisher of {publish.id} was told {told}"
    for id, places in placed.items():
        if len(places) > 1:
            yield Check.DUP, f"{id} is logged at {' and '.join(sorted(map(_words, places)))}"


def _disordered(ledger: Ledger, unordered: str | None) -> Wrong:
    at_place: dict[tuple[str, Place], str] = {}
    for subscriber, topic, account in _accounts(ledger):
        offsets: dict[str, int] = {}
        epoch: str | None = None
        numbers: dict[str, int] = {}
        for arrival in account.arrivals:
            place = arrival.place
            if place.epoch != epoch and place.epoch in offsets:
                yield Check.ORD, f"{subscriber} got {_words(place)} of {topic} after a later epoch"
            elif place.offset <= offsets.get(place.epoch, 0):
                yield Check.ORD, f"{subscriber} got {_words(place)} of {topic} after {offsets[place.epoch]}"
            epoch, offsets[place.epoch] = place.epoch, place.offset
            if (other := at_place.setdefault((topic, place), arrival.id)) != arrival.id:
                yield Check.ORD, f"at {_words(place)} of {topic} stand both {other} and {arrival.id}"
            publish = ledger.publishes.get(arrival.id)
            if publish is None or (unordered is not None and publish.publisher.startswith(unordered)):
                continue
            if publish.number < numbers.get(publish.publisher, 0):
                yield Check.ORD, f"{subscriber} got {publish.id} after a later one of {publish.publisher}"
            numbers[publish.publisher] = max(publish.number, numbers.get(publish.publisher, 0))


def _unannounced(ledger: Ledger) -> Wrong:
    started: dict[str, float] = {}
    for publish in ledger.publishes.values():
        started.setdefault(publish.topic, publish.at)
    for subscriber, topic, account in _accounts(ledger):
        last = account.began
        for event in account.events:
            if isinstance(event, Announced):
                last = Place(event.next.epoch, event.next.offset - 1)
                continue
            if last is None and account.whole and event.place.offset > 1:
                if _doubted_since(ledger, subscriber, started.get(topic, event.at)) is None:
                    yield Check.GAP, f"{subscriber} lacks 1 to {event.place.offset - 1} of {topic}, untold"
            elif last is not None and event.place.epoch != last.epoch:
                yield Check.GAP, f"{subscriber} came from {_words(last)} to {_words(event.place)} of {topic}, untold"
            elif last is not None and event.place.offset > last.offset + 1:
                yield Check.GAP, f"{subscriber} lacks {last.offset + 1} to {event.place.offset - 1} of {topic}, untold"
            last = event.place


def needless(ledger: Ledger, *, late: bool = False) -> Iterator[tuple[str, str]]:
    """Yield who was told of a hole that need not have been, and in words of which; see `judge`."""
    for subscriber, topic, account in _accounts(ledger):
        had = 0.0
        for hole in account.events:
            if isinstance(hole, Arrival):  # what was on its way for long may have come long after it was published
                had = ledger.publishes[hole.id].at if hole.id in ledger.publishes else hole.at
                continue
            if hole.cause == TRIMMED and subscriber in ledger.by_pattern:
                # A topic that is quiet does not tell since when its subscriber was away.
                since = _had(ledger, subscriber, hole.at - COMES_BACK_WITHIN) if account.whole else had
                if _published(ledger, subscriber, since, hole.at) > MAX_ENTRIES:
                    continue
                if late and account.whole and hole.before is None:
                    continue
            before = _words(hole.before)
            yield subscriber, f"{subscriber} was told that {before} to {_words(hole.next)} of {topic} is {hole.cause}"
    for subscriber, publish, is_doubted in _lacking(ledger):
        at = _doubted_since(ledger, subscriber, publish.at)
        if is_doubted and at is not None:
            since = _had(ledger, subscriber, at - COMES_BACK_WITHIN)
            if _published(ledger, subscriber, since, at) <= MAX_ENTRIES:
                yield subscriber, f"{subscriber} was told that something of its pattern is missing: {publish.id}"


def _had(ledger: Ledger, subscriber: str, at: float) -> float:
    """Return when the latest was published of all that a subscriber had at a time."""
    arrivals = (arrival for account in ledger.accounts[subscriber].values() for arrival in account.arrivals)
    had = (ledger.publishes[each.id].at for each in arrivals if each.at <= at and each.id in ledger.publishes)
    return max(had, default=0.0)


def _published(ledger: Ledger, subscriber: str, since: float, until: float) -> int:
    """Return how much was published between two times on what a subscriber hears."""
    topics = ledger.accounts[subscriber]
    publishes = list(ledger.publishes.values())  # the load may go on meanwhile
    return sum(each.topic in topics for each in publishes if since < each.at < until)


def _words(place: Place | None) -> str:
    return "an unknown place" if place is None else f"{place.epoch[:6]}/{place.offset}"


__all__ = ["Arrival", "Check", "Findings", "judge", "missing", "needless"]
