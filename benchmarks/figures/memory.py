"""Memory of an idle connection: the slope of the server's RSS over the number of connections."""

import time

from benchmarks.bench import Bench
from benchmarks.peers.peer import Peer
from benchmarks.processes import Memory, memory
from benchmarks.table import Report, Verdict

TOPIC = "bench.memory"
BAR_KIB = 9.0
SETTLED_SECONDS = 0.5
SETTLE_DEADLINE_SECONDS = 5.0
HEADERS = ("server", "KiB per connection (RSS)", "(PSS)", "MiB at rest", "readings, MiB of RSS")


def measure(bench: Bench) -> Report:
    sizes = bench.options.connections
    report = Report(f"Memory of an idle connection with one subscription, {sizes[0]:,} to {sizes[-1]:,}", HEADERS)
    for name in bench.options.peers:
        with bench.peer(name) as peer:
            rest = holds(peer)
            readings = []
            with bench.generator(peer.door(TOPIC)) as generator:
                for size in sizes:
                    generator.open(size, seconds=120)
                    readings.append(settled(peer))
        rss = slope(sizes, [reading.rss for reading in readings]) / 1024
        pss = slope(sizes, [reading.pss for reading in readings]) / 1024
        seen = " ".join(f"{reading.rss / 2**20:.1f}" for reading in readings)
        report.rows.append([peer.name, f"{rss:.2f}", f"{pss:.2f}", f"{rest.rss / 2**20:.1f}", seen])
        if peer.name == "Penstock":
            report.verdicts.append(
                Verdict("Memory per idle connection", f"≤ {BAR_KIB:.0f} KiB", f"{rss:.1f} KiB", rss <= BAR_KIB)
            )
    return report


def holds(peer: Peer) -> Memory:
    """What the role that holds the connections holds now."""
    return memory(next(iter(peer.roles().values())))


def settled(peer: Peer) -> Memory:
    """The memory once it no longer changes between two looks."""
    deadline = time.monotonic() + SETTLE_DEADLINE_SECONDS
    before = holds(peer)
    while True:
        time.sleep(SETTLED_SECONDS)
        now = holds(peer)
        if now.rss == before.rss or time.monotonic() > deadline:
            return now
        before = now


def slope(xs: tuple[int, ...], ys: list[int]) -> float:
    """Least squares."""
    middle_x, middle_y = sum(xs) / len(xs), sum(ys) / len(ys)
    spread = sum((x - middle_x) ** 2 for x in xs)
    return sum((x - middle_x) * (y - middle_y) for x, y in zip(xs, ys, strict=True)) / spread
