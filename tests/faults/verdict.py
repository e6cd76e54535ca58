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


def judge(ledger: Ledger, *, gaps: bool = False, unordered: str | None = None) -> Findings:
    """Return what is wrong; nothing, where all is well.

    Without `gaps` no announced hole is accepted either, but for who missed more than a subscription is replayed: all
    topics of a pattern share that bound, and each of them has a longer log. Publishers whose names begin with
    `unordered` may be overtaken by themselves.
    """
    findings: dict[Check, list[str]] = defaultdict(list)
    for check, words in (
        *_lost(ledger),
        *_unexpected(ledger),
        *_doubled(ledger),
        *_disordered(ledger, unordered),
        *_unannounced(ledger),
        *(() if gaps else ((Check.GAP, words) for _, words in needless(ledger))),
    ):
        findings[check].append(words)
    return dict(findings)


def missing(ledger: Ledger) -> dict[str, list[Publish]]:
    """Return, of each subscriber, what was acknowledged, has not come and was not announced as missing."""
    places = ledger.places()
    by_topic = defaultdict(list)
    for publish in ledger.publishes.values():
        if publish.outcome is Outcome.ACKED:
            by_topic[publish.topic].append(publish)
    found = {}
    for subscriber, accounts in ledger.accounts.items():
        lacks = []
        for topic, account in accounts.items():
            got = {arrival.id for arrival in account.arrivals}
            lacks += [
                publish
                for publish in by_topic[topic]
                if publish.id not in got
                and not _is_excused(account, places.get(publish.id), publish.at < ledger.logs_lost_at)
            ]
        if lacks:
            found[subscriber] = lacks
    return found


Wrong: TypeAlias = Iterator[tuple[Check, str]]


def _accounts(ledger: Ledger) -> Iterator[tuple[str, str, Account]]:
    for subscriber, accounts in ledger.accounts.items():
        for topic, account in accounts.items():
            yield subscriber, topic, account


def _is_excused(account: Account, place: Place | None, may_be_lost: bool) -> bool:
    """Say whether a subscriber was told that it would not get what stands at `place`, or need not get it.

    That a log was lost excuses what may have been in it (`may_be_lost`), and nothing that was published since.
    """
    if place is None:  # in a log that nobody ever saw: lost with it
        return may_be_lost and any(hole.cause == EPOCH_CHANGED for hole in account.announced)
    if account.began is not None and place.epoch == account.began.epoch and place.offset <= account.began.offset:
        return True
    holes = (hole for hole in account.announced if may_be_lost or hole.cause != EPOCH_CHANGED)
    return any(_covers(hole, place) for hole in holes)


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
    for subscriber, topic, account in _accounts(ledger):
        last = account.began
        for event in account.events:
            if isinstance(event, Announced):
                last = Place(event.next.epoch, event.next.offset - 1)
                continue
            if last is not None and event.place.epoch != last.epoch:
                yield Check.GAP, f"{subscriber} came from {_words(last)} to {_words(event.place)} of {topic}, untold"
            elif last is not None and event.place.offset > last.offset + 1:
                yield Check.GAP, f"{subscriber} lacks {last.offset + 1} to {event.place.offset - 1} of {topic}, untold"
            last = event.place


def needless(ledger: Ledger) -> Iterator[tuple[str, str]]:
    """Yield who was told of a hole that need not have been, and in words of which; see `judge`."""
    for subscriber, topic, account in _accounts(ledger):
        had = 0.0
        for hole in account.events:
            if isinstance(hole, Arrival):  # what was on its way for long may have come long after it was published
                had = ledger.publishes[hole.id].at if hole.id in ledger.publishes else hole.at
                continue
            if hole.cause == TRIMMED and subscriber in ledger.by_pattern:
                topics = ledger.accounts[subscriber]
                publishes = list(ledger.publishes.values())  # the load may go on meanwhile
                missed = [each for each in publishes if had < each.at < hole.at]
                if sum(each.topic in topics for each in missed) > MAX_ENTRIES:
                    continue
            since = _words(hole.before)
            yield subscriber, f"{subscriber} was told that {since} to {_words(hole.next)} of {topic} is {hole.cause}"


def _words(place: Place | None) -> str:
    return "an unknown place" if place is None else f"{place.epoch[:6]}/{place.offset}"


__all__ = ["Arrival", "Check", "Findings", "judge", "missing", "needless"]
