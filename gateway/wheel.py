"""One timing wheel for all deadlines of a gateway: the timer, and the loop that stalls."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TypeAlias

from gateway.timing import TimingWheel
from shared.clock import monotonic

INTERVAL = 0.25
"""Seconds between two ticks: no deadline is met early, and none later than this."""

STALL = 1.0
"""Seconds by which a tick is late when the loop counts as stalled."""

OnTick: TypeAlias = Callable[[list[int], float], None]
"""Called with the keys that are due and the seconds by which the loop stalled, 0 where it did not."""


class Wheel:
    """Tells once per tick which keys are due.

    While a loop stalls nobody reads the sockets, and what clients sent in time looks as if they were silent. So a tick
    that comes more than `STALL` late tells nothing. It waits for one more interval, in which the loop reads what has
    come in; the next tick then says by how much the loop stalled.
    """

    def __init__(self, *, interval: float = INTERVAL, stall: float = STALL) -> None:
        self._interval = interval
        self._stall = stall
        self._wheel = TimingWheel(monotonic(), interval)
        self._planned = 0.0
        self._stalled = 0.0
        self._on_tick: OnTick | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._loop = asyncio.get_running_loop()

    def __len__(self) -> int:
        return len(self._wheel)

    def schedule(self, key: int, due: float) -> None:
        """Have `key` told once, at `due` (seconds, monotonic) and at no time that was set before."""
        self._wheel.schedule(key, due)

    def forget(self, key: int) -> None:
        """Have `key` not told."""
        self._wheel.forget(key)

    def start(self, on_tick: OnTick) -> None:
        """Begin to tick."""
        self._on_tick = on_tick
        self._arm()

    def stop(self) -> None:
        """Tick no more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _arm(self) -> None:
        self._planned = monotonic() + self._interval
        self._timer = self._loop.call_later(self._interval, self._tick)

    def _tick(self) -> None:
        assert self._on_tick is not None, "the wheel was not started"
        now = monotonic()
        late = now - self._planned
        self._arm()  # first, so that an error in what follows does not stop the clock
        if late > self._stall:
            self._stalled += late
            return
        stalled, self._stalled = self._stalled, 0.0
        due = self._wheel.advance(now)
        if due or stalled:
            self._on_tick(due, stalled)
