"""The generic cell rate algorithm: a token bucket that remembers one number ◆

The number is the theoretical arrival time (TAT): when the bucket would be full again if nothing more came. It needs no
refilling, and a bucket that was never seen is a full one (ITU-T I.371, annex A, in its continuous form).
"""

from __future__ import annotations

NEVER = float("-inf")
"""The TAT of a bucket from which nothing was taken yet."""

SLACK = 1e-9
"""Seconds by which rounding may be off; far below what a clock tells apart."""


def spend(tat: float, now: float, rate: float) -> float:
    """Return the TAT after taking one more at `now`, with `rate` a second."""
    return (tat if tat > now else now) + 1.0 / rate


def wait(spent: float, now: float, rate: float, burst: int) -> float:
    """Return how many seconds too early the taking was that led to the TAT `spent`; 0 where it was in time."""
    early = spent - now - burst / rate
    return early if early > SLACK else 0.0
