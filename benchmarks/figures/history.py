"""What it costs a router to keep history: events on topics with a log beside events on topics without."""

from statistics import median

from benchmarks.bench import Bench
from benchmarks.figures.events import HEADERS, burst, per_core, row
from benchmarks.table import Report, Verdict, spread
from benchmarks.window import Window

BAR = 1.5
KINDS = {"history = 100": "bench.events.{}", "history = 0": "bench.plain.{}"}


def measure(bench: Bench) -> Report:
    events, size = bench.options.events, bench.options.size
    title = f"History: {events:,} events of {size} bytes on topics with a log (Valkey or Redis) and without, in turns"
    report = Report(title, ("topics", *HEADERS))
    windows: dict[str, list[Window]] = {kind: [] for kind in KINDS}
    with bench.penstock() as penstock, bench.generator(penstock.door("bench.#")) as generator:
        generator.open(1)
        for number in range(bench.options.rounds):
            for kind, topics in KINDS.items():
                window = burst(penstock, generator, events, size, topics)
                windows[kind].append(window)
                report.rows.append([kind, *row(number + 1, window, events)])
    cost = {kind: [1e6 / per_core(window) for window in several] for kind, several in windows.items()}
    for kind, costs in cost.items():
        report.rows.append([f"**{kind}**", "all", "", spread(costs), "", "", ""])
    logged, plain = cost.values()
    ratio = median(logged) / median(plain)
    bar = f"≤ {BAR} × that without"
    report.verdicts.append(Verdict("Cost of history per event", bar, f"{ratio:.2f} ×", ratio <= BAR))
    return report
