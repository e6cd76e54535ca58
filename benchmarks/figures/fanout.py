"""Few messages to many: the gateway's CPU for each delivery against nchan's."""

from benchmarks.bench import Bench
from benchmarks.figures.delivery import compare
from benchmarks.table import Report


def measure(bench: Bench) -> Report:
    return compare(bench, "Fan-out", subscribers=1000, rate=50, bar=1.25)
