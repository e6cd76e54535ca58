"""What a run measures, and how long."""

import argparse
from dataclasses import dataclass
from pathlib import Path

FIGURES = (
    "fanout", "busy", "memory", "frames", "events", "history", "latency", "crowd", "killed_gateway", "killed_router",
)  # fmt: skip
PEERS = ("penstock", "penstock-up", "nchan", "bare")


@dataclass(frozen=True)
class Options:
    """The command line of `python -m benchmarks`."""

    figures: tuple[str, ...]
    peers: tuple[str, ...]
    rounds: int
    seconds: float
    subscribers: int | None
    rate: float | None
    size: int
    connections: tuple[int, ...]
    frames_window: int
    events: int
    amqp_url: str | None
    output: Path | None


def read_options(argv: list[str] | None = None) -> Options:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description="Measure Penstock beside nchan and a bare asyncio server, on the same load in the same run.",
    )
    parser.add_argument("figures", nargs="*", choices=[[], *FIGURES], metavar="FIGURE",
                        help=f"which figures: {' '.join(FIGURES)} (default: all)")  # fmt: skip
    parser.add_argument("--peers", default=",".join(PEERS), help="servers, comma-separated (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=3, help="windows per server, interleaved (default: %(default)s)")
    parser.add_argument("--seconds", type=float, default=5.0, help="length of a window (default: %(default)s)")
    parser.add_argument("--subscribers", type=int, help="instead of the figure's own number")
    parser.add_argument("--rate", type=float, help="messages per second, instead of the figure's own")
    parser.add_argument("--size", type=int, default=140, help="bytes of a message (default: %(default)s)")
    parser.add_argument("--connections", default="1000,2000,3000,4000,5000,6000",
                        help="idle connections at which memory is read (default: %(default)s)")  # fmt: skip
    parser.add_argument("--window", type=int, default=64, dest="frames_window",
                        help="unanswered frames per publishing client (default: %(default)s)")  # fmt: skip
    parser.add_argument("--events", type=int, default=30000, help="events per round (default: %(default)s)")
    parser.add_argument("--amqp-url", help="a RabbitMQ to use instead of starting one")
    parser.add_argument("--output", type=Path, help="write the markdown there too")
    given = parser.parse_args(argv)
    peers = tuple(given.peers.split(","))
    if unknown := set(peers) - set(PEERS):
        parser.error(f"--peers: {', '.join(sorted(unknown))} unknown; choose from {', '.join(PEERS)}")
    return Options(
        figures=tuple(given.figures) or FIGURES,
        peers=peers,
        rounds=given.rounds,
        seconds=given.seconds,
        subscribers=given.subscribers,
        rate=given.rate,
        size=given.size,
        connections=tuple(int(number) for number in given.connections.split(",")),
        frames_window=given.frames_window,
        events=given.events,
        amqp_url=given.amqp_url,
        output=given.output,
    )
