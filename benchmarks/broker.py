"""The RabbitMQ of a run: the test suite's own node, reached without a detour, with its processes known."""

import json
import socket
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, Self
from urllib.parse import urlsplit, urlunsplit

import pika  # type: ignore[import-untyped]

from benchmarks.processes import tree


class Broker(Protocol):
    """A running RabbitMQ."""

    amqp_url: str

    def pids(self) -> list[int]:
        """Its processes, as far as they run on this machine."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


@dataclass
class GivenBroker:
    """A RabbitMQ that somebody else runs; its CPU stays unknown."""

    amqp_url: str

    def pids(self) -> list[int]:
        return []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        pass


class OwnBroker:
    """A node made for this run, in a container where Docker answers, else from the machine's rabbitmq-server."""

    def __enter__(self) -> Self:
        from tests.support.broker.ways import started_node  # only the figures with a broker need its dependencies

        self.node = started_node()
        self.amqp_url, self.head = located(self.node.amqp_url, self.node.description())
        return self

    def __exit__(self, *exc: object) -> None:
        self.node.dispose()

    def pids(self) -> list[int]:
        return tree(self.head) if self.head else []


def located(url: str, description: Mapping[str, Any]) -> tuple[str, int | None]:
    """The URL that avoids Docker's proxy process where possible, and the pid of the broker's first process."""
    if description["kind"] == "local":
        pid_file = Path(description["environment"]["RABBITMQ_PID_FILE"])
        return url, int(pid_file.read_text()) if pid_file.exists() else None
    answer = subprocess.run(["docker", "inspect", description["container"]], capture_output=True, check=True)
    container = json.loads(answer.stdout)[0]
    address, pid = container["NetworkSettings"]["IPAddress"], container["State"]["Pid"]
    if address and reachable(address, 5672):
        parts = urlsplit(url)
        url = urlunsplit(parts._replace(netloc=f"{parts.username}:{parts.password}@{address}:5672"))
    return url, pid if Path(f"/proc/{pid}/stat").exists() else None


def reachable(address: str, port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex((address, port)) == 0


def version_of(url: str) -> str:
    """What the broker says it is."""
    connection = pika.BlockingConnection(pika.URLParameters(url))
    properties = connection._impl.server_properties
    connection.close()
    return f"{properties['product']} {properties['version']}"
