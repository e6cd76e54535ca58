"""What a RabbitMQ node of our own can do, wherever it runs."""

import socket
import time
from collections.abc import Callable
from typing import Any, Protocol
from urllib.error import URLError

from tests.support.broker.errors import BrokerError
from tests.support.broker.management import Management, ManagementError

PLUGINS = ("rabbitmq_management", "rabbitmq_sharding")

START_WITHIN = 60.0  # seconds; 3 to 6 are usual, more when several start at once
STOP_WITHIN = 30.0
CTL_WITHIN = 60.0

# Two schedulers that sleep when idle and are bound to no core: the tests need the machine too. Quorum
# queues tell their length every half second instead of every five, and try again after five seconds, instead of
# three minutes, to get rid of dead letters that nobody took.
ERLANG_ARGUMENTS = (
    "+S 2:2 +sbwt none +sbwtdcpu none +sbwtdio none +stbt u -rabbit quorum_tick_interval 500"
    " -rabbit dead_letter_worker_publisher_confirm_timeout 5000"
)

# What the management API shows may be this old; with RabbitMQ's own defaults every look would wait for 5 s.
STATISTICS_AGE = 1  # seconds

CONFIGURATION = f"""\
loopback_users = none
collect_statistics_interval = 500
management.sample_retention_policies.global.minute = {STATISTICS_AGE}
management.sample_retention_policies.basic.minute = {STATISTICS_AGE}
management.sample_retention_policies.detailed.10 = {STATISTICS_AGE}
raft.wal_max_size_bytes = 67108864
"""


class Node(Protocol):
    """A RabbitMQ node of our own: a process here, or a container."""

    @property
    def amqp_url(self) -> str: ...

    @property
    def management_url(self) -> str: ...

    def start(self) -> None:
        """Bring it up, with the ports and the data of last time; returns when clients are served."""

    def stop(self) -> None:
        """Shut it down in order; the data stay."""

    def kill(self) -> None:
        """kill -9; the data stay as they are."""

    def freeze(self) -> None:
        """Stop its clock: connections stay open, nothing answers."""

    def thaw(self) -> None:
        """Let it run on."""

    def dispose(self) -> None:
        """Make it as if it had never been."""

    def ctl(self, *arguments: str) -> str:
        """Run rabbitmqctl on it."""

    def description(self) -> dict[str, Any]:
        """What another process needs to know to use it, as JSON values."""


def amqp_answers(host: str, port: int, within: float = 1.0) -> bool:
    """Whether a broker answers the protocol header with a method frame (AMQP 0-9-1, section 2.2.4)."""
    try:
        with socket.create_connection((host, port), timeout=within) as connection:
            connection.sendall(b"AMQP\x00\x00\x09\x01")
            return connection.recv(1) == b"\x01"
    except OSError:
        return False


def management_answers(url: str) -> bool:
    """Whether the management API serves our user."""
    try:
        Management(url).get("overview")
    except (ManagementError, URLError, OSError):
        return False
    return True


def wait_for_start(serves: Callable[[], bool], alive: Callable[[], bool], log: Callable[[], str]) -> None:
    """Return when the node *serves*; ``BrokerError`` with the end of its *log* when it does not."""
    deadline = time.monotonic() + START_WITHIN
    while not serves():
        if not alive():
            raise BrokerError(f"RabbitMQ ended while it was starting. Its last words:\n{log()}")
        if time.monotonic() > deadline:
            raise BrokerError(f"RabbitMQ did not serve within {START_WITHIN:g} s. Its last words:\n{log()}")
        time.sleep(0.05)
