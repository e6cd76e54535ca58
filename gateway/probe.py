"""Proves, again and again, that the way through the broker, a router and back is open."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from gateway.effects import Ask
from shared.clock import monotonic
from shared.envelopes import ProbeRequest

EVERY = 2.0
"""Seconds between two probes."""

SILENCE = 5.0
"""Seconds without an answer after which each further probe tells of it."""

SESSION = 0
"""The number by which a probe's answer is told from a client's."""


class Probe:
    """Asks a router for nothing, by another partition each time. `answered_at` is monotonic; None before the first.

    `on_silence` is called where answers came, and come no more.
    """

    def __init__(self, ask: Callable[[Ask], None], on_silence: Callable[[], None]) -> None:
        self.answered_at: float | None = None
        self._ask = ask
        self._on_silence = on_silence
        self._number = 0
        self._timer: asyncio.TimerHandle | None = None
        self._loop = asyncio.get_running_loop()

    def start(self) -> None:
        """Send the first, and go on."""
        if self.answered_at is not None and monotonic() - self.answered_at > SILENCE:
            self._on_silence()
        self._number += 1
        self._ask(Ask(f"probe.{self._number}", ProbeRequest(SESSION, self._number)))
        self._timer = self._loop.call_later(EVERY, self.start)

    def stop(self) -> None:
        """Send no more."""
        if self._timer is not None:
            self._timer.cancel()

    def answered(self) -> None:
        """Take an answer."""
        self.answered_at = monotonic()
