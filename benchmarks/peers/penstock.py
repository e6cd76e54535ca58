"""Penstock as a peer: one gateway and one router over RabbitMQ, or `penstock up` in one process."""

from contextlib import ExitStack
from pathlib import Path
from typing import Self

from benchmarks.broker import Broker
from benchmarks.load.generator import Door
from benchmarks.peers.penstock_setup import API_KEY, is_ready, penstock_door, start, write_tokens
from benchmarks.processes import Process, free_port
from benchmarks.store import own_store


class Penstock:
    """A gateway process and a router process, or several; gateways are what holds the connections."""

    name = "Penstock"

    def __init__(self, folder: Path, broker: Broker) -> None:
        self.folder = folder
        self.broker = broker
        self.gateway_count = self.router_count = 1
        self.gateways: list[Process] = []
        self.routers: list[Process] = []
        self.stack = ExitStack()

    def __enter__(self) -> Self:
        self.ports = [free_port() for _ in range(self.gateway_count)]
        self.router_ports = [free_port() for _ in range(self.router_count)]
        self.tokens = write_tokens(self.folder / "tokens")
        with ExitStack() as started:
            self.store_url = started.enter_context(own_store())
            started.callback(self._stop)
            for number in range(self.router_count):
                self.routers.append(self._router(number))
            for number in range(self.gateway_count):
                self.gateways.append(self._gateway(number))
            for number in range(self.router_count):
                self.router_serves(number)
            for number in range(self.gateway_count):
                self.gateway_serves(number)
            self.stack = started.pop_all()
        return self

    def restart_gateway(self, number: int) -> None:
        """Start one that was killed once more, on its port; returns when it serves."""
        self.gateways[number] = self._gateway(number)
        self.gateway_serves(number)

    def restart_router(self, number: int) -> None:
        """The same for a router."""
        self.routers[number] = self._router(number)
        self.router_serves(number)

    def gateway_serves(self, number: int) -> None:
        """Wait until it does."""
        self.gateways[number].wait_until(lambda: is_ready(self.ports[number]))

    def router_serves(self, number: int) -> None:
        """Wait until it does."""
        self.routers[number].wait_until(lambda: is_ready(self.router_ports[number]))

    def _gateway(self, number: int) -> Process:
        return start(self.folder, "gateway", port=self.ports[number], amqp_url=self.broker.amqp_url)

    def _router(self, number: int) -> Process:
        port, url = self.router_ports[number], self.broker.amqp_url
        return start(self.folder, "router", metrics_port=port, amqp_url=url, store_url=self.store_url)

    def _stop(self) -> None:
        for process in (*self.gateways, *self.routers):
            process.stop()

    def __exit__(self, *exc: object) -> None:
        self.stack.close()

    def door(self, topic: str | None) -> Door:
        return penstock_door(self.ports[0], self.tokens, topic)

    def publisher(self, topic: str) -> list[str]:
        return ["benchmarks.load.emit", "--url", self.broker.amqp_url, "--topic", topic]

    def roles(self) -> dict[str, list[int]]:
        gateways = [gateway.pid for gateway in self.gateways]
        return {"gateway": gateways, "router": [router.pid for router in self.routers], "broker": self.broker.pids()}


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
