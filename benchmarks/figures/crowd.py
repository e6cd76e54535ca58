"""Ten thousand clients are cut off at once while events go on: when are all back, and complete?"""

import time
from dataclasses import dataclass
from math import inf
from statistics import median
from typing import Any

from benchmarks.bench import Bench
from benchmarks.comeback import coming_back, publishing, settled, troubles
from benchmarks.load.generator import Generator
from benchmarks.peers.penstock import Penstock
from benchmarks.processes import forget_peak, memory, peak
from benchmarks.table import Report, Verdict, spread
from benchmarks.window import roles_cpu, since, with_publisher

CLIENTS = 10_000
EACH = 5
TOPICS = [f"bench.crowd.{number}" for number in range(100)]
RATE = 100.0
BAR_SECONDS = 10.0
BAR_GROWTH = 1.5
STEADY_SECONDS = 4.0
DEADLINE_SECONDS = 60.0
HEADERS = ("cut", "all complete after s", "p50 s", "p99 s", "gateway MiB before", "at most", "÷ before", "attempts",
           "refused requests", "in order, nothing missing", "CPU s per role until then")  # fmt: skip


@dataclass(frozen=True)
class Cut:
    """What one cut led to. `cpu` is seconds per role until all were complete, as `cpu_words` says."""

    seen: dict[str, Any]
    before: int
    peak: int
    cpu_words: str

    @property
    def seconds(self) -> float:
        """Infinity where some did not come back."""
        return inf if self.away else float(self.seen["back_ms"]["max"]) / 1000

    @property
    def away(self) -> int:
        return int(self.seen["members"] - self.seen["subscribed"])

    @property
    def growth(self) -> float:
        return self.peak / self.before


def measure(bench: Bench) -> Report:
    clients, rate = bench.options.subscribers or CLIENTS, bench.options.rate or RATE
    title = f"{clients:,} clients with {EACH} of {len(TOPICS)} topics each are cut off at once; {rate:,.0f} events/s"
    report = Report(title, HEADERS)
    cuts = []
    with bench.penstock() as penstock, bench.crowd(penstock, TOPICS, each=EACH) as crowd:
        crowd.open(clients, seconds=DEADLINE_SECONDS)
        for number in range(1, bench.options.rounds + 1):
            cut = one_cut(penstock, crowd, rate, bench.options.size)
            cuts.append(cut)
            report.rows.append(row(number, cut))
            report.notes += troubles(f"cut {number}", cut.seen)
            if cut.away:
                break
    seconds, growth = median(cut.seconds for cut in cuts), max(cut.growth for cut in cuts)
    met = seconds <= BAR_SECONDS and growth <= BAR_GROWTH and not report.notes
    report.verdicts.append(
        Verdict(
            f"{clients:,} clients cut off: until all are complete, and the gateway's RSS",
            f"≤ {BAR_SECONDS:.0f} s, ≤ {BAR_GROWTH} × before",
            f"{spread([cut.seconds for cut in cuts])} s, {growth:.2f} ×",
            met,
        )
    )
    return report


def one_cut(penstock: Penstock, crowd: Generator, rate: float, size: int) -> Cut:
    gateway = penstock.gateways[0].pid
    with publishing(penstock, crowd, TOPICS, rate, size) as publisher:
        time.sleep(STEADY_SECONDS)
        before = memory([gateway]).rss
        forget_peak(gateway)
        used = roles_cpu(penstock, crowd)
        crowd.cut()
        began = time.monotonic()
        coming_back(crowd, DEADLINE_SECONDS)
        took = time.monotonic() - began
        cpu = since(used, roles_cpu(penstock, crowd))
        time.sleep(1.0)
        most = peak(gateway)
    seen = settled(crowd, publisher)
    roles = with_publisher(cpu, publisher.cpu_of(took))
    words = ", ".join(f"{role} {each:.1f}" for role, each in roles.items())
    return Cut(seen, before, most, f"{words} in {took:.1f} s")


def row(number: int, cut: Cut) -> list[str]:
    back = cut.seen["back_ms"]
    return [
        str(number),
        f"{cut.seconds:.2f}",
        f"{back['p50'] / 1000:.2f}",
        f"{back['p99'] / 1000:.2f}",
        f"{cut.before / 2**20:.0f}",
        f"{cut.peak / 2**20:.0f}",
        f"{cut.growth:.2f}",
        f"{cut.seen['attempts']:,}",
        f"{cut.seen['refused']:,}",
        "no" if troubles("", cut.seen) else "yes",
        cut.cpu_words,
    ]
