"""When to give up on a router's answer: all requests have the same time, so the oldest is always the first."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable

from shared.clock import monotonic


class RequestDeadlines:
    """Calls `expire(session, request)` `timeout` seconds after a request, answered or not: its session knows.

    Bounded by what a session may have unanswered and by what it may ask in `timeout` seconds (its frame rate).
    """

    def __init__(self, timeout: float, expire: Callable[[int, int], None]) -> None:
        self._timeout = timeout
        self._expire = expire
        self._due: deque[tuple[float, int, int]] = deque()
        self._timer: asyncio.TimerHandle | None = None
        self._loop = asyncio.get_running_loop()

    def add(self, session: int, request: int) -> None:
        """Start the time of a request."""
        self._due.append((monotonic() + self._timeout, session, request))
        if self._timer is None:
            self._timer = self._loop.call_later(self._timeout, self._run)

    def close(self) -> None:
        """Stop the clock."""
        if self._timer is not None:
            self._timer.cancel()
        self._due.clear()

    def _run(self) -> None:
        now = monotonic()
        try:
            while self._due and self._due[0][0] <= now:
                _, session, request = self._due.popleft()
                self._expire(session, request)
        finally:  # an error in one of them must not stop the clock of all others
            rest = max(0.0, self._due[0][0] - now) if self._due else None
            self._timer = None if rest is None else self._loop.call_later(rest, self._run)
