"""Private servers in a container."""

import shlex
from collections.abc import Sequence

from testcontainers.core.container import DockerContainer

from tests.support.container import OwnContainer
from tests.support.engine import engine_host, ensure_image
from tests.support.ports import different_ports
from tests.support.store.node import QUIET, Options, answers, wait_for_start

IMAGE = "valkey/valkey:8"


class ContainerNode(OwnContainer):
    """Servers in one container of ours, one for each list of *options*, on the same ports inside and outside.

    The same, since the nodes of a Cluster tell clients the port at which they find each other.
    """

    def __init__(self, options: Sequence[Options] = ((),)) -> None:
        ensure_image(IMAGE)
        ports = different_ports(len(options))
        self._host = "127.0.0.1"
        servers = [
            f"mkdir -p /data/{port} && touch /data/{port}/server.conf && "  # a Sentinel insists on one, to write into
            f"valkey-server /data/{port}/server.conf --port {port} --bind 0.0.0.0 --dir /data/{port} "
            f"{shlex.join((*QUIET, *more))} &"
            for port, more in zip(ports, options, strict=True)
        ]
        container = DockerContainer(IMAGE).with_command(["sh", "-c", "\n".join([*servers, "wait"])])  # type: ignore[arg-type]
        super().__init__(container, "store", {port: port for port in ports})

    def __str__(self) -> str:
        return f"{IMAGE} in Docker"

    @property
    def addresses(self) -> list[tuple[str, int]]:
        return [(self._host, port) for port in self._ports]

    def start(self) -> None:
        self.up()
        wait_for_start(self._serves, self.is_running, self.last_words)

    def _serves(self) -> bool:
        """Whether all serve, where the engine published them or, when we are in a container too, at its own address."""
        for host in (engine_host(), *self.own_addresses()):
            if all(answers(host, port) for port in self._ports):
                self._host = host
                return True
        return False
