"""Keeps every topic whole: asks routers for what is missing, and for what clients missed while they were away.

Everything that comes over the bus passes `take`. A hole is asked for once its patience is over; when something
may have been lost, and now and then without any reason, routers are asked where the logs stand. Clients that come back
are served from a topic's window: the first of a crowd has it read, the others find it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import NamedTuple, TypeAlias

from gateway.catchup import Joining, Place, place_before
from gateway.counters import Counters
from gateway.discovering import Discoverer
from gateway.effects import Ask
from gateway.fanout import Fanout
from gateway.logs import TRIMMED, Logs, Missed, Step, Wanted
from gateway.window import MAX_ENTRIES, Kept, Window
from gateway.windows import BYTES, Windows
from shared.clock import monotonic
from shared.envelopes import AnyReply, Entry, Fetched, FetchRequest

SESSION = -1
"""The number by which answers for this room are told from those for clients."""

ASKED_AT_ONCE = 256
"""Logs that routers are asked about in one turn; the others follow."""

TURN = 0.02
"""Seconds between two such turns."""

LOOK = 1.0
LOOKED_AT = 64
"""Every so many seconds routers are asked about so many logs, one after the other, whether anything was lost unseen."""

RANGE_TIMEOUT = 3.5
"""Seconds after which somebody who waits for the past is told that it cannot be had; less than a client waits."""

Then: TypeAlias = Callable[[Sequence[Kept] | None, bool], None]
"""Called with what was found, None where it is lost, and whether it could be looked for at all."""


@dataclass(slots=True)
class Waiter:
    """Somebody who waits for the messages after one offset, up to another."""

    after: int
    upto: int
    then: Then


class Ahead(NamedTuple):
    """Somebody who has had more of a topic than came here yet: up to `place`."""

    place: Place
    then: Callable[[], None]


@dataclass(slots=True)
class Range:
    """The past of one topic, on its way."""

    past: Window
    deadline: float
    waiters: list[Waiter] = field(default_factory=list)


class Healer:
    """See above. `ask` sends a request to a router; `window_bytes` are those of messages in all windows."""

    def __init__(
        self, fanout: Fanout, ask: Callable[[Ask], None], counters: Counters, *, window_bytes: int = BYTES
    ) -> None:
        self.logs = Logs(fanout, counters)
        self.discoverer = Discoverer(self.logs, self._ask_after, self._deliver, counters)
        self._fanout = fanout
        self._ask = ask
        self._counters = counters
        self._ranges: dict[str, Range] = {}
        self._ahead: dict[str, list[Ahead]] = {}
        """By topic; bounded as subscriptions are."""
        self._windows = Windows(self.logs, counters, window_bytes)
        self._turn_of: list[str] = []
        self._numbers = count(1)
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = 0.0
        self._look: asyncio.TimerHandle | None = None
        self._loop = asyncio.get_running_loop()

    def start(self) -> None:
        """Begin to look after the logs."""
        self._look = self._loop.call_later(LOOK, self._look_around)

    def stop(self) -> None:
        """Ask no more."""
        self.discoverer.stop()
        for timer in (self._timer, self._look):
            if timer is not None:
                timer.cancel()

    def take(self, entry: Entry) -> None:
        """Deliver what comes over the bus, in the order of its log."""
        if entry.offset is None:
            self._fanout.deliver(entry)
            return
        logs = self.logs
        if logs.of(entry.topic) is None:
            if not self._fanout.is_heard(entry.topic):
                self._fanout.deliver(entry)
                return
            if self.discoverer.take(entry):
                return
        self._deliver(entry.topic, logs.take(entry, monotonic()))

    def answer(self, reply: AnyReply) -> None:
        """Take a router's answer, or a refusal in its stead: then it is asked again in its time."""
        if not isinstance(reply, Fetched):
            return
        topic = reply.topic
        self.discoverer.answer(reply)
        if (pending := self._ranges.get(topic)) is not None:
            self._fill_range(topic, pending, reply)
        steps = self.logs.fill(reply, monotonic())
        self._counters.healed += sum(isinstance(step, Entry) for step in steps)
        self._deliver(topic, steps)
        if (pending := self._ranges.get(topic)) is not None:
            self._settle(topic, pending)

    def place_of(self, topic: str) -> Place | None:
        """Return where `topic` stands here, None where nobody follows it: what is known of it may be long past."""
        log = self.logs.of(topic)
        if log is None:
            return None
        if not self._fanout.is_heard(topic):
            self._forget(topic)
            return None
        return Place(log.epoch, log.offset)

    def join(self, topic: str, joining: Joining, head: Place) -> Place:
        """Follow `topic` for a subscription; its log stood at `head` when a router was asked.

        Returns the place after which what `joining` holds begins.
        """
        log = self.logs.of(topic)
        base = joining.base or place_before(joining, topic) or (head if log is None else Place(log.epoch, log.offset))
        if log is None:
            forgotten = self.discoverer.is_forgotten(topic)
            log = self.logs.begin(topic, *base, monotonic())
            if forgotten:
                self._deliver(topic, [Missed(topic, base.epoch, base.offset + 1, TRIMMED)])
                joining.let_go(topic, base)
        self._deliver(topic, self.logs.expect(topic, *head, monotonic()))
        if base.epoch == log.epoch:
            return base
        base = Place(log.epoch, 0)
        joining.let_go(topic, base)
        return base

    def fetch(self, topic: str, after: int, upto: int, then: Then) -> None:
        """Call `then` with the messages of `topic`, which is followed, after one offset and up to another."""
        log = self.logs.of(topic)
        assert log is not None, "only a topic that is followed has a past"
        now = monotonic()
        if log.window is not None and topic not in self._ranges:
            self._windows.use(topic, now)
            if (found := log.window.between(after, upto)) is not None:
                then(found, True)
                return
        waiter = Waiter(after, upto, then)
        pending = self._ranges.get(topic)
        if pending is None:
            self._windows.forget(topic)
            log.window = Window(log.offset)  # what comes from now on is kept; the past joins it
            pending = self._ranges[topic] = Range(Window(after), now + RANGE_TIMEOUT)
            self._ask_for(topic, after)
        elif after < pending.past.after:
            # Somebody who was away longer than those who came before: the past is read anew, from there.
            pending.past = Window(after)
            self._ask_for(topic, after)
        pending.waiters.append(waiter)

    def reach(self, places: Mapping[str, Place], then: Callable[[], None]) -> None:
        """Call `then` when deliveries here have come as far as `places`, as far as there is anything to come.

        Somebody may come from a gateway that was faster; what it told must not be told here again.
        """
        for topic, place in places.items():
            if not self._has_reached(topic, place):
                self._ahead.setdefault(topic, []).append(Ahead(place, lambda: self.reach(places, then)))
                return
        then()

    def doubt_all(self) -> None:
        """Ask where all logs stand: what was sent may not have come."""
        self._doubt(self.logs.topics())

    def _doubt(self, topics: Iterable[str]) -> None:
        now = monotonic()
        self.logs.doubt(topics, now)
        self._arm(now)

    def _deliver(self, topic: str, steps: Sequence[Step]) -> None:
        heard = True
        for step in steps:
            if isinstance(step, Entry):
                heard = self._fanout.deliver(step)
            else:
                self._counters.gaps[step.cause] += 1
                self._fanout.announce(step)
        if not heard:
            self._forget(topic)
        if topic in self._ahead:
            self._let_go(topic)
        if self.logs.due_at is not None:
            self._arm(self.logs.due_at)

    def _has_reached(self, topic: str, place: Place) -> bool:
        log = self.logs.of(topic)
        if log is None:
            return topic not in self.discoverer.discovery
        return log.epoch != place.epoch or log.offset >= min(place.offset, log.seen)

    def _let_go(self, topic: str) -> None:
        waiting = self._ahead.pop(topic)
        still = [each for each in waiting if not self._has_reached(topic, each.place)]
        if still:
            self._ahead[topic] = still
        for each in waiting:
            if each not in still:
                each.then()

    def _forget(self, topic: str) -> None:
        if topic not in self._ranges:
            self._windows.forget(topic)
            self.logs.forget(topic)
            if topic in self._ahead:
                self._let_go(topic)

    # The past.

    def _ask_for(self, topic: str, after: int) -> None:
        self._counters.ranges_asked += 1
        self._ask(Ask(topic, FetchRequest(SESSION, next(self._numbers), topic, after, MAX_ENTRIES)))

    def _fill_range(self, topic: str, pending: Range, reply: Fetched) -> None:
        log = self.logs.of(topic)
        if log is None or log.window is None or log.epoch != reply.epoch:
            self._give_up(topic, pending, looked=True)
            return
        if reply.first > pending.past.last + 1:
            pending.past = Window(reply.first - 1)  # what lies before was trimmed
        before = pending.past.last
        pending.past.extend(reply.entries)
        if pending.past.last < log.window.after and pending.past.last > before:
            self._ask_for(topic, pending.past.last)  # there was more than fits into one answer

    def _settle(self, topic: str, pending: Range) -> None:
        """Serve everybody who waits, once the past reaches to what was kept since it was asked for."""
        log = self.logs.of(topic)
        if log is None or log.window is None:
            self._give_up(topic, pending, looked=True)
            return
        if pending.past.last < log.window.after:
            return
        del self._ranges[topic]
        past = pending.past
        past.extend(kept.entry for kept in log.window.all())
        log.window = past
        self._windows.add(topic, monotonic())
        for waiter in pending.waiters:
            waiter.then(past.between(max(waiter.after, past.after), waiter.upto), True)

    def _give_up(self, topic: str, pending: Range, *, looked: bool) -> None:
        del self._ranges[topic]
        if (log := self.logs.of(topic)) is not None:
            log.window = None
        for waiter in pending.waiters:
            waiter.then(None, looked)

    # Time.

    def _arm(self, at: float) -> None:
        if self._timer is not None and not self._timer.cancelled() and self._timer_at <= at:
            return
        if self._timer is not None:
            self._timer.cancel()
        self._timer_at = at
        self._timer = self._loop.call_later(max(0.0, at - monotonic()), self._run)

    def _run(self) -> None:
        self._timer = None
        now = monotonic()
        for wanted in self.logs.due(now, ASKED_AT_ONCE):
            self._ask_after(wanted)
        if self.logs.due_at is not None:
            self._arm(max(self.logs.due_at, now + TURN))

    def _ask_after(self, wanted: Wanted) -> int:
        topic, after = wanted
        number = next(self._numbers)
        self._ask(Ask(topic, FetchRequest(SESSION, number, topic, after, MAX_ENTRIES)))
        return number

    def _look_around(self) -> None:
        self._look = self._loop.call_later(LOOK, self._look_around)
        now = monotonic()
        for topic, pending in list(self._ranges.items()):
            if now >= pending.deadline:
                self._give_up(topic, pending, looked=False)
        self._windows.look(now)
        for topic in [topic for topic in self._ahead if self.logs.of(topic) is None]:
            self._let_go(topic)  # whose place was forgotten comes no further
        if not self._turn_of:
            self._turn_of = self.logs.topics()
        looked_at, self._turn_of = self._turn_of[:LOOKED_AT], self._turn_of[LOOKED_AT:]
        for topic in looked_at:
            if not self._fanout.is_heard(topic):
                self._forget(topic)
        self._doubt(looked_at)

