"""What Valkey or Redis servers of our own can do, wherever they run."""

import socket
import time
from collections.abc import Callable, Sequence
from typing import Protocol

from tests.support.store.errors import StoreError

START_WITHIN = 30.0  # seconds; half a one is usual
STOP_WITHIN = 15.0

# Databases that tests take one each of; they cost nothing while they are empty.
DATABASES = 4_096

QUIET = ("--databases", str(DATABASES), "--save", "", "--protected-mode", "no")

Options = Sequence[str]


class Node(Protocol):
    """One or more servers of our own that live and die together: processes here, or a container."""

    @property
    def addresses(self) -> list[tuple[str, int]]:
        """Where clients find them."""

    def start(self) -> None:
        """Bring them up, with the ports and the data of last time; returns when clients are served."""

    def kill(self) -> None:
        """kill -9; what was on disk stays."""

    def freeze(self) -> None:
        """Stop their clocks: connections stay open, nothing answers."""

    def thaw(self) -> None:
        """Let them run on."""

    def dispose(self) -> None:
        """Make it as if they had never been."""


def answers(host: str, port: int, within: float = 1.0) -> bool:
    """Whether a server answers a ping, be it that it wants a password first (RESP: ``+PONG`` or ``-NOAUTH``)."""
    try:
        with socket.create_connection((host, port), timeout=within) as connection:
            connection.sendall(b"PING\r\n")
            return connection.recv(64).startswith((b"+PONG", b"-NOAUTH"))
    except OSError:
        return False


def wait_for_start(serves: Callable[[], bool], alive: Callable[[], bool], log: Callable[[], str]) -> None:
    """Return when the node *serves*; ``StoreError`` with the end of its *log* when it does not."""
    deadline = time.monotonic() + START_WITHIN
    while not serves():
        if not alive():
            raise StoreError(f"The store's server ended while it was starting. Its last words:\n{log()}")
        if time.monotonic() > deadline:
            raise StoreError(f"The store's server did not serve within {START_WITHIN:g} s. Its last words:\n{log()}")
        time.sleep(0.02)
