"""All windows of a gateway within one bound: the longest unused one goes, and its log is read again when it is needed ◆

Times are seconds, monotonic.
"""

from __future__ import annotations

from collections import OrderedDict

from gateway.counters import Counters
from gateway.logs import Logs

KEPT = 30.0
"""Seconds for which a topic's window is kept after it was last needed."""

BYTES = 128 * 1024 * 1024
"""Of messages in all windows together, unless somebody wants it otherwise. What comes live is added to them at once,
and measured by the next `look`."""

OVERHEAD = 512
"""Bytes that a message is reckoned to cost beside its payload."""


class Windows:
    """Which topics have a window that is whole, the longest unused first. `bound` is bytes of messages in all."""

    def __init__(self, logs: Logs, counters: Counters, bound: int) -> None:
        self._logs = logs
        self._counters = counters
        self._bound = bound
        self._until: OrderedDict[str, float] = OrderedDict()
        self._sizes: dict[str, int] = {}
        """As they were measured last; `Counters.window_bytes` is their sum."""

    def add(self, topic: str, now: float) -> None:
        """Keep the window of a topic that has just been read; others go where there is no room."""
        self.use(topic, now)
        self._measure(topic)
        self._make_room()

    def use(self, topic: str, now: float) -> None:
        """Keep the window of a topic for some time more."""
        self._until[topic] = now + KEPT
        self._until.move_to_end(topic)

    def forget(self, topic: str) -> None:
        """Let go of a topic's window, if it has one that is whole."""
        if self._until.pop(topic, None) is None:
            return
        self._counters.window_bytes -= self._sizes.pop(topic, 0)
        if (log := self._logs.of(topic)) is not None:
            log.window = None

    def look(self, now: float) -> None:
        """Let go of what has not been needed for some time, and measure what is left."""
        while self._until and (oldest := next(iter(self._until.items())))[1] <= now:
            self.forget(oldest[0])
        for topic in self._until:
            self._measure(topic)
        self._make_room()

    def _measure(self, topic: str) -> None:
        log = self._logs.of(topic)
        size = 0 if log is None or log.window is None else log.window.size + OVERHEAD * len(log.window)
        self._counters.window_bytes += size - self._sizes.get(topic, 0)
        self._sizes[topic] = size

    def _make_room(self) -> None:
        while self._counters.window_bytes > self._bound:
            self.forget(next(iter(self._until)))
            self._counters.windows_given_up += 1
