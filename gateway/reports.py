"""What routers are still to be told of who is where ◆

A report is made again until a router has taken it in; what changes meanwhile waits for the next one of its topic, so
that one topic's reports never overtake each other, and are the fuller the more there is to tell. Times are seconds,
monotonic.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count, islice
from typing import NamedTuple

from shared.attending import AttendRequest, Member

SESSION = -2
"""The number by which answers for this room are told from those for clients."""

REPORTED = 128
"""Changes in one report at most."""
REPORTED_BYTES = 32 * 1024
"""Bytes of one report, or one larger change."""
IN_FLIGHT = 256
"""Reports without an answer at most; what comes meanwhile waits."""
PATIENCE = 4.0
"""Seconds after which a report that was not answered is made again."""
PAUSE = 1.0
"""Seconds after which one that was refused is."""
AGAIN = 16
"""Sessions that are reported again, a few each time, whether or not there is a reason: what a store has lost unseen
comes back so."""


class Said(NamedTuple):
    """A session has come to a topic, or gone."""

    member: Member
    is_here: bool


@dataclass(slots=True)
class Report:
    """What was told, and until when an answer is waited for."""

    topic: str
    changes: dict[str, Said]
    deadline: float


class Reports:
    """See above. Bounded by the connections of a gateway times the subscriptions of each."""

    def __init__(self) -> None:
        self._here: dict[str, dict[str, Member]] = {}
        """By topic and session."""
        self._unsaid: dict[str, dict[str, Said]] = {}
        self._sent: dict[int, Report] = {}
        self._busy: dict[str, float] = {}
        """Topics of which nothing is told just now: until when, or until there is an answer."""
        self._look: deque[tuple[float, str]] = deque()
        """When topics are to be looked at again, the next one first; one of a topic and second is enough."""
        self._looked: set[tuple[str, int]] = set()
        self._numbers = count(1)
        self._round: Iterator[tuple[str, Member]] = iter(())

    @property
    def is_done(self) -> bool:
        """Say whether everything was told and taken in."""
        return not self._unsaid and not self._sent

    def come(self, topic: str, member: Member) -> None:
        """Note that a session has come."""
        self._here.setdefault(topic, {})[member.session] = member
        self._unsaid.setdefault(topic, {})[member.session] = Said(member, True)

    def go(self, topic: str, session: str) -> bool:
        """Note that a session has gone; say whether it was there."""
        here = self._here.get(topic)
        if here is None or (member := here.pop(session, None)) is None:
            return False
        if not here:
            del self._here[topic]
        self._unsaid.setdefault(topic, {})[session] = Said(member, False)
        return True

    def tell_all(self) -> None:
        """Report everyone who is here: routers have forgotten it, or held us for dead."""
        for topic, here in self._here.items():
            unsaid = self._unsaid.setdefault(topic, {})
            for member in here.values():
                unsaid.setdefault(member.session, Said(member, True))

    def tell_some(self) -> None:
        """Report the next few of those who are here once more."""
        few = list(islice(self._round, AGAIN))
        if not few:
            self._round = self._everyone()
        for topic, member in few:
            if self._here.get(topic, {}).get(member.session) is member:
                self._unsaid.setdefault(topic, {}).setdefault(member.session, Said(member, True))

    def _everyone(self) -> Iterator[tuple[str, Member]]:
        for topic in list(self._here):
            for member in list(self._here.get(topic, {}).values()):
                yield topic, member

    def due(self, now: float) -> list[AttendRequest]:
        """Return the reports that are to be made now."""
        for number, report in list(self._sent.items()):
            if report.deadline <= now:
                self._take_back(number, now)
        requests = [self._report(topic, now) for topic in self._ready(now)]
        while self._look and self._look[0][0] <= now and len(self._sent) < IN_FLIGHT:
            at, topic = self._look.popleft()
            self._looked.discard((topic, int(at)))
            if topic not in self._busy:
                requests.append(self._report(topic, now))
        return requests

    def taken(self, number: int, again: float, now: float) -> None:
        """Note that a router has taken a report in, and wants the topic looked at `again` in so many seconds."""
        report = self._sent.pop(number, None)
        if report is None:
            return
        self._busy.pop(report.topic, None)
        at = now + again
        if again and (report.topic, int(at)) not in self._looked:
            self._looked.add((report.topic, int(at)))
            self._look.append((at, report.topic))

    def refused(self, number: int, now: float, *, forever: bool = False) -> None:
        """Note that a router did not take a report in: it is made again, unless that is `forever`."""
        if not forever:
            self._take_back(number, now)
        elif (report := self._sent.pop(number, None)) is not None:
            self._busy.pop(report.topic, None)

    def _ready(self, now: float) -> list[str]:
        room = IN_FLIGHT - len(self._sent)
        ready = []
        for topic in self._unsaid:
            if room <= 0:
                break
            if self._busy.get(topic, 0.0) <= now:
                ready.append(topic)
                room -= 1
        return ready

    def _report(self, topic: str, now: float) -> AttendRequest:
        unsaid = self._unsaid.get(topic, {})
        changes: dict[str, Said] = {}
        size = 0
        for session, said in unsaid.items():
            size += len(said.member.user) + len(session) + len(bytes(said.member.info))
            if changes and (len(changes) == REPORTED or size > REPORTED_BYTES):
                break
            changes[session] = said
        for session in changes:
            del unsaid[session]
        if not unsaid:
            self._unsaid.pop(topic, None)
        number = next(self._numbers)
        self._sent[number] = Report(topic, changes, now + PATIENCE)
        self._busy[topic] = float("inf")
        came = [said.member for said in changes.values() if said.is_here]
        went = [said.member for said in changes.values() if not said.is_here]
        return AttendRequest(SESSION, number, topic, came, went, topic in self._here)

    def _take_back(self, number: int, now: float) -> None:
        report = self._sent.pop(number, None)
        if report is None:
            return
        self._busy[report.topic] = now + PAUSE
        if report.changes:
            # What was told first comes first again; what has changed since counts more.
            self._unsaid[report.topic] = report.changes | self._unsaid.get(report.topic, {})
        else:
            self._busy.pop(report.topic)
