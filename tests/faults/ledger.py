"""What was published, and what each subscriber got of it ◆

Every publish has an id that is its own, and every subscriber writes down all that it is given, in order. `verdict` says
what is wrong with that. Times are seconds, monotonic.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple, TypeAlias


class Place(NamedTuple):
    """A place in a topic's log."""

    epoch: str
    offset: int


class Outcome(StrEnum):
    """What a publisher knows of what it published.

    `UNKNOWN`: it may have happened, once; a publisher that repeats it under the same id learns more.
    """

    ACKED = "acked"
    NACKED = "nacked"
    UNKNOWN = "unknown"


@dataclass(slots=True)
class Publish:
    """One message, however often it was sent; `number` counts those of its publisher on its topic."""

    id: str
    publisher: str
    topic: str
    number: int
    at: float
    """When it was first tried."""
    attempts: int = 1
    outcome: Outcome = Outcome.UNKNOWN
    place: Place | None = None
    """Where it stands, as its publisher was told."""
    contradiction: Place | None = None
    """Another place that its publisher was told."""


class Arrival(NamedTuple):
    """A subscriber was given this."""

    id: str
    place: Place
    at: float


class Announced(NamedTuple):
    """A subscriber was told that what comes next stands at `next`; `before` is what it had had."""

    before: Place | None
    next: Place
    cause: str
    at: float


Event: TypeAlias = Arrival | Announced


@dataclass(slots=True)
class Account:
    """What one subscriber got of one topic, in order."""

    began: Place | None = None
    """After this it is owed everything; None where it was not told."""
    began_at: float = -math.inf
    """When that was written down."""
    whole: bool = False
    """Its topic began while it was heard: the first message is owed, too."""
    last: Place | None = None
    events: list[Event] = field(default_factory=list)

    @property
    def arrivals(self) -> list[Arrival]:
        """Return what it was given."""
        return [event for event in self.events if isinstance(event, Arrival)]

    @property
    def announced(self) -> list[Announced]:
        """Return what it was told is missing."""
        return [event for event in self.events if isinstance(event, Announced)]


class Ledger:
    """The books of one run."""

    def __init__(self) -> None:
        self.publishes: dict[str, Publish] = {}
        self.accounts: dict[str, dict[str, Account]] = {}
        """Of each subscriber, of each topic that it hears."""
        self.by_pattern: set[str] = set()
        """Subscribers that hear all their topics through one subscription."""
        self.logs_lost_at = -math.inf
        """When all logs were lost, and what was in them: what was first tried later stands in new ones."""
        self.doubted: dict[str, list[float]] = {}
        """When subscribers were told that of their pattern, whichever the topic, something may be missing."""
        self._numbers: dict[tuple[str, str], int] = {}

    # Publishers.

    def attempt(self, id: str, publisher: str, topic: str, at: float) -> None:
        """Write down that `id` is about to be sent, for the first time or again."""
        if (known := self.publishes.get(id)) is not None:
            known.attempts += 1
            return
        number = self._numbers[publisher, topic] = self._numbers.get((publisher, topic), 0) + 1
        self.publishes[id] = Publish(id, publisher, topic, number, at)

    def ack(self, id: str, place: Place | None = None) -> None:
        """Write down that `id` was taken, and where it stands if that was told."""
        publish = self.publishes[id]
        publish.outcome = Outcome.ACKED
        if place is None:
            return
        if publish.place is not None and publish.place != place:
            publish.contradiction = place
        publish.place = place

    def nack(self, id: str) -> None:
        """Write down that `id` was refused, and is given up."""
        self.publishes[id].outcome = Outcome.NACKED

    def lose_logs(self, at: float) -> None:
        """Write down that until now all that was logged was lost; from now on nothing is."""
        self.logs_lost_at = at

    # Subscribers.

    def subscribe(self, subscriber: str, topics: Iterable[str], *, by_pattern: bool = False) -> None:
        """Write down that from now on `subscriber` is owed everything on `topics`."""
        self.accounts[subscriber] = {topic: Account() for topic in topics}
        if by_pattern:
            self.by_pattern.add(subscriber)

    def start(self, topic: str) -> None:
        """Write down that `topic` is new: who hears all topics through one subscription is owed all of it."""
        for subscriber in self.by_pattern:
            self.accounts[subscriber][topic] = Account(whole=True)

    def begin(self, subscriber: str, topic: str, place: Place, at: float = -math.inf) -> None:
        """Write down where the log of `topic` stood when it was first subscribed to."""
        account = self.account(subscriber, topic)
        if account.began is None and not account.events:
            account.began = account.last = place
            account.began_at = at

    def arrive(self, subscriber: str, topic: str, place: Place, id: str, at: float) -> None:
        """Write down what `subscriber` was given."""
        account = self.account(subscriber, topic)
        account.events.append(Arrival(id, place, at))
        account.last = place

    def announce(self, subscriber: str, topic: str, next: Place, cause: str, at: float) -> None:
        """Write down that `subscriber` was told of a hole."""
        account = self.account(subscriber, topic)
        account.events.append(Announced(account.last, next, cause, at))
        account.last = Place(next.epoch, next.offset - 1)

    def doubt(self, subscriber: str, at: float) -> None:
        """Write down that `subscriber` was told that something of its pattern may be missing, of any topic."""
        self.doubted.setdefault(subscriber, []).append(at)

    def account(self, subscriber: str, topic: str) -> Account:
        """Return what `subscriber` got of `topic`."""
        return self.accounts[subscriber].setdefault(topic, Account())

    # What is known.

    @property
    def unknown(self) -> list[Publish]:
        """Return what nobody knows the outcome of."""
        return [publish for publish in self.publishes.values() if publish.outcome is Outcome.UNKNOWN]

    def places(self) -> dict[str, Place]:
        """Return where each message stands, as far as anybody was told."""
        places = {publish.id: publish.place for publish in self.publishes.values() if publish.place is not None}
        for accounts in self.accounts.values():
            for account in accounts.values():
                for arrival in account.arrivals:
                    places.setdefault(arrival.id, arrival.place)
        return places
