"""Many messages to fewer: what writing once for several messages saves."""

from benchmarks.bench import Bench
from benchmarks.figures.delivery import compare
from benchmarks.table import Report


def measure(bench: Bench) -> Report:
    return compare(bench, "Busy topic", subscribers=100, rate=1000, bar=0.5)
