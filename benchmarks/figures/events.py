"""Single events from an exchange through one router: what a core of router handles in a second."""

import subprocess
import sys
import time
from statistics import median

from benchmarks.bench import Bench
from benchmarks.load.generator import Generator
from benchmarks.peers.penstock import Penstock
from benchmarks.processes import ROOT
from benchmarks.table import Report, Verdict, spread
from benchmarks.window import Window, WindowFailed, finish, roles_cpu, since, with_publisher

TOPICS = 1000
BAR = 8_000
QUIET_SECONDS = 5.0
"""Without a new event for so long, the rest is lost."""
HEADERS = (
    "round",
    "events per s and core of router",
    "µs of router per event",
    "events/s",
    "arrived",
    "CPU s per role",
)


def measure(bench: Bench) -> Report:
    events, size = bench.options.events, bench.options.size
    title = f"Single events: {events:,} of {size} bytes on {TOPICS:,} topics, by pika without confirms"
    report = Report(title, HEADERS)
    windows = []
    with bench.penstock() as penstock, bench.generator(penstock.door("bench.events.#")) as generator:
        generator.open(1)
        for number in range(bench.options.rounds):
            window = burst(penstock, generator, events, size)
            windows.append(window)
            report.rows.append(row(number + 1, window, events))
    best = median(per_core(window) for window in windows)
    report.rows.append(["**all**", spread([per_core(window) for window in windows], 0), "", "", "", ""])
    report.verdicts.append(Verdict("Single events", f"≥ {BAR:,}/s and core of router", f"{best:,.0f}", best >= BAR))
    return report


def burst(
    penstock: Penstock, generator: Generator, events: int, size: int, topics: str = "bench.events.{}"
) -> Window:
    """Publish `events` as fast as it goes; the window ends when the last one reached the one client."""
    command = [sys.executable, "-m", "benchmarks.load.emit", "--url", penstock.broker.amqp_url]
    command += ["--topic", topics, "--topics", str(TOPICS), "--count", str(events), "--size", str(size)]
    generator.start()
    before, began = roles_cpu(penstock, generator), time.monotonic()
    publisher = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE)
    try:
        counted, took = arrivals(generator, events, began)
        cpu = since(before, roles_cpu(penstock, generator))
    finally:
        report = finish(publisher)
    return Window(took, counted, with_publisher(cpu, report["cpu"]))


def arrivals(generator: Generator, events: int, began: float) -> tuple[dict[str, int], float]:
    """Wait until all events came, or none came for a while; the time is that of the last arrival."""
    seen, last = 0, began
    while True:
        time.sleep(0.02)
        counted, now = generator.count(), time.monotonic()
        if counted["messages"] > seen:
            seen, last = counted["messages"], now
        if counted["closed"]:
            raise WindowFailed(f"the counting client was closed: {counted['first_error']}")
        if seen >= events or now - last > QUIET_SECONDS:
            return counted, last - began


def per_core(window: Window) -> float:
    return float(window.counted["messages"] / window.cpu["router"])


def row(number: int, window: Window, events: int) -> list[str]:
    return [
        str(number),
        f"{per_core(window):,.0f}",
        f"{1e6 / per_core(window):.0f}",
        f"{window.counted['messages'] / window.seconds:,.0f}",
        f"{window.counted['messages'] / events:.1%}",
        window.cpu_words(),
    ]
