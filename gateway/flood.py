"""The guard against clients that write too much: a token bucket, and a patience that ends ◆

A frame costs one token, and a large message one more for each `FRAME_BYTES` of it, so that what it costs to read is
paid for before it is read.
"""

from __future__ import annotations

from dataclasses import dataclass

FRAME_BYTES = 4096
"""Bytes of a message that count as much as a frame."""


@dataclass(frozen=True, slots=True)
class FloodLimits:
    """`rate` tokens a second, `burst` at once; after `tolerance` refusals without a pause the client is flooding."""

    rate: float
    burst: int
    tolerance: int


class FloodGuard:
    """One client's bucket. Times are seconds, monotonic.

    `withheld` tokens of the burst are not there yet: they come with `give`.
    """

    __slots__ = ("_at", "_level", "refusals")

    def __init__(self, limits: FloodLimits, now: float, withheld: int = 0) -> None:
        self._level = float(limits.burst - withheld)
        self._at = now
        self.refusals = 0.0

    def give(self, tokens: int) -> None:
        """Put tokens into the bucket."""
        self._level += tokens

    def take(self, limits: FloodLimits, now: float, cost: float = 1.0, blame: float = 1.0) -> float:
        """Take `cost` tokens out of the bucket, of which one must be there; return 0, or the seconds until it is.

        `blame` is how many refusals it counts as if it is not.
        """
        level = self._level + (now - self._at) * limits.rate
        self._at = now
        if level >= limits.burst:
            level = float(limits.burst)
            self.refusals = 0.0
        if level < 1.0:
            self._level = level
            self.refusals += blame
            return (1.0 - level) / limits.rate
        self._level = level - cost
        return 0.0

    def is_flooding(self, limits: FloodLimits) -> bool:
        """Say whether the client has been refused more often than it may."""
        return self.refusals > limits.tolerance
