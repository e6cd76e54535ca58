"""The guard against clients that write too much: a token bucket, and a patience that ends ◆"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class FloodLimits:
    """`rate` frames a second, `burst` at once; after `tolerance` refusals without a pause the client is flooding."""

    rate: float
    burst: int
    tolerance: int


class FloodGuard:
    """One client's bucket. Times are seconds, monotonic."""

    __slots__ = ("_at", "_level", "refusals")

    def __init__(self, limits: FloodLimits, now: float) -> None:
        self._level = float(limits.burst)
        self._at = now
        self.refusals = 0

    def take(self, limits: FloodLimits, now: float) -> float:
        """Take one frame out of the bucket; return 0, or the seconds until one can be had."""
        level = self._level + (now - self._at) * limits.rate
        self._at = now
        if level >= limits.burst:
            level = float(limits.burst)
            self.refusals = 0
        if level < 1.0:
            self._level = level
            self.refusals += 1
            return (1.0 - level) / limits.rate
        self._level = level - 1.0
        return 0.0

    def is_flooding(self, limits: FloodLimits) -> bool:
        """Say whether the client has been refused more often than it may."""
        return self.refusals > limits.tolerance
