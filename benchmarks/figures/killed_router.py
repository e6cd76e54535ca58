"""A router is killed: when do all its partitions flow again, by way of the other one?"""

import time
from statistics import median
from typing import Any

from benchmarks.bench import Bench
from benchmarks.comeback import publishing, settled, troubles
from benchmarks.load.generator import Generator
from benchmarks.partitions import one_topic_each
from benchmarks.peers.penstock import Penstock
from benchmarks.table import Report, Verdict, spread
from shared.topics import PARTITIONS

TOPIC = "bench.killed-router.{}"
RATE = 50.0
"""Events a second on each partition."""
BAR_SECONDS = 3.0
STEADY_SECONDS = 3.0
AFTER_SECONDS = 6.0
HEADERS = ("kill", "last partition after s", "partitions that stood still", "median of these s",
           "most before the kill s", "in order, nothing missing")  # fmt: skip
STILL = 5.0
"""Times the pause between two events of a partition, beyond which it stood still."""


def measure(bench: Bench) -> Report:
    """One client hears a topic of each partition. The two routers are killed in turns; each is back before the next."""
    rate = bench.options.rate or RATE
    report = Report(f"One of two routers is killed; {rate:,.0f} events/s on each of {PARTITIONS} partitions", HEADERS)
    pauses = []
    topics = one_topic_each(bench.broker.amqp_url, TOPIC)
    with bench.penstock(routers=2) as penstock, bench.crowd(penstock, topics, each=PARTITIONS) as crowd:
        crowd.open(1)
        for number in range(bench.options.rounds):
            before, seen = one_kill(penstock, crowd, topics, number % 2, rate, bench.options.size)
            silences = [max(0.0, each / 1000 - 1 / rate) for each in seen["silences_ms"]]
            pauses.append(max(silences))
            report.rows.append(row(number + 1, before, silences, rate, seen))
            report.notes += troubles(f"kill {number + 1}", seen)
    met = median(pauses) <= BAR_SECONDS and not report.notes
    report.verdicts.append(
        Verdict(
            "A router killed: until its last partition flows", f"≤ {BAR_SECONDS:.0f} s", f"{spread(pauses, 2)} s", met
        )
    )
    return report


def one_kill(
    penstock: Penstock, crowd: Generator, topics: list[str], victim: int, rate: float, size: int
) -> tuple[dict[str, Any], dict[str, Any]]:
    """What was seen before the kill, and after it."""
    with publishing(penstock, crowd, topics, rate * len(topics), size, ids=True) as publisher:
        time.sleep(1.0)
        crowd.start()
        time.sleep(STEADY_SECONDS)
        before = crowd.stop()
        crowd.start()
        penstock.routers[victim].kill()
        time.sleep(AFTER_SECONDS)
        heard = crowd.count()  # before the publisher stops: its end is a gap on every partition
    seen = settled(crowd, publisher) | {"silences_ms": heard["silences_ms"]}
    penstock.restart_router(victim)
    return before, seen


def row(number: int, before: dict[str, Any], silences: list[float], rate: float, seen: dict[str, Any]) -> list[str]:
    still = [silence for silence in silences if silence > STILL / rate]
    return [
        str(number),
        f"{max(silences):.2f}",
        str(len(still)),
        f"{median(still or [0.0]):.2f}",
        f"{before['silence_ms']['max'] / 1000:.2f}",
        "no" if troubles("", seen) else "yes",
    ]
