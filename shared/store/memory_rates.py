"""The embedded store's rates: token buckets, the longest unused of which are forgotten ◆"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence

from shared.store import gcra
from shared.store.counters import StoreCounters
from shared.store.port import Limit

MAX_KEYS = 100_000
"""Rates that are remembered by default."""


class Rates:
    """Keeps at most `max_keys` rates, and forgets the longest unused beyond that.

    Forgetting a bucket that has filled up again changes nothing, and the longest unused has most likely done so.
    One that had not begins anew, with its whole burst; `counters` counts both.
    """

    def __init__(self, max_keys: int = MAX_KEYS, counters: StoreCounters | None = None) -> None:
        self._counters = counters or StoreCounters()
        self._max_keys = max_keys
        self._buckets: OrderedDict[tuple[str | int, ...], float] = OrderedDict()

    def __len__(self) -> int:
        return len(self._buckets)

    def clear(self) -> None:
        """Forget everything."""
        self._buckets.clear()

    def spend(self, limits: Sequence[Limit], now: float) -> tuple[float, Limit | None]:
        """Take one of each; where any of them refuses, of none. Return the longest wait in seconds and who wants it."""
        buckets = self._buckets
        longest, refused_by = 0.0, None
        spent = []
        for limit in limits:
            tat = gcra.spend(buckets.get(limit.key, gcra.NEVER), now, limit.rate)
            wait = gcra.wait(tat, now, limit.rate, limit.burst)
            if wait > longest:
                longest, refused_by = wait, limit
            spent.append((limit, tat))
        if refused_by is None:
            for limit, tat in spent:
                self._keep(limit, tat, now)
        return longest, refused_by

    def _keep(self, limit: Limit, tat: float, now: float) -> None:
        buckets = self._buckets
        buckets[limit.key] = tat
        buckets.move_to_end(limit.key)
        if len(buckets) > self._max_keys:
            _, oldest = buckets.popitem(last=False)
            self._counters.rates_evicted += 1
            self._counters.rates_forgiven += oldest > now
