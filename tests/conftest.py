"""Fixtures for every test: a real broker, a virtual host of one's own in it, a broker of one's own."""

from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import pytest

from tests.support.broker import Broker, BrokerError, OwnBroker, Vhost
from tests.support.broker.lending import Lender, borrow, broker_of
from tests.support.broker.ways import started_node

T = TypeVar("T")

LENDER = pytest.StashKey[Lender]()


def pytest_configure(config: pytest.Config) -> None:
    """The process above all workers keeps the broker; without workers that is this one."""
    if not hasattr(config, "workerinput"):
        config.stash[LENDER] = Lender()


@pytest.hookimpl(optionalhook=True)  # known only where pytest-xdist is
def pytest_configure_node(node: Any) -> None:
    """Tell a new worker where to borrow the broker."""
    node.workerinput["broker"] = node.config.stash[LENDER].listen()


def pytest_unconfigure(config: pytest.Config) -> None:
    """Stop the broker, after the last test and after Ctrl-C alike."""
    if LENDER in config.stash:
        config.stash[LENDER].close()


@pytest.fixture(scope="session")
def broker(pytestconfig: pytest.Config) -> Broker:
    """The run's RabbitMQ, shared by all tests. Use ``vhost`` unless the broker itself is the matter."""

    def borrowed() -> Broker:
        if hasattr(pytestconfig, "workerinput"):
            return broker_of(borrow(pytestconfig.workerinput["broker"]))
        return broker_of(pytestconfig.stash[LENDER].lend())

    return _or_one_line(borrowed)


@pytest.fixture
def vhost(broker: Broker) -> Iterator[Vhost]:
    """A fresh virtual host, removed after the test with everything in it."""
    vhost = broker.create_vhost()
    yield vhost
    broker.delete_vhost(vhost)


@pytest.fixture
def own_broker() -> Iterator[OwnBroker]:
    """A RabbitMQ for this test alone, running, to be killed, stopped, frozen or blocked as it likes."""
    node = _or_one_line(started_node)
    try:
        yield OwnBroker(node)
    finally:
        node.dispose()


def _or_one_line(get: Callable[[], T]) -> T:
    """What *get* gives; where no broker can be had, the test fails with the line that says what to do."""
    try:
        return get()
    except BrokerError as nothing:
        line = str(nothing)
    pytest.fail(line, pytrace=False)
