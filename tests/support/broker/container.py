"""A private RabbitMQ node in a container, by way of testcontainers."""

from pathlib import Path
from typing import Any

from testcontainers.core.container import DockerContainer

from tests.support.broker.errors import BrokerError
from tests.support.broker.node import (
    CONFIGURATION,
    ERLANG_ARGUMENTS,
    PLUGINS,
    STOP_WITHIN,
    amqp_answers,
    management_answers,
    wait_for_start,
)
from tests.support.engine import LOOPBACK, engine, engine_host, ensure_image
from tests.support.guard import guard
from tests.support.ports import different_ports

IMAGE = "rabbitmq:4-management"
PLUGINS_FILE = "/tmp/enabled_plugins"  # in the container; files of our own, whatever the image's say
CONFIGURATION_FILE = "/tmp/rabbitmq.conf"

DATA_FOLDER = "/var/lib/rabbitmq/mnesia"
AMQP_PORT = 5672  # in the container
MANAGEMENT_PORT = 15672

Address = tuple[str, int, int]  # host, AMQP port, management port



class ContainerNode:
    """A node in a container of ours, its ports published on loopback. Its `data` are there, where that is given."""

    def __init__(self, data: Path | None = None) -> None:
        ensure_image(IMAGE)
        # Published ports are named, not left to Docker, which would give others after every start.
        amqp, management = different_ports(2)
        self._published = (amqp, management)
        self._address: Address = ("127.0.0.1", amqp, management)
        self._container = (
            DockerContainer(IMAGE)
            .with_copy_into_container(f"[{','.join(PLUGINS)}].\n".encode(), PLUGINS_FILE, mode=0o644)
            .with_env("RABBITMQ_ENABLED_PLUGINS_FILE", PLUGINS_FILE)
            .with_copy_into_container(CONFIGURATION.encode(), CONFIGURATION_FILE, mode=0o644)
            .with_env("RABBITMQ_CONFIG_FILE", CONFIGURATION_FILE)
            .with_env("RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS", ERLANG_ARGUMENTS)
            .with_env("RABBITMQ_CTL_ERL_ARGS", "+S 1:1 +sbwt none")
            .with_kwargs(labels={"penstock.test": "broker"})
        )
        if data is not None:
            self._container.with_volume_mapping(str(data), DATA_FOLDER, "rw")

    def __str__(self) -> str:
        return f"{IMAGE} in Docker"

    @property
    def amqp_url(self) -> str:
        host, port, _ = self._address
        return f"amqp://guest:guest@{host}:{port}/"

    @property
    def management_url(self) -> str:
        host, _, port = self._address
        return f"http://guest:guest@{host}:{port}"

    def start(self) -> None:
        if self._raw() is None:
            self._create()
        else:
            self._raw().start()
        wait_for_start(self._serves, self._is_running, self._last_words)

    def stop(self) -> None:
        # Not Docker's stop: between it and Erlang there may be shells that keep SIGTERM to themselves.
        self.ctl("stop")
        self._raw().wait(timeout=STOP_WITHIN)

    def kill(self) -> None:
        if self._is_running():  # it may have died by itself
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

    def ctl(self, *arguments: str) -> str:
        return run_ctl(self._raw().id, *arguments)

    def description(self) -> dict[str, Any]:
        return {"kind": "container", "container": self._raw().id}

    def _raw(self) -> Any:
        """The Docker client's own container; None before the first start."""
        return self._container._container

    def _create(self) -> None:
        amqp, management = self._published
        loopback_here = engine_host() in LOOPBACK
        for inside, port in ((AMQP_PORT, amqp), (MANAGEMENT_PORT, management)):
            self._container.ports[str(inside)] = ("127.0.0.1", port) if loopback_here else port  # type: ignore[assignment]
        try:
            self._container.start()
        finally:
            if self._raw() is not None:
                guard().watch("container", self._raw().id)

    def _serves(self) -> bool:
        for address in self._addresses():
            if amqp_answers(*address[:2]):
                self._address = address
                return management_answers(self.management_url)
        return False

    def _addresses(self) -> list[Address]:
        """Where clients may find it: published by the engine, or, when we are in a container too, itself."""
        self._raw().reload()
        networks = self._raw().attrs["NetworkSettings"]["Networks"].values()
        return [
            (engine_host(), *self._published),
            *((network["IPAddress"], AMQP_PORT, MANAGEMENT_PORT) for network in networks if network["IPAddress"]),
        ]

    def _is_running(self) -> bool:
        self._raw().reload()
        return bool(self._raw().status == "running")

    def _last_words(self) -> str:
        return str(self._raw().logs(tail=30).decode(errors="replace"))


def run_ctl(container: str, *arguments: str) -> str:
    """Run rabbitmqctl in *container*; ``BrokerError`` with its words when it fails."""
    code, output = engine().containers.get(container).exec_run(["rabbitmqctl", *arguments])
    words: str = output.decode(errors="replace")
    if code:
        raise BrokerError(f"rabbitmqctl {' '.join(arguments)}: exit {code}\n{words}")
    return words
