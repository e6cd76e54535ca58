"""CPU per delivery: the same messages to the same number of subscribers of every server, in turns.

The server has one CPU and the generator another, as if the clients were elsewhere: on one CPU a `send()` to a client
costs about half, for what it touches stays in one cache, and the scheduler's choice would be what is measured.
"""

import os
from contextlib import ExitStack
from statistics import median

from benchmarks.bench import Bench
from benchmarks.load.generator import Generator
from benchmarks.peers.peer import Peer
from benchmarks.processes import pin
from benchmarks.table import Report, Verdict, spread
from benchmarks.window import Window, steady_window

TOPIC = "bench.delivery"
YARDSTICK = "nchan"
NOISE = 0.15
"""CPUs that others may use before the report says so."""
HEADERS = (
    "server", "CPU µs per delivery", "÷ nchan", "deliveries/s", "of those due", "bytes", "messages per read",
    "p50 ms", "p99 ms", "CPU s per role",
)  # fmt: skip


def compare(bench: Bench, title: str, *, subscribers: int, rate: float, bar: float) -> Report:
    """Windows in turns (A B C A B C …): what disturbs the machine disturbs all servers alike."""
    options = bench.options
    subscribers = options.subscribers or subscribers
    rate = options.rate or rate
    windows: dict[str, list[Window]] = {}
    with ExitStack() as stack:
        running: list[tuple[Peer, Generator]] = []
        for name in options.peers:
            peer = stack.enter_context(bench.peer(name))
            generator = stack.enter_context(bench.generator(peer.door(TOPIC)))
            pin(next(iter(peer.roles().values())), 0)
            pin([generator.pid], (os.cpu_count() or 1) - 1)
            generator.open(subscribers)
            running.append((peer, generator))
        for _ in range(options.rounds):
            for peer, generator in running:
                window = steady_window(
                    peer, generator, peer.publisher(TOPIC), rate=rate, size=options.size, seconds=options.seconds
                )
                windows.setdefault(peer.name, []).append(window)
    report = Report(f"{title}: {subscribers:,} subscribers, {rate:,.0f} messages/s, {options.size} bytes", HEADERS)
    costs = {name: median(window.cpu_per_delivery for window in seen) for name, seen in windows.items()}
    for name, seen in windows.items():
        ratio = costs[name] / costs[YARDSTICK] if YARDSTICK in costs else None
        report.rows.append(row(name, seen, ratio, due=subscribers * rate))
        if name == "Penstock" and ratio is not None:
            report.verdicts.append(Verdict(report.title, f"≤ {bar} × nchan", f"{ratio:.2f} ×", ratio <= bar))
        if (others := max(window.cpu["others"] / window.seconds for window in seen)) > NOISE:
            report.notes.append(f"{name}: something else on this machine used up to {others:.0%} of a CPU meanwhile")
        if lost := sum(window.counted["closed"] for window in seen):
            report.notes.append(f"{name}: {lost} connections closed while measured: {seen[0].counted['first_error']}")
    return report


def row(name: str, seen: list[Window], ratio: float | None, due: float) -> list[str]:
    pace = median(window.counted["messages"] / window.counted["seconds"] for window in seen)
    middle = sorted(seen, key=lambda window: window.cpu_per_delivery)[len(seen) // 2]
    latency = middle.counted["latency_ms"]
    return [
        name,
        spread([window.cpu_per_delivery for window in seen]),
        "" if ratio is None else f"{ratio:.2f}",
        f"{pace:,.0f}",
        f"{pace / due:.1%}",
        f"{middle.counted['bytes'] / middle.counted['messages']:.0f}",
        f"{middle.counted['messages'] / middle.counted['reads']:.2f}",
        f"{latency['p50']:.2f}",
        f"{latency['p99']:.2f}",
        middle.cpu_words(),
    ]
