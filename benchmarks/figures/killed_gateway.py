"""A gateway is killed: for how long do its clients, who come back to another one, hear nothing?"""

import time
from statistics import median
from typing import Any

from benchmarks.bench import Bench
from benchmarks.comeback import coming_back, publishing, settled, troubles
from benchmarks.load.generator import Generator
from benchmarks.peers.penstock import Penstock
from benchmarks.table import Report, Verdict, spread

CLIENTS = 200
TOPIC = "bench.killed-gateway"
RATE = 100.0
BAR_SECONDS = 3.0
STEADY_SECONDS = 2.0
AFTER_SECONDS = 2.0
DEADLINE_SECONDS = 30.0
HEADERS = ("kill", "longest gap s", "p50 s", "p99 s", "all complete after s", "attempts", "in order, nothing missing")


def measure(bench: Bench) -> Report:
    """The two gateways are killed in turns: all clients are always at the one that is next."""
    clients, rate = bench.options.subscribers or CLIENTS, bench.options.rate or RATE
    report = Report(f"A gateway with {clients:,} clients is killed, another runs; {rate:,.0f} events/s", HEADERS)
    longest = []
    with bench.penstock(gateways=2) as penstock, bench.crowd(penstock, [TOPIC], each=1) as crowd:
        crowd.open(clients, seconds=DEADLINE_SECONDS)
        for number in range(bench.options.rounds):
            seen = one_kill(penstock, crowd, number % 2, rate, bench.options.size)
            longest.append(gap(seen, "max", rate))
            report.rows.append(row(number + 1, seen, rate))
            report.notes += troubles(f"kill {number + 1}", seen)
    met = median(longest) <= BAR_SECONDS and not report.notes
    report.verdicts.append(
        Verdict("A gateway killed: its clients' longest gap", f"≤ {BAR_SECONDS:.0f} s", f"{spread(longest, 2)} s", met)
    )
    return report


def one_kill(penstock: Penstock, crowd: Generator, victim: int, rate: float, size: int) -> dict[str, Any]:
    with publishing(penstock, crowd, [TOPIC], rate, size) as publisher:
        time.sleep(STEADY_SECONDS)
        crowd.start()
        penstock.gateways[victim].kill()
        time.sleep(STEADY_SECONDS)
        coming_back(crowd, DEADLINE_SECONDS)
        time.sleep(AFTER_SECONDS)
        heard = crowd.count()  # before the publisher stops: its end is a gap for everybody
    seen = settled(crowd, publisher) | {"silence_ms": heard["silence_ms"]}
    penstock.restart_gateway(victim)
    return seen


def gap(seen: dict[str, Any], which: str, rate: float) -> float:
    """Seconds without a message, beyond those between two events."""
    return max(0.0, float(seen["silence_ms"][which]) / 1000 - 1 / rate)


def row(number: int, seen: dict[str, Any], rate: float) -> list[str]:
    return [
        str(number),
        f"{gap(seen, 'max', rate):.2f}",
        f"{gap(seen, 'p50', rate):.2f}",
        f"{gap(seen, 'p99', rate):.2f}",
        f"{seen['back_ms']['max'] / 1000:.2f}",
        f"{seen['attempts']:,}",
        "no" if troubles("", seen) else "yes",
    ]
