"""The embedded store's attempts: which have begun at something, and were not settled ◆"""

from __future__ import annotations

from collections import OrderedDict

from shared.store.counters import StoreCounters
from shared.store.port import ATTEMPTS_REMEMBERED

MAX_ATTEMPTED = 10_000
"""Keys that are remembered by default."""


class Attempts:
    """Keeps at most `max_keys` keys, and forgets those of the longest ago beyond that; `counters` counts these."""

    def __init__(self, max_keys: int = MAX_ATTEMPTED, counters: StoreCounters | None = None) -> None:
        self.counters = counters or StoreCounters()
        self._max_keys = max_keys
        self._begun: OrderedDict[str, tuple[float, set[int]]] = OrderedDict()  # in the order in which they end

    def __len__(self) -> int:
        return len(self._begun)

    def clear(self) -> None:
        """Forget everything."""
        self._begun.clear()

    def begin(self, key: str, number: int, now: float) -> int:
        """Note an attempt; return how many have begun."""
        self._let_go(now)
        _, numbers = self._begun.pop(key, (now, set()))
        numbers.add(number)
        self._begun[key] = now + ATTEMPTS_REMEMBERED, numbers
        if len(self._begun) > self._max_keys:
            self._begun.popitem(last=False)
            self.counters.attempts_forgotten += 1
        return len(numbers)

    def settle(self, key: str) -> None:
        """Forget the attempts at one thing."""
        self._begun.pop(key, None)

    def _let_go(self, now: float) -> None:
        while self._begun and next(iter(self._begun.values()))[0] < now:
            self._begun.popitem(last=False)
