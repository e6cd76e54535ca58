"""What every server of ours in a container can do, by way of testcontainers."""

import time
from collections.abc import Mapping
from typing import Any

from testcontainers.core.container import DockerContainer

from tests.support.engine import LOOPBACK, engine_host
from tests.support.guard import guard

PUBLISHED_WITHIN = 3.0
"""Seconds after which a published port is not waited for any more. It comes a moment later than the server, and is the
same after every start, which the container's own address is not."""


class OwnContainer:
    """A container that is made when it is started first, and kept until it is disposed of.

    `ports` are those inside, each with the one that is published on loopback. They are named, not left to Docker,
    which would give others after every start.
    """

    def __init__(self, container: DockerContainer, kind: str, ports: Mapping[int, int]) -> None:
        self._container = container.with_kwargs(labels={"penstock.test": kind})
        self._ports = ports
        self._up_since = 0.0

    @property
    def id(self) -> str:
        """Docker's name for it, once it was started."""
        return str(self._raw().id)

    def up(self) -> None:
        """Start it, or start it again; what is in it may not serve yet."""
        self._up_since = time.monotonic()
        if self._raw() is not None:
            self._raw().start()
            return
        loopback_here = engine_host() in LOOPBACK
        for inside, port in self._ports.items():
            self._container.ports[str(inside)] = ("127.0.0.1", port) if loopback_here else port  # type: ignore[assignment]
        try:
            self._container.start()
        finally:
            if self._raw() is not None:
                guard().watch("container", self._raw().id)

    def kill(self) -> None:
        if self.is_running():  # it may have died by itself
            self._raw().kill("SIGKILL")
        self._raw().wait()

    def wait(self, within: float) -> None:
        """Wait for its end."""
        self._raw().wait(timeout=within)

    def freeze(self) -> None:
        self._signal_all("STOP")  # Docker's pause fails now and then where a container has very much to do

    def thaw(self) -> None:
        self._signal_all("CONT")

    def dispose(self) -> None:
        if self._raw() is not None:
            self._raw().remove(force=True, v=True)
            guard().forget("container", self._raw().id)

    def own_addresses(self) -> list[str]:
        """Where it is found by who is in a container, too, at the ports inside; not before `PUBLISHED_WITHIN`."""
        if time.monotonic() - self._up_since < PUBLISHED_WITHIN:
            return []
        self._raw().reload()
        networks = self._raw().attrs["NetworkSettings"]["Networks"].values()
        return [network["IPAddress"] for network in networks if network["IPAddress"]]

    def is_running(self) -> bool:
        self._raw().reload()
        return bool(self._raw().status == "running")

    def last_words(self) -> str:
        return str(self._raw().logs(tail=30).decode(errors="replace"))

    def _signal_all(self, name: str) -> None:
        """Send a signal to all that runs inside, but for the first process, which waits for the others."""
        code, output = self._raw().exec_run(["sh", "-c", f"kill -{name} -1"])
        assert code == 0, output

    def _raw(self) -> Any:
        """The Docker client's own container; None before the first start."""
        return self._container._container
