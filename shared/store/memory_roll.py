"""The embedded store's presence: gateways' leases, and which topics are to be looked at ◆"""

from __future__ import annotations

from collections import OrderedDict, defaultdict
from collections.abc import Callable
from dataclasses import dataclass

from shared.store.memory_presence import Place
from shared.store.roll import FORGOTTEN, LOOKED_AT, Attend, Attendance, Called, Roll
from shared.topics import partition


@dataclass(slots=True)
class Lease:
    """A gateway's word that it lives, until a time."""

    name: str
    until: float


class Presence:
    """Who is where, at all topics. `name` makes names for leases."""

    def __init__(self, name: Callable[[], str]) -> None:
        self._name = name
        self._leases: dict[str, Lease] = {}
        self._places: dict[str, Place] = {}
        self._on: defaultdict[tuple[int, str], dict[str, None]] = defaultdict(dict)
        """By partition and gateway: the topics at which it has sessions."""
        self._due: defaultdict[int, OrderedDict[tuple[str, int], float]] = defaultdict(OrderedDict)
        """By partition: topics, with the second in which, and the time at which, somebody is gone for good."""

    def __len__(self) -> int:
        """Return at how many topics anybody is."""
        return len(self._places)

    def clear(self) -> None:
        """Forget everything."""
        for kept in (self._leases, self._places, self._on, self._due):
            kept.clear()

    def call(self, roll: Roll, now: float) -> Called:
        """Carry out a batch."""
        leases = {gateway: self._renew(gateway, now, roll.lease) for gateway in roll.gateways}
        self._forget(now)
        alive = [gateway for gateway, lease in self._leases.items() if roll.spare or lease.until >= now]
        for command in roll.commands:
            self._note(command, now)
        attendances = [self._attend(command, alive, now) for command in roll.commands]
        topics, more = self._take(roll, alive, now)
        looked = [self._attend(Attend(topic), alive, now) for topic in topics]
        return Called(leases, alive, attendances, looked, more)

    def _renew(self, gateway: str, now: float, seconds: float) -> str:
        lease = self._leases.get(gateway)
        if lease is None or lease.until < now:
            lease = self._leases[gateway] = Lease(self._name(), 0.0)
        lease.until = now + seconds
        return lease.name

    def _forget(self, now: float) -> None:
        for gateway in [gateway for gateway, lease in self._leases.items() if lease.until < now - FORGOTTEN]:
            del self._leases[gateway]

    def _note(self, command: Attend, now: float) -> None:
        """Note when, and on whose death, a topic is to be looked at."""
        number = partition(command.topic)
        if command.gateway:
            topics = self._on[number, command.gateway]
            if command.stays:
                topics[command.topic] = None
            else:
                topics.pop(command.topic, None)
            if not topics:
                del self._on[number, command.gateway]
        if command.went and command.linger > 0:
            due = now + command.linger
            self._due[number][command.topic, int(due)] = due

    def _take(self, roll: Roll, alive: list[str], now: float) -> tuple[list[str], bool]:
        topics: dict[str, None] = {}
        more = False
        dead = [gateway for gateway in self._leases if gateway not in alive]
        for number in roll.partitions:
            due = self._due[number]
            times = [key for key, at in due.items() if at <= now]
            for key in times[:LOOKED_AT]:
                del due[key]
                topics[key[0]] = None
            more = more or len(times) > LOOKED_AT
            for gateway in dead:
                here = list(self._on.get((number, gateway), ()))
                for topic in here[:LOOKED_AT]:
                    del self._on[number, gateway][topic]
                    topics[topic] = None
                more = more or len(here) > LOOKED_AT
        return list(topics), more

    def _attend(self, command: Attend, alive: list[str], now: float) -> Attendance:
        place = self._places.get(command.topic)
        if place is None:
            place = Place(command.topic)
        attendance = place.attend(command, alive, now)
        if place.is_empty:
            self._places.pop(command.topic, None)
        else:
            self._places[command.topic] = place
        return attendance
