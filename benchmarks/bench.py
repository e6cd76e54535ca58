"""What the figures share: a folder, the load generator, the peers, a broker started at first use."""

import resource
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from functools import cached_property
from pathlib import Path
from typing import Self

from benchmarks.broker import Broker, GivenBroker, OwnBroker, version_of
from benchmarks.load.compile import compile_crowd, compile_loadgen
from benchmarks.load.generator import Door, Generator
from benchmarks.options import Options
from benchmarks.peers.bare import Bare, BareRelay
from benchmarks.peers.nchan import Nchan
from benchmarks.peers.peer import Peer
from benchmarks.peers.penstock import Penstock, PenstockUp

RAMP = 1500
"""New connections per second, at most."""
SOURCES = 20
"""Addresses 127.0.0.1, .2, … from which a crowd comes."""


class Bench:
    """A context manager; leaving it stops the broker."""

    def __init__(self, folder: Path, options: Options) -> None:
        self.folder = folder
        self.options = options
        self.loadgen = compile_loadgen(folder)
        self.crowd_program = compile_crowd(folder)
        self.stack = ExitStack()
        self.runs = 0

    def __enter__(self) -> Self:
        most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
        return self

    def __exit__(self, *exc: object) -> None:
        self.stack.close()

    def peer(self, name: str) -> Peer:
        """A server, not started yet, with a folder of its own."""
        self.runs += 1
        folder = self.folder / f"{self.runs}-{name}"
        folder.mkdir()
        if name == "nchan":
            return Nchan(folder)
        if name == "bare":
            return Bare(folder)
        if name == "penstock-up":
            return PenstockUp(folder)
        return Penstock(folder, self.broker)

    def bare_relay(self) -> BareRelay:
        """The bare way over RabbitMQ, not started yet."""
        return BareRelay(self.folder, self.broker)

    def penstock(self, *, gateways: int = 1, routers: int = 1) -> Penstock:
        """Gateways and routers over RabbitMQ, not started yet."""
        peer = self.peer("penstock")
        assert isinstance(peer, Penstock)
        peer.gateway_count, peer.router_count = gateways, routers
        return peer

    @cached_property
    def broker(self) -> Broker:
        """The run's RabbitMQ, started now if it was not yet."""
        url = self.options.amqp_url
        broker: Broker = GivenBroker(url) if url else OwnBroker()
        return self.stack.enter_context(broker)

    @property
    def broker_name(self) -> str:
        """What the report says of the broker."""
        return version_of(self.broker.amqp_url) if "broker" in self.__dict__ else "none"

    def bus_publisher(self, penstock: Penstock) -> list[str]:
        """The load process that speaks the bus as a gateway does."""
        url, size = penstock.broker.amqp_url, str(self.options.size)
        return [sys.executable, "-m", "benchmarks.load.bus_publisher", url, size]

    def generator(self, door: Door, *, publish: str | None = None, window: int = 1) -> Generator:
        """Clients that come in by `door`; with `publish`, they publish that frame as fast as `window` allows."""
        argv = [str(self.loadgen), *door.arguments(), "--ramp", str(RAMP)]
        if publish is not None:
            argv += ["--publish", publish, "--window", str(window)]
        return Generator(argv)

    def crowd(self, penstock: Penstock, topics: Sequence[str], *, each: int) -> Generator:
        """Clients that come back where they left off, to any gateway; each is subscribed to `each` of `topics`."""
        names = penstock.folder / "topics"
        names.write_text("".join(f"{topic}\n" for topic in topics))
        argv = [str(self.crowd_program), "--topics", str(names), "--each", str(each), "--tokens", str(penstock.tokens)]
        argv += ["--ramp", str(RAMP), "--sources", str(SOURCES)]
        for port in penstock.ports:
            argv += ["--port", str(port)]
        return Generator(argv)
