"""A Valkey or Redis that the tests may use, and some that they may ill-treat."""

import contextlib
from collections.abc import Iterator
from itertools import count
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from redis import Redis

from tests.support.eventually import wait_until
from tests.support.store.node import Node

SLOTS = 16_384


@contextlib.contextmanager
def asking(url: str) -> Iterator[Any]:
    """A client that knows nothing of Penstock, to look inside; it blocks for some microseconds."""
    client = Redis.from_url(url)
    try:
        yield client
    finally:
        client.close()


class Server:
    """The run's server, shared by all tests: each has a database of its own.

    *share* of *shares* says which databases are this process's, so that those of two never meet.
    """

    def __init__(self, url: str, databases: int, share: int = 0, shares: int = 1) -> None:
        self._url = url
        mine = range(share % databases, databases, shares) if shares < databases else range(databases)
        self._databases = (mine[number % len(mine)] for number in count())

    def create_database(self) -> str:
        """The URL of an empty database."""
        url = urlunsplit(urlsplit(self._url)._replace(path=f"/{next(self._databases)}"))
        self.empty(url)
        return url

    def empty(self, url: str) -> None:
        """Remove everything from a database."""
        with asking(url) as client:
            client.flushdb()


class OwnServer:
    """A server that a test may ill-treat; the port lasts over :meth:`kill` and :meth:`start`.

    All verbs block: under an event loop, ``await asyncio.to_thread(own_store.kill)``.
    """

    def __init__(self, node: Node) -> None:
        self._node = node

    @property
    def url(self) -> str:
        [(host, port)] = self._node.addresses
        return f"redis://{host}:{port}/0"

    def ask(self, *command: str | bytes | int) -> Any:
        """Have it do *command*."""
        with asking(self.url) as client:
            return client.execute_command(*command)

    def kill(self) -> None:
        """End it with SIGKILL."""
        self._node.kill()

    def start(self) -> None:
        """Bring it back, and return when it serves."""
        self._node.start()

    def freeze(self) -> None:
        """Stop its clock: connections stay open, nothing answers."""
        self._node.freeze()

    def thaw(self) -> None:
        """Let it run on."""
        self._node.thaw()


class OwnCluster:
    """A Cluster of as many masters as the node has servers; returns when all of it serves."""

    def __init__(self, node: Node) -> None:
        self.addresses = node.addresses
        self._clients = [Redis(host=host, port=port) for host, port in node.addresses]
        try:
            self._form()
        finally:
            for client in self._clients:
                client.close()

    @property
    def url(self) -> str:
        return "redis+cluster://" + ",".join(f"{host}:{port}" for host, port in self.addresses)

    def _form(self) -> None:
        size = len(self._clients)
        first, first_port = self.addresses[0]
        for number, client in enumerate(self._clients):
            client.config_set("cluster-announce-ip", self.addresses[number][0])
            client.execute_command("CLUSTER SET-CONFIG-EPOCH", number + 1)
            slots = range(number * SLOTS // size, (number + 1) * SLOTS // size)
            client.execute_command("CLUSTER ADDSLOTS", *slots)
        for client in self._clients[1:]:
            client.execute_command("CLUSTER MEET", first, first_port)
        wait_until(lambda: all(self._is_whole(client) for client in self._clients), within=30.0)

    def _is_whole(self, client: Any) -> bool:
        state = client.execute_command("CLUSTER INFO")
        return state["cluster_state"] == "ok" and int(state["cluster_known_nodes"]) == len(self._clients)
