"""The guard against clients that write too much: a token bucket, and a patience that ends ◆

A frame costs one token, and a large message one more for each `FRAME_BYTES` of it, so that what it costs to read is
paid for before it is read. Who was let in has some bytes free once: what a client says when it comes back, of where it
left off, must never count against it.
"""

from __future__ import annotations

from dataclasses import dataclass

FRAME_BYTES = 4096
"""Bytes of a message that count as much as a frame."""


@dataclass(frozen=True, slots=True)
class FloodLimits:
    """`rate` tokens a second, `burst` at once; after `tolerance` refusals without a pause the client is flooding.

    `free` tokens' worth of large messages of a connection cost nothing, once it was let in.
    """

    rate: float
    burst: int
    tolerance: int
    free: int = 0


class FloodGuard:
    """One client's bucket. Times are seconds, monotonic.

    `withheld` tokens of the burst are not there yet: they come with `let_in`.
    """

    __slots__ = ("_at", "_free", "_level", "refusals")

    def __init__(self, limits: FloodLimits, now: float, withheld: int = 0) -> None:
        self._level = float(limits.burst - withheld)
        self._at = now
        self._free = 0.0
        self.refusals = 0.0

    def let_in(self, limits: FloodLimits, withheld: int) -> None:
        """Give what a client has to be let in for."""
        self._level += withheld
        self._free = float(limits.free)

    def weigh(self, limits: FloodLimits, now: float, cost: float, blame: float) -> float:
        """Take `cost` tokens for the bytes of a large message: of what is free, or else as `take` does."""
        if cost <= self._free:
            self._free -= cost
            return 0.0
        return self.take(limits, now, cost, blame)

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
