"""Penstock as a peer: one gateway and one router over RabbitMQ, or `penstock up` in one process."""

from contextlib import ExitStack
from pathlib import Path
from typing import Self

from benchmarks.broker import Broker
from benchmarks.load.generator import Door
from benchmarks.peers.penstock_setup import API_KEY, is_ready, penstock_door, start, write_tokens
from benchmarks.processes import free_port
from benchmarks.store import own_store


class Penstock:
    """A gateway process and a router process; the gateway is what holds the connections."""

    name = "Penstock"

    def __init__(self, folder: Path, broker: Broker) -> None:
        self.folder = folder
        self.broker = broker
        self.stack = ExitStack()

    def __enter__(self) -> Self:
        url = self.broker.amqp_url
        self.port = free_port()
        self.tokens = write_tokens(self.folder / "tokens")
        with ExitStack() as started:
            store_url = started.enter_context(own_store())
            self.router = start(self.folder, "router", amqp_url=url, store_url=store_url)
            started.callback(self.router.stop)
            self.gateway = start(self.folder, "gateway", port=self.port, amqp_url=url)
            started.callback(self.gateway.stop)
            self.gateway.wait_until(lambda: self.router.child.poll() is not None or is_ready(self.port))
            self.router.wait_until(lambda: True)
            self.stack = started.pop_all()
        return self

    def __exit__(self, *exc: object) -> None:
        self.stack.close()

    def door(self, topic: str | None) -> Door:
        return penstock_door(self.port, self.tokens, topic)

    def publisher(self, topic: str) -> list[str]:
        return ["benchmarks.load.emit", "--url", self.broker.amqp_url, "--topic", topic]

    def roles(self) -> dict[str, list[int]]:
        return {"gateway": [self.gateway.pid], "router": [self.router.pid], "broker": self.broker.pids()}


class PenstockUp:
    """Everything in one process, on the memory bus; published to by HTTP."""

    name = "penstock up (one process, memory bus)"

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __enter__(self) -> Self:
        self.port = free_port()
        self.tokens = write_tokens(self.folder / "tokens")
        self.process = start(self.folder, "up", port=self.port)
        self.process.wait_until(lambda: is_ready(self.port))
        return self

    def __exit__(self, *exc: object) -> None:
        self.process.stop()

    def door(self, topic: str | None) -> Door:
        return penstock_door(self.port, self.tokens, topic)

    def publisher(self, topic: str) -> list[str]:
        header = f"Authorization: Bearer {API_KEY}"
        return ["benchmarks.load.post", "--port", str(self.port), "--path", f"/api/events/{topic}", "--header", header]

    def roles(self) -> dict[str, list[int]]:
        return {"server": [self.process.pid]}
