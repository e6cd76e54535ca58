"""Knows when this gateway may have missed what was sent to it, and has everything looked at: what it follows, and news.

That is when the broker was away, when it dropped deliveries since we were too slow, when it had nowhere to put them as
our bindings were gone, and when this process stood still.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from itertools import count

from gateway.counters import Counters
from gateway.effects import Ask
from gateway.healing import Healer
from gateway.lookback import LookBack, Question
from shared.bus.port import BusState
from shared.clock import monotonic
from shared.envelopes import AnyReply, Grown

SESSION = -4
"""The number by which answers for this room are told from those for clients."""

TICK = 1.0
TICKS = 4
"""Seconds between two signs of life, and how many are remembered: where this process stood still, nothing was heard
since the one before, and it takes some of them to notice what came of it."""

WAITED = 60.0
"""Seconds for which what was dropped may have waited for us."""

CannotTell = Callable[[str | None], None]


class Losses:
    """See above. `cannot_tell` is called with a pattern, or None for all, of whose topics too many have grown."""

    def __init__(
        self, healer: Healer, ask: Callable[[Ask], None], counters: Counters, cannot_tell: CannotTell
    ) -> None:
        self._healer = healer
        self._counters = counters
        self._cannot_tell = cannot_tell
        self._look_back = LookBack(healer.discoverer.listening, ask, count(1).__next__, session=SESSION)
        self._alive: deque[float] = deque([monotonic()], TICKS)
        self._away_since: float | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._loop = asyncio.get_running_loop()

    def start(self) -> None:
        """Begin to give signs of life."""
        self._alive.append(monotonic())
        self._timer = self._loop.call_later(TICK, self.start)

    def stop(self) -> None:
        """Look no more."""
        self._look_back.stop()
        if self._timer is not None:
            self._timer.cancel()

    def bus_changed(self, state: BusState, cause: str) -> None:
        """Look at everything when the broker is back: what was sent meanwhile, and what waited for us, is gone."""
        if state is BusState.AWAY and self._away_since is None:
            self._away_since = self._alive[0]
        elif state is BusState.READY and self._away_since is not None:
            since, self._away_since = self._away_since, None
            self._look(since)

    def dropped(self) -> None:
        """Look at everything: the broker had no room for all that waited for us."""
        self._counters.deliveries_dropped += 1
        self._look(min(self._alive[0], monotonic() - WAITED))

    def unbound(self, since: float) -> None:
        """Look at everything: what was sent `since` then (monotonic) may have found no way to us."""
        self._counters.bindings_lost += 1
        self._look(min(self._alive[0], since))

    def answer(self, reply: AnyReply) -> None:
        """Take a router's answer, or a refusal in its stead: then it is asked again in its time."""
        if isinstance(reply, Grown) and (question := self._look_back.settle(reply)) is not None:
            self._take(question, reply)

    def _take(self, question: Question, reply: Grown) -> None:
        if reply.heads is None:
            self._cannot_tell(None if question.everything else question.pattern)
        else:
            self._healer.discoverer.expect(reply.heads, reply.at)

    def _look(self, since: float) -> None:
        self._healer.doubt_all()
        self._look_back.begin(since)
