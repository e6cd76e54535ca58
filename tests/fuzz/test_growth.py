"""What is long costs in proportion: sixteen times the bytes are not two hundred times the work.

Each input is tried at two lengths. Time is that of this thread alone, the least of several, and only ever compared with
itself: work in proportion makes the ratio 16, each against each 256, and the bound lies between. Memory is counted.
"""

from __future__ import annotations

import time
import tracemalloc

import pytest

from tests.fuzz.table import TARGETS
from tests.fuzz.target import Growth, Target

TIMES = 16
"""How many times as long the long input is; it has 1 MiB, most of them."""
MOST_TIMES_THE_WORK = 64.0
TRIES = 3
ENOUGH = 50e-9
"""Seconds for each byte of the long input that are in proportion by themselves, whatever the short one took."""

MOST_MEMORY = 200
"""Bytes that may be taken at a time, for each byte of input: what decoders make of a small item."""

GROWTH = [(target, growth) for target in TARGETS.values() for growth in target.growth]
IDS = [f"{target.name}-{growth.head[-12:]!r}-{growth.piece[:12]!r}" for target, growth in GROWTH]


def seconds(target: Target, data: bytes, tries: int = TRIES) -> float:
    """Return how long it takes at the least."""
    best = float("inf")
    for _ in range(tries):
        began = time.thread_time()
        target.decode(data)
        best = min(best, time.thread_time() - began)
    return best


def is_in_proportion(target: Target, growth: Growth) -> bool:
    """Say whether a long input costs about as many times as much as it is longer."""
    long, short = growth.of(growth.long), growth.of(growth.long // TIMES)
    if seconds(target, long, tries=1) <= ENOUGH * len(long):
        return True
    least = seconds(target, short)
    # One try of the long one is enough where it is good: it only ever looks worse than it is.
    return any(seconds(target, long, tries=1) <= MOST_TIMES_THE_WORK * least for _ in range(TRIES))


@pytest.mark.parametrize(("target", "growth"), GROWTH, ids=IDS)
def test_work_grows_as_the_input_does(target: Target, growth: Growth) -> None:
    assert is_in_proportion(target, growth)


@pytest.mark.parametrize(("target", "growth"), GROWTH, ids=IDS)
def test_memory_grows_as_the_input_does(target: Target, growth: Growth) -> None:
    data = growth.of(growth.long // TIMES)
    tracemalloc.start()
    try:
        target.decode(data)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak <= MOST_MEMORY * len(data)


def test_work_of_each_byte_with_each_is_seen() -> None:
    def search(data: bytes) -> None:
        for place in range(0, len(data), 64):
            data.find(b"\xff", place)

    assert not is_in_proportion(Target("planted", search, ()), Growth(b"a"))
    assert is_in_proportion(Target("innocent", lambda data: [byte + 1 for byte in data], ()), Growth(b"a"))
