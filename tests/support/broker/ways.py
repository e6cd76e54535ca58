"""The ways to a broker, in the order in which they are tried."""

import os
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

from tests.support.broker.errors import BrokerError, NoWay
from tests.support.broker.node import Node
from tests.support.ways import first_open, of_kind, started

GIVEN = "PENSTOCK_TEST_AMQP_URL"
GIVEN_MANAGEMENT = "PENSTOCK_TEST_MANAGEMENT_URL"
FORCED = "PENSTOCK_TEST_BROKER"

WHAT_TO_DO = (
    "These tests need a real RabbitMQ. Start Docker, or install rabbitmq-server, "
    f"or set {GIVEN} to the URL of one that they may use."
)

Way = Callable[[], Node]


def container(data: Path | None = None) -> Node:
    """A container, where a Docker engine answers and has the image or can fetch it."""
    from tests.support.broker.container import ContainerNode  # the Docker client is slow to import

    return ContainerNode(data)


def local(data: Path | None = None) -> Node:
    """The machine's rabbitmq-server."""
    from tests.support.broker.local import LocalNode

    return LocalNode(data)


def installed(data: Path | None = None) -> Node:
    """The machine's rabbitmq-server, once it is installed."""
    from tests.support.install import install

    install("rabbitmq-server")
    return local(data)


def ways(environment: Mapping[str, str], data: Path | None = None) -> list[Way]:
    """The ways to try, of which PENSTOCK_TEST_BROKER=docker or =local leaves one kind; `data` is where to keep data."""
    try:
        kind = of_kind(environment, FORCED, [container], [local, installed])
    except ValueError as wrong:
        raise BrokerError(str(wrong)) from None
    return kind if data is None else [partial(way, data) for way in kind]


def new_node(environment: Mapping[str, str] = os.environ, tried: list[Way] | None = None) -> Node:
    """A node that is not started yet, by the first way that is open; ``BrokerError`` with what to do if none is."""
    try:
        return first_open(tried or ways(environment))
    except NoWay as none:
        raise BrokerError(f"{WHAT_TO_DO} ({none})") from None


def started_node(environment: Mapping[str, str] = os.environ, data: Path | None = None) -> Node:
    """A node that serves, with its data at `data`. One that fails to start is tried once more, with other ports."""
    return started(lambda: new_node(environment, ways(environment, data)))


def given(environment: Mapping[str, str] = os.environ) -> tuple[str, str] | None:
    """The AMQP and management URLs of a broker that somebody else runs, if one is named."""
    amqp_url = environment.get(GIVEN)
    if not amqp_url:
        return None
    return amqp_url, environment.get(GIVEN_MANAGEMENT) or _usual_management_url(amqp_url)


def _usual_management_url(amqp_url: str) -> str:
    parts = urlsplit(amqp_url)
    user = parts.netloc.rpartition("@")[0] or "guest:guest"
    scheme, port = ("https", 15671) if parts.scheme == "amqps" else ("http", 15672)
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
    return urlunsplit((scheme, f"{user}@{host}:{port}", "", "", ""))
