"""Client frames through one router and back: what a core of router answers in a second."""

import time
from statistics import median

from benchmarks.bench import Bench
from benchmarks.load.generator import Generator
from benchmarks.peers.penstock import Penstock
from benchmarks.table import Report, Verdict, spread
from benchmarks.window import Window, roles_cpu, since, with_publisher

PUBLISHERS = 64
BAR = 25_000
WARM_SECONDS = 1.0
HEADERS = (
    "published by",
    "frames per s and core of router",
    "µs of router per frame",
    "frames/s",
    "errors",
    "CPU s per role",
)
FRAME = '{"type":"publish","id":<id>,"topic":"bench.frames.<i>","data":{"t":<t>,"pad":"%s"}}'


def measure(bench: Bench) -> Report:
    size = bench.options.size
    report = Report(f"Client frames: gateway → router → gateway with `ok`, RabbitMQ, {size} bytes of data", HEADERS)
    publish = FRAME % ("x" * max(0, size - 34))
    with bench.penstock() as penstock:
        through_gateway = bench.generator(penstock.door(None), publish=publish, window=bench.options.frames_window)
        with through_gateway as generator:
            generator.open(PUBLISHERS)
            windows = take(bench, penstock, generator)
        report.rows.append(row(f"{PUBLISHERS} clients through the gateway", windows))
        with Generator(bench.bus_publisher(penstock)) as generator:
            generator.open(1)
            direct = take(bench, penstock, generator)
        report.rows.append(row("full batches straight to the bus", direct))
    best = median(per_core(window) for window in windows)
    report.verdicts.append(Verdict("Client frames", f"≥ {BAR:,}/s and core of router", f"{best:,.0f}", best >= BAR))
    for seen in (*windows, *direct):
        if seen.counted["first_error"]:
            report.notes.append(f"an error that was seen: {seen.counted['first_error']}")
            break
    return report


def take(bench: Bench, penstock: Penstock, generator: Generator) -> list[Window]:
    """Windows one after the other, publishing all the time."""
    windows = []
    generator.start()
    time.sleep(WARM_SECONDS)
    for _ in range(bench.options.rounds):
        generator.start()
        before, began = roles_cpu(penstock, generator), time.monotonic()
        time.sleep(bench.options.seconds)
        cpu, seconds = since(before, roles_cpu(penstock, generator)), time.monotonic() - began
        windows.append(Window(seconds, generator.count(), with_publisher(cpu, 0.0)))
    generator.stop()
    return windows


def per_core(window: Window) -> float:
    return float(window.counted["ok"] / window.cpu["router"])


def row(name: str, windows: list[Window]) -> list[str]:
    middle = sorted(windows, key=per_core)[len(windows) // 2]
    return [
        name,
        spread([per_core(window) for window in windows], 0),
        spread([1e6 / per_core(window) for window in windows]),
        spread([window.counted["ok"] / window.counted["seconds"] for window in windows], 0),
        f"{sum(window.counted['errors'] for window in windows):,}",
        middle.cpu_words(),
    ]
