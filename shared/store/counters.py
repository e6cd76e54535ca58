"""What a store counts: plain numbers, read by whoever measures ◆"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field


@dataclass(slots=True)
class StoreCounters:
    """Since this store was opened. Each only ever grows; those at the end are of the embedded store alone."""

    calls: Counter[str] = field(default_factory=Counter)
    """Batches that were given to it, by what they ask for."""
    items: Counter[str] = field(default_factory=Counter)
    """What was in them: commands, reads, attempts."""
    appended: int = 0
    """Entries that were put into logs."""
    seconds: float = 0.0
    """Seconds that calls took, from their turn to their answer or failure."""
    failures: int = 0
    """Calls that failed since it was away."""
    refused: int = 0
    """Calls that were not made since too many were waiting."""
    logs_evicted: int = 0
    """Logs that had to go."""
    logs_shortened: int = 0
    """Entries of a log that alone was too large."""
    keys_forgotten: int = 0
    """Keys of entries that had to go before their time."""
    rates_evicted: int = 0
    """Rates that had to go."""
    rates_forgiven: int = 0
    """Those of them that had not filled up again."""
    attempts_forgotten: int = 0
    """Keys of attempts that had to go before their time."""
    tenures_forgotten: int = 0
    """Tenures of routers that had to go: their last entries without a key stand for what comes again until they are
    old, though they may be acknowledged."""

    def count(self, kind: str, items: int = 1) -> None:
        """Count a call with so many items."""
        self.calls[kind] += 1
        self.items[kind] += items
