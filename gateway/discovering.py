"""Finds out where topics begin that are heard through patterns alone: asks routers, and follows them from there."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Iterable, Sequence

from gateway.counters import Counters
from gateway.discovery import Begun, Discovery, taken
from gateway.listening import Listening
from gateway.logs import TRIMMED, Logs, Missed, Step, Wanted
from shared.clock import monotonic, wall
from shared.envelopes import Entry, Fetched, Head

ASKED_AT_ONCE = 256
"""Topics that routers are asked about in one turn; the others follow."""

TURN = 0.02
"""Seconds between two such turns."""

LEEWAY = 0.02
"""Seconds by which a message may seem to be older than it is, as the clocks of two routers differ."""


class Discoverer:
    """Holds what comes of a topic until its place in `logs` is known.

    `ask` sends a request to a router and returns its number, `deliver` gives steps of a topic to who hears it.
    """

    def __init__(
        self,
        logs: Logs,
        ask: Callable[[Wanted], int],
        deliver: Callable[[str, Sequence[Step]], None],
        counters: Counters,
    ) -> None:
        self.listening = Listening()
        self.discovery = Discovery()
        self._logs = logs
        self._ask = ask
        self._deliver = deliver
        self._counters = counters
        self._waiting: dict[str, list[Callable[[], None]]] = {}
        """Who waits for a topic to begin; bounded as subscriptions are."""
        self._timer: asyncio.TimerHandle | None = None
        self._loop = asyncio.get_running_loop()

    def stop(self) -> None:
        """Ask no more."""
        if self._timer is not None:
            self._timer.cancel()

    def take(self, entry: Entry) -> bool:
        """Take care of `entry`, of a topic that is not followed; False where nobody hears it through a pattern."""
        now = monotonic()
        topic = entry.topic
        heard_for = self._heard_for(topic, now)
        if heard_for is None:
            if topic not in self.discovery:
                return False
            heard_for = 0.0  # whoever heard it through a pattern has gone, and others wait for it to begin
        if self.discovery.holds_forgotten(topic) or (topic not in self.discovery and self.is_forgotten(topic)):
            self._take_forgotten(entry, now)
        else:
            self._go_on(self.discovery.take(entry, heard_for, now), now)
        return True

    def expect(self, heads: Iterable[Head], at: int) -> None:
        """Look for news in logs of which a router told at the time `at`, milliseconds since 1970 by its clock."""
        now = monotonic()
        for head in heads:
            topic = head.topic
            heard_for = self._heard_for(topic, now)
            if heard_for is None or self._logs.of(topic) is not None or topic in self.discovery:
                continue
            if self.is_forgotten(topic):
                self.discovery.hold_forgotten(head, now)
                self._go_on(None if topic in self.discovery else _beyond(topic, head.epoch, head.offset), now)
            else:
                self._go_on(self.discovery.expect(head, at - heard_for * 1000, now), now)

    def answer(self, reply: Fetched) -> None:
        """Take a router's word on the log of a topic."""
        outcome = self.discovery.fill(reply, monotonic())
        if isinstance(outcome, Wanted):
            self._ask(outcome)
        elif outcome is not None:
            self._begin(outcome)

    def when_begun(self, topics: Collection[str], then: Callable[[], None]) -> None:
        """Call `then` as soon as none of `topics` is one that is held."""
        for topic in topics:
            if topic in self.discovery:
                self._waiting.setdefault(topic, []).append(lambda: self.when_begun(topics, then))
                return
        then()

    def is_forgotten(self, topic: str) -> bool:
        """Say whether a topic's place was forgotten, as there was no room, since somebody hears it through a pattern.

        What was delivered of it is not known then, nor what was missed.
        """
        since = self.listening.since(topic)
        return since is not None and self._logs.may_know(topic, since)

    def _heard_for(self, topic: str, now: float) -> float | None:
        """Return for how long somebody has heard a topic through a pattern; what is older is no news to anybody."""
        since = self.listening.since(topic)
        return None if since is None else now - since + LEEWAY

    def _take_forgotten(self, entry: Entry, now: float) -> None:
        """Begin with a message that is newer than all that was delivered; a late one may be none, and is held."""
        topic, epoch, offset = entry.topic, entry.epoch or "", entry.offset
        assert offset is not None
        age = wall() - taken(entry) / 1000
        if now - age - LEEWAY > self._logs.delivered_until:
            self.discovery.forget(topic)
            self._begin(Begun(topic, epoch, offset - 1, [entry], missed=True))
            return
        self.discovery.hold_forgotten(Head(topic, epoch, offset), now)
        if topic in self.discovery:
            self.discovery.take(entry, 0.0, now)
            self._go_on(None, now)
        else:
            self._begin(_beyond(topic, epoch, offset))

    def _go_on(self, begun: Begun | None, now: float) -> None:
        if begun is not None:
            self._begin(begun)
        elif self._timer is None:
            self._arm(now)

    def _begin(self, begun: Begun) -> None:
        topic, now = begun.topic, monotonic()
        if self._logs.of(topic) is None:  # its place is never known otherwise: nobody is to be told anything twice
            self._logs.begin(topic, begun.epoch, begun.base, now)
        steps: list[Step] = []
        if begun.missed:
            steps.append(Missed(topic, begun.epoch, begun.base + 1, TRIMMED))
        for entry in begun.entries:
            steps.extend(self._logs.take(entry, now))
        steps.extend(self._logs.expect(topic, begun.epoch, begun.head, now))
        self._deliver(topic, steps)
        for then in self._waiting.pop(topic, ()):
            then()

    def _arm(self, now: float) -> None:
        if (due_at := self.discovery.due_at) is not None:
            self._timer = self._loop.call_later(max(TURN, due_at - now), self._run)

    def _run(self) -> None:
        self._timer = None
        now = monotonic()
        for begun in self.discovery.overdue(now):
            self._begin(begun)
        for wanted in self.discovery.due(now, ASKED_AT_ONCE):
            self._counters.discoveries_asked += 1
            self.discovery.asked(wanted.topic, self._ask(wanted))
        self._arm(now)


def _beyond(topic: str, epoch: str, offset: int) -> Begun:
    """Have a topic begin behind an offset, as there is no room to find out more: with a gap, and nothing twice."""
    return Begun(topic, epoch, offset, [], missed=True)
