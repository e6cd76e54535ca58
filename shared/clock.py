"""The two clocks: one that only runs forward, one that people agree on. Pure rooms are given their readings."""

from __future__ import annotations

import time

monotonic = time.monotonic
"""Seconds, for deadlines and rates; unmoved when somebody sets the time of day."""


def wall() -> float:
    """Return seconds since 1970, for tokens and timestamps."""
    return time.time()
