"""One server for a whole run: the process above the workers starts it when a test first asks, and stops it.

Workers of pytest-xdist come and go; the process above outlives them. It listens on loopback and lends to
whoever knows the run's key. What it lends is a description: where the server is, and how to control it.
"""

import contextlib
import json
import logging
import secrets
import socket
import threading
from collections.abc import Callable
from multiprocessing.connection import Client, Listener
from typing import Any, Protocol

from tests.support.errors import Missing

CLOSE_WITHIN = 15.0  # seconds to let a start in progress end; after that the guard cleans up

log = logging.getLogger(__name__)

Description = dict[str, Any]


class Disposable(Protocol):
    """What is lent, to whoever started it."""

    def dispose(self) -> None:
        """Make it as if it had never been."""


Loan = tuple[Disposable | None, Description]
"""What must be disposed of in the end, and what borrowers are told."""


class Lender:
    """Holds the run's server. It starts nothing before somebody borrows."""

    def __init__(self, prepare: Callable[[], Loan]) -> None:
        self._prepare = prepare
        self._one_at_a_time = threading.Lock()
        self._node: Disposable | None = None
        self._answer: Description | None = None
        self._listener: Listener | None = None
        self._key = secrets.token_hex(16)
        self._closing = False

    def lend(self) -> Description:
        """Describe the server, started now if it is the first time. A failure stays the answer for all."""
        with self._one_at_a_time:
            if self._answer is None:
                try:
                    self._node, self._answer = self._prepare()
                except Missing as failure:
                    self._answer = {"error": str(failure)}
            return self._answer

    def listen(self) -> Description:
        """Lend to other processes too; what they need to call :func:`borrow`."""
        if self._listener is None:
            self._listener = Listener(("127.0.0.1", 0), backlog=64, authkey=self._key.encode())
            threading.Thread(target=self._serve, args=(self._listener,), daemon=True, name="lender").start()
        return {"port": self._listener.address[1], "key": self._key}

    def close(self) -> None:
        """Stop lending, and dispose of the server."""
        self._closing = True
        if self._listener is not None:
            with contextlib.suppress(OSError):  # a last caller, so that the thread looks up from its wait
                socket.create_connection(self._listener.address, timeout=1.0).close()
            self._listener.close()
        if self._one_at_a_time.acquire(timeout=CLOSE_WITHIN):
            try:
                if self._node is not None:
                    self._node.dispose()
                    self._node = None
            finally:
                self._one_at_a_time.release()

    def _serve(self, listener: Listener) -> None:
        while not self._closing:
            try:
                with listener.accept() as borrower:
                    borrower.send_bytes(json.dumps(self.lend()).encode())
            except Exception as failure:  # one borrower's trouble is not the next one's
                if not self._closing:
                    log.warning("a borrower left without an answer: %r", failure)


def borrow(where: Description) -> Description:
    """Ask the lender that :meth:`Lender.listen` described."""
    with Client(("127.0.0.1", where["port"]), authkey=where["key"].encode()) as lender:
        answer: Description = json.loads(lender.recv_bytes())
    return answer
