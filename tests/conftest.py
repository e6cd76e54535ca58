"""Fixtures for every test: a real broker and a real store, a place of one's own in each, and some of one's own."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import pytest

from tests.support import ports
from tests.support.broker import Broker, OwnBroker, Vhost
from tests.support.broker import ways as ways_to_a_broker
from tests.support.broker.lending import broker_lender, broker_of
from tests.support.errors import Missing
from tests.support.lending import Description, Lender, borrow
from tests.support.store import OwnCluster, OwnServer, Server
from tests.support.store import ways as ways_to_a_store
from tests.support.store.lending import server_of, store_lender

T = TypeVar("T")

LENDERS = pytest.StashKey[dict[str, Lender]]()


def pytest_configure(config: pytest.Config) -> None:
    """The process above all workers keeps the servers; without workers that is this one."""
    if hasattr(config, "workerinput"):
        ports.keep_to(*_share(config))
    else:
        config.stash[LENDERS] = {"broker": broker_lender(), "store": store_lender()}


@pytest.hookimpl(optionalhook=True)  # known only where pytest-xdist is
def pytest_configure_node(node: Any) -> None:
    """Tell a new worker where to borrow the servers."""
    for name, lender in node.config.stash[LENDERS].items():
        node.workerinput[name] = lender.listen()


def pytest_unconfigure(config: pytest.Config) -> None:
    """Stop the servers, after the last test and after Ctrl-C alike."""
    if LENDERS in config.stash:
        for lender in config.stash[LENDERS].values():
            lender.close()


@pytest.fixture(scope="session")
def broker(pytestconfig: pytest.Config) -> Broker:
    """The run's RabbitMQ, shared by all tests. Use ``vhost`` unless the broker itself is the matter."""
    return _or_one_line(lambda: broker_of(_borrowed(pytestconfig, "broker")))


@pytest.fixture
def vhost(broker: Broker) -> Iterator[Vhost]:
    """A fresh virtual host, removed after the test with everything in it."""
    vhost = broker.create_vhost()
    yield vhost
    broker.delete_vhost(vhost)


@pytest.fixture
def own_broker() -> Iterator[OwnBroker]:
    """A RabbitMQ for this test alone, running, to be killed, stopped, frozen or blocked as it likes."""
    node = _or_one_line(ways_to_a_broker.started_node)
    try:
        yield OwnBroker(node)
    finally:
        node.dispose()


@pytest.fixture(scope="session")
def store_server(pytestconfig: pytest.Config) -> Server:
    """The run's Valkey or Redis, shared by all tests. Use ``store_url``."""
    share, shares = _share(pytestconfig)
    return _or_one_line(lambda: server_of(_borrowed(pytestconfig, "store"), share, shares))


@pytest.fixture
def store_url(store_server: Server) -> Iterator[str]:
    """The URL of an empty database, emptied after the test."""
    url = store_server.create_database()
    yield url
    store_server.empty(url)


@pytest.fixture
def own_store() -> Iterator[OwnServer]:
    """A Valkey or Redis for this test alone, running, to be killed, frozen or filled as it likes."""
    with _servers() as node:
        yield OwnServer(node)


@pytest.fixture(scope="session")
def own_cluster() -> Iterator[OwnCluster]:
    """A Cluster of three masters, for the tests of this process; they take keys of their own."""
    member = ("--cluster-enabled", "yes", "--cluster-node-timeout", "5000", "--databases", "1")
    with _servers(member, member, member) as node:
        yield OwnCluster(node)


@contextmanager
def _servers(*options: ways_to_a_store.Options) -> Iterator[ways_to_a_store.Node]:
    node = _or_one_line(lambda: ways_to_a_store.started_node(*options))
    try:
        yield node
    finally:
        node.dispose()


def _share(config: pytest.Config) -> tuple[int, int]:
    """Return which of the workers this process is, and how many there are."""
    worker = getattr(config, "workerinput", {"workerid": "gw0", "workercount": 1})
    return int(worker["workerid"].removeprefix("gw")), worker["workercount"]


def _borrowed(config: pytest.Config, name: str) -> Description:
    if hasattr(config, "workerinput"):
        return borrow(config.workerinput[name])
    return config.stash[LENDERS][name].lend()


def _or_one_line(get: Callable[[], T]) -> T:
    """What *get* gives; where nothing can be had, the test fails with the line that says what to do."""
    try:
        return get()
    except Missing as nothing:
        line = str(nothing)
    pytest.fail(line, pytrace=False)
