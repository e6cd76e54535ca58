"""The embedded store: what one process remembers, for as long as it lives."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence

from shared.store import gcra
from shared.store.port import Admit, Admitted, Limit

MAX_KEYS = 100_000

_ADMITTED = Admitted(0.0)


class MemoryStore:
    """See `shared.store.port.Store`. Keeps at most `max_keys` rates, and forgets the longest unused beyond that.

    Forgetting a bucket that has filled up again changes nothing, and the longest unused has most likely done so.
    One that had not begins anew, with its whole burst; `forgiven` counts these, `evicted` all.
    """

    def __init__(self, max_keys: int = MAX_KEYS) -> None:
        self.evicted = 0
        self.forgiven = 0
        self._max_keys = max_keys
        self._buckets: OrderedDict[tuple[str | int, ...], float] = OrderedDict()

    @property
    def rates(self) -> int:
        """Return how many rates are remembered."""
        return len(self._buckets)

    async def admit(self, commands: Sequence[Admit], now: float) -> Sequence[Admitted]:
        """Carry out `commands` in their order."""
        return [self._admit(command, now) for command in commands]

    async def close(self) -> None:
        """Forget everything."""
        self._buckets.clear()

    def _admit(self, command: Admit, now: float) -> Admitted:
        buckets = self._buckets
        longest, refused_by = 0.0, None
        spent = []
        for limit in command.limits:
            tat = gcra.spend(buckets.get(limit.key, gcra.NEVER), now, limit.rate)
            wait = gcra.wait(tat, now, limit.rate, limit.burst)
            if wait > longest:
                longest, refused_by = wait, limit
            spent.append((limit, tat))
        if refused_by is not None:
            return Admitted(longest, refused_by)
        for limit, tat in spent:
            self._keep(limit, tat, now)
        return _ADMITTED

    def _keep(self, limit: Limit, tat: float, now: float) -> None:
        buckets = self._buckets
        buckets[limit.key] = tat
        buckets.move_to_end(limit.key)
        if len(buckets) > self._max_keys:
            _, oldest = buckets.popitem(last=False)
            self.evicted += 1
            self.forgiven += oldest > now
