"""One broker for a whole run: the process above the workers starts it when a test first asks, and stops it.

Workers of pytest-xdist come and go; the process above outlives them. It listens on loopback and lends to
whoever knows the run's key. What it lends is a description: where the broker is, and how to control it.
"""

import contextlib
import json
import logging
import secrets
import socket
import threading
from collections.abc import Callable
from functools import partial
from multiprocessing.connection import Client, Listener
from typing import Any

from tests.support.broker.broker import Broker
from tests.support.broker.errors import BrokerError
from tests.support.broker.node import Node
from tests.support.broker.ways import GIVEN, given, started_node

CLOSE_WITHIN = 15.0  # seconds to let a start in progress end; after that the guard cleans up

log = logging.getLogger(__name__)

Description = dict[str, Any]


class Lender:
    """Holds the run's broker. It starts nothing before somebody borrows."""

    def __init__(self, start: Callable[[], Node] = started_node) -> None:
        self._start = start
        self._one_at_a_time = threading.Lock()
        self._node: Node | None = None
        self._answer: Description | None = None
        self._listener: Listener | None = None
        self._key = secrets.token_hex(16)
        self._closing = False

    def lend(self) -> Description:
        """Describe the broker, started now if it is the first time. A failure stays the answer for all."""
        with self._one_at_a_time:
            if self._answer is None:
                self._answer = self._prepare()
            return self._answer

    def listen(self) -> Description:
        """Lend to other processes too; what they need to call :func:`borrow`."""
        if self._listener is None:
            self._listener = Listener(("127.0.0.1", 0), backlog=64, authkey=self._key.encode())
            threading.Thread(target=self._serve, args=(self._listener,), daemon=True, name="broker lender").start()
        return {"port": self._listener.address[1], "key": self._key}

    def close(self) -> None:
        """Stop lending, and dispose of the broker."""
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

    def _prepare(self) -> Description:
        if somebodys := given():
            amqp_url, management_url = somebodys
            return {"amqp_url": amqp_url, "management_url": management_url, "control": {"kind": "given"}}
        try:
            self._node = self._start()
        except BrokerError as failure:
            return {"error": str(failure)}
        return {
            "amqp_url": self._node.amqp_url,
            "management_url": self._node.management_url,
            "control": self._node.description(),
        }

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


def broker_of(description: Description) -> Broker:
    """The broker that is described; ``BrokerError`` when the description is that there is none."""
    if "error" in description:
        raise BrokerError(description["error"])
    return Broker(description["amqp_url"], description["management_url"], _ctl_of(description["control"]))


def _ctl_of(control: Description) -> Callable[..., str]:
    if control["kind"] == "container":
        from tests.support.broker import container

        return partial(container.run_ctl, control["container"])
    if control["kind"] == "local":
        from tests.support.broker import local

        return partial(local.run_ctl, control["scripts"], control["environment"])
    return _no_ctl


def _no_ctl(*arguments: str) -> str:
    raise BrokerError(f"rabbitmqctl {' '.join(arguments)}: {GIVEN} names a broker that is not ours to control")
