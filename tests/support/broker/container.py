"""A private RabbitMQ node in a container."""

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
from tests.support.container import OwnContainer
from tests.support.engine import engine, engine_host, ensure_image
from tests.support.ports import different_ports

IMAGE = "rabbitmq:4-management"
PLUGINS_FILE = "/tmp/enabled_plugins"  # in the container; files of our own, whatever the image's say
CONFIGURATION_FILE = "/tmp/rabbitmq.conf"

DATA_FOLDER = "/var/lib/rabbitmq/mnesia"
AMQP_PORT = 5672  # in the container
MANAGEMENT_PORT = 15672

Address = tuple[str, int, int]  # host, AMQP port, management port


class ContainerNode(OwnContainer):
    """A node in a container of ours, its ports published on loopback. Its `data` are there, where that is given."""

    def __init__(self, data: Path | None = None) -> None:
        ensure_image(IMAGE)
        amqp, management = different_ports(2)
        self._published = (amqp, management)
        self._address: Address = ("127.0.0.1", amqp, management)
        container = (
            DockerContainer(IMAGE)
            .with_copy_into_container(f"[{','.join(PLUGINS)}].\n".encode(), PLUGINS_FILE, mode=0o644)
            .with_env("RABBITMQ_ENABLED_PLUGINS_FILE", PLUGINS_FILE)
            .with_copy_into_container(CONFIGURATION.encode(), CONFIGURATION_FILE, mode=0o644)
            .with_env("RABBITMQ_CONFIG_FILE", CONFIGURATION_FILE)
            .with_env("RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS", ERLANG_ARGUMENTS)
            .with_env("RABBITMQ_CTL_ERL_ARGS", "+S 1:1 +sbwt none")
        )
        if data is not None:
            container = container.with_volume_mapping(str(data), DATA_FOLDER, "rw")
        super().__init__(container, "broker", {AMQP_PORT: amqp, MANAGEMENT_PORT: management})

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
        self.up()
        wait_for_start(self._serves, self.is_running, self.last_words)

    def stop(self) -> None:
        # Not Docker's stop: between it and Erlang there may be shells that keep SIGTERM to themselves.
        self.ctl("stop")
        self.wait(STOP_WITHIN)

    def ctl(self, *arguments: str) -> str:
        return run_ctl(self.id, *arguments)

    def description(self) -> dict[str, Any]:
        return {"kind": "container", "container": self.id}

    def _serves(self) -> bool:
        own = [(host, AMQP_PORT, MANAGEMENT_PORT) for host in self.own_addresses()]
        for address in ((engine_host(), *self._published), *own):
            if amqp_answers(*address[:2]):
                self._address = address
                return management_answers(self.management_url)
        return False


def run_ctl(container: str, *arguments: str) -> str:
    """Run rabbitmqctl in *container*; ``BrokerError`` with its words when it fails."""
    code, output = engine().containers.get(container).exec_run(["rabbitmqctl", *arguments])
    words: str = output.decode(errors="replace")
    if code:
        raise BrokerError(f"rabbitmqctl {' '.join(arguments)}: exit {code}\n{words}")
    return words
