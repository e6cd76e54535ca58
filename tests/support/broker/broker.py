"""A RabbitMQ that the tests may use: virtual hosts of their own, and eyes to look inside."""

import uuid
from collections.abc import Callable
from typing import Any
from urllib.parse import quote, urlsplit, urlunsplit

from tests.support.broker.management import Management, ManagementError

Row = dict[str, Any]  # one object of the management API


class Vhost:
    """A virtual host: its own exchanges, queues and connections, apart from everybody else's.

    Every verb is one HTTP request that blocks for a few milliseconds.
    """

    def __init__(self, name: str, amqp_url: str, management: Management) -> None:
        self.name = name
        self.amqp_url = amqp_url
        self._management = management

    def __repr__(self) -> str:
        return f"<Vhost {self.name}>"

    def queues(self) -> list[Row]:
        """All queues. Their counts of messages are one second old at most on brokers of ours."""
        return self._list("queues")

    def exchanges(self) -> list[Row]:
        """All exchanges but those that every virtual host has from birth."""
        return [row for row in self._list("exchanges") if row["name"] and not row["name"].startswith("amq.")]

    def bindings(self) -> list[Row]:
        """All bindings but the one that every queue has to the default exchange."""
        return [row for row in self._list("bindings") if row["source"]]

    def consumers(self) -> list[Row]:
        """All consumers, with ``active`` telling which one is served where only one may be."""
        return list(self._management.get("consumers", self.name))

    def connections(self) -> list[Row]:
        """All open connections; ``user_provided_name`` is the name that the client gave."""
        return list(self._management.get("vhosts", self.name, "connections"))

    def close_connections(self, reason: str = "closed by a test", *, named: str | None = None) -> int:
        """Close connections from the broker's side (320, connection forced), and return how many.

        *named* picks those whose client gave that name. A connection is listed about a second after it was opened.
        """
        closed = 0
        for row in self.connections():
            if named is None or row.get("user_provided_name") == named:
                try:
                    self._management.delete("connections", row["name"], reason=reason)
                except ManagementError as refusal:
                    if refusal.status != 404:
                        raise
                else:
                    closed += 1
        return closed

    def _list(self, kind: str) -> list[Row]:
        return list(self._management.get(kind, self.name))


class Broker:
    """A running RabbitMQ, whoever started it.

    ``amqp_url`` is that of the virtual host ``/``; prefer :meth:`create_vhost`.
    ``version`` is RabbitMQ's, as a tuple of numbers that compares: ``broker.version >= (4, 0)``.
    """

    def __init__(self, amqp_url: str, management_url: str, rabbitmqctl: Callable[..., str]) -> None:
        self.amqp_url = amqp_url
        self.management_url = management_url
        self.management = Management(management_url)
        self._rabbitmqctl = rabbitmqctl
        self.version = version_of(self.management.get("overview")["rabbitmq_version"])

    def ctl(self, *arguments: str) -> str:
        """Run ``rabbitmqctl`` on the broker's node and return what it printed.

        It blocks for one or two seconds (an Erlang starts): under an event loop, send it to a thread.
        ``BrokerError`` when it fails, and always with a broker that was given by URL.
        """
        return self._rabbitmqctl(*arguments)

    def create_vhost(self, name: str | None = None) -> Vhost:
        """A fresh virtual host, in which the broker's user may do everything."""
        name = name or f"penstock-test-{uuid.uuid4().hex[:12]}"
        self.management.put("vhosts", name)
        self.management.put("permissions", name, self.management.user, configure=".*", write=".*", read=".*")
        url = urlunsplit(urlsplit(self.amqp_url)._replace(path="/" + quote(name, safe="")))
        return Vhost(name, url, self.management)

    def delete_vhost(self, vhost: Vhost) -> None:
        """Remove it with everything in it; its connections are closed."""
        try:
            self.management.delete("vhosts", vhost.name)
        except ManagementError as refusal:
            if refusal.status != 404:
                raise


def version_of(text: str) -> tuple[int, ...]:
    """The numbers of a version, ``4.1.0-rc.2`` being (4, 1, 0)."""
    return tuple(int(number) for number in text.split("-")[0].split("+")[0].split("."))
