"""The ways to a store, in the order in which they are tried."""

import os
from collections.abc import Callable, Mapping, Sequence
from functools import partial

from tests.support.errors import NoWay
from tests.support.store.errors import StoreError
from tests.support.store.node import Node, Options
from tests.support.ways import first_open, of_kind, started

GIVEN = "PENSTOCK_TEST_STORE_URL"
FORCED = "PENSTOCK_TEST_STORE"
MAY_INSTALL = "PENSTOCK_MAY_INSTALL"

WHAT_TO_DO = (
    "These tests need a real Valkey or Redis. Start Docker, or install valkey-server or redis-server (6.2 or later), "
    f"or set {GIVEN} to the URL of one whose databases they may empty."
)

ONE: Sequence[Options] = ((),)

Way = Callable[[Sequence[Options]], Node]


def container(options: Sequence[Options]) -> Node:
    """A container, where a Docker engine answers and has the image or can fetch it."""
    from tests.support.store.container import ContainerNode  # the Docker client is slow to import

    return ContainerNode(options)


def local(options: Sequence[Options]) -> Node:
    """The machine's server."""
    from tests.support.store.local import LocalNode

    return LocalNode(options)


def installed(options: Sequence[Options]) -> Node:
    """The machine's redis-server, once it is installed."""
    from tests.support.install import install

    if os.environ.get(MAY_INSTALL) != "yes":
        raise NoWay(f"{MAY_INSTALL} is not yes")
    install("redis-server")
    return local(options)


def new_node(
    options: Sequence[Options] = ONE, environment: Mapping[str, str] = os.environ, tried: Sequence[Way] = ()
) -> Node:
    """A node that is not started yet, by the first way that is open; ``StoreError`` with what to do if none is."""
    try:
        chosen = tried or _ways(environment)
        return first_open([partial(way, options) for way in chosen])
    except NoWay as none:
        raise StoreError(f"{WHAT_TO_DO} ({none})") from None


def started_node(*options: Options) -> Node:
    """A node that serves, with a server for each of *options* (without any: one)."""
    return started(lambda: new_node(options or ONE))


def given(environment: Mapping[str, str] = os.environ) -> str | None:
    """The URL of a store that somebody else runs, if one is named."""
    return environment.get(GIVEN) or None


def _ways(environment: Mapping[str, str]) -> list[Way]:
    try:
        return of_kind(environment, FORCED, [container], [local, installed])
    except ValueError as wrong:
        raise StoreError(str(wrong)) from None
