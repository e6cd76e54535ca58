"""The bare asyncio references as peers: bare_asyncio.py alone, and behind RabbitMQ (bare_relay.py)."""

import sys
from pathlib import Path
from typing import Self

from benchmarks.broker import Broker
from benchmarks.load.generator import Door
from benchmarks.peers.bare_relay import EXCHANGE
from benchmarks.processes import ROOT, Process, accepts, free_port


class Bare:
    """One process of bare_asyncio.py."""

    name = "bare asyncio"

    def __init__(self, folder: Path) -> None:
        self.log = folder / "bare.log"

    def __enter__(self) -> Self:
        self.port = free_port()
        argv = [sys.executable, "-m", "benchmarks.peers.bare_asyncio", str(self.port)]
        self.process = Process(argv, self.log, cwd=ROOT)
        self.process.wait_until(lambda: accepts(self.port))
        return self

    def __exit__(self, *exc: object) -> None:
        self.process.stop()

    def door(self, topic: str) -> Door:
        return Door(self.port, "/")

    def publisher(self, topic: str) -> list[str]:
        return ["benchmarks.load.post", "--port", str(self.port), "--path", "/"]

    def roles(self) -> dict[str, list[int]]:
        return {"server": [self.process.pid]}


class BareRelay:
    """One process of bare_relay.py; every client hears every event."""

    name = "bare aiormq"

    def __init__(self, folder: Path, broker: Broker) -> None:
        self.log = folder / "bare-relay.log"
        self.broker = broker

    def __enter__(self) -> Self:
        self.port = free_port()
        argv = [sys.executable, "-m", "benchmarks.peers.bare_relay", str(self.port), self.broker.amqp_url]
        self.process = Process(argv, self.log, cwd=ROOT)
        self.process.wait_until(lambda: accepts(self.port))
        return self

    def __exit__(self, *exc: object) -> None:
        self.process.stop()

    def door(self, topic: str) -> Door:
        return Door(self.port, "/")

    def publisher(self, topic: str) -> list[str]:
        return ["benchmarks.load.emit", "--url", self.broker.amqp_url, "--exchange", EXCHANGE, "--topic", topic]

    def roles(self) -> dict[str, list[int]]:
        return {"relay": [self.process.pid], "broker": self.broker.pids()}
