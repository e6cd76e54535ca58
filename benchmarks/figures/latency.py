"""From the publisher's stamp to a WebSocket client's receipt, over RabbitMQ."""

from statistics import median

from benchmarks.bench import Bench
from benchmarks.peers.peer import Peer
from benchmarks.table import Report, Verdict, spread
from benchmarks.window import Window, steady_window

TOPICS = 20
RATE = 200.0
TOPIC = "bench.latency"
P50_MS, P99_MS = 4.0, 12.0
HEADERS = ("", "p50 ms", "p90 ms", "p99 ms", "p99.9 ms", "most ms", "receipts/s", "CPU s per role")


def measure(bench: Bench) -> Report:
    """The two ways are measured one after the other: what is idle still costs the broker something."""
    rate = bench.options.rate or RATE
    report = Report(f"Emit to receipt: {rate:,.0f} events/s over {TOPICS} topics, RabbitMQ", HEADERS)
    if "bare" in bench.options.peers:
        bare = bench.bare_relay()
        report.rows.append(row(bare.name, take(bench, bare, clients=1, rate=rate)))
    if "penstock" in bench.options.peers:
        penstock = bench.penstock()
        windows = take(bench, penstock, clients=TOPICS, rate=rate)
        report.rows.append(row(penstock.name, windows))
        p50, p99 = (median(window.counted["latency_ms"][name] for window in windows) for name in ("p50", "p99"))
        bar = f"p50 ≤ {P50_MS:.0f} ms, p99 ≤ {P99_MS:.0f} ms"
        met = p50 <= P50_MS and p99 <= P99_MS
        report.verdicts.append(Verdict("Emit to receipt", bar, f"{p50:.1f} and {p99:.1f} ms", met))
    return report


def take(bench: Bench, peer: Peer, *, clients: int, rate: float) -> list[Window]:
    options = bench.options
    with peer, bench.generator(peer.door(f"{TOPIC}.<i>")) as generator:
        generator.open(clients)
        argv = [*peer.publisher(TOPIC + ".{}"), "--topics", str(TOPICS)]
        return [
            steady_window(peer, generator, argv, rate=rate, size=options.size, seconds=options.seconds)
            for _ in range(options.rounds)
        ]


def row(name: str, windows: list[Window]) -> list[str]:
    names = ("p50", "p90", "p99", "p999", "max")
    middle = sorted(windows, key=lambda window: window.counted["latency_ms"]["p50"])[len(windows) // 2]
    return [
        name,
        *(spread([window.counted["latency_ms"][percentile] for window in windows]) for percentile in names),
        f"{middle.counted['messages'] / middle.counted['seconds']:.0f}",
        middle.cpu_words(),
    ]
