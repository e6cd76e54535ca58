"""Private servers in a container, by way of testcontainers."""

import shlex
from collections.abc import Sequence
from typing import Any

from testcontainers.core.container import DockerContainer

from tests.support.engine import LOOPBACK, engine_host, ensure_image
from tests.support.guard import guard
from tests.support.ports import different_ports
from tests.support.store.node import QUIET, Options, answers, wait_for_start

IMAGE = "valkey/valkey:8"


class ContainerNode:
    """Servers in one container of ours, one for each list of *options*, on the same ports inside and outside.

    The same, since the nodes of a Cluster tell clients the port at which they find each other.
    """

    def __init__(self, options: Sequence[Options] = ((),)) -> None:
        ensure_image(IMAGE)
        self._ports = different_ports(len(options))
        self._host = "127.0.0.1"
        servers = [
            f"mkdir -p /data/{port} && touch /data/{port}/server.conf && "  # a Sentinel insists on one, to write into
            f"valkey-server /data/{port}/server.conf --port {port} --bind 0.0.0.0 --dir /data/{port} "
            f"{shlex.join((*QUIET, *more))} &"
            for port, more in zip(self._ports, options, strict=True)
        ]
        self._container = (
            DockerContainer(IMAGE)
            .with_command(["sh", "-c", "\n".join([*servers, "wait"])])  # type: ignore[arg-type]
            .with_kwargs(labels={"penstock.test": "store"})
        )

    def __str__(self) -> str:
        return f"{IMAGE} in Docker"

    @property
    def addresses(self) -> list[tuple[str, int]]:
        return [(self._host, port) for port in self._ports]

    def start(self) -> None:
        if self._raw() is None:
            self._create()
        else:
            self._raw().start()
        wait_for_start(self._serves, self._is_running, self._last_words)

    def kill(self) -> None:
        self._raw().kill("SIGKILL")
        self._raw().wait()

    def freeze(self) -> None:
        self._raw().pause()

    def thaw(self) -> None:
        self._raw().unpause()

    def dispose(self) -> None:
        if self._raw() is not None:
            self._raw().remove(force=True, v=True)
            guard().forget("container", self._raw().id)

    def _raw(self) -> Any:
        """The Docker client's own container; None before the first start."""
        return self._container._container

    def _create(self) -> None:
        loopback_here = engine_host() in LOOPBACK
        for port in self._ports:
            self._container.ports[str(port)] = ("127.0.0.1", port) if loopback_here else port  # type: ignore[assignment]
        try:
            self._container.start()
        finally:
            if self._raw() is not None:
                guard().watch("container", self._raw().id)

    def _serves(self) -> bool:
        """Whether all serve, where the engine published them or, when we are in a container too, at its own address."""
        self._raw().reload()
        networks = self._raw().attrs["NetworkSettings"]["Networks"].values()
        for host in (engine_host(), *(network["IPAddress"] for network in networks if network["IPAddress"])):
            if all(answers(host, port) for port in self._ports):
                self._host = host
                return True
        return False

    def _is_running(self) -> bool:
        self._raw().reload()
        return bool(self._raw().status == "running")

    def _last_words(self) -> str:
        return str(self._raw().logs(tail=30).decode(errors="replace"))
