"""What a bus was asked for, and has again after each reconnection ◆"""

from __future__ import annotations

from collections.abc import Iterable

from shared.bus.topology import Binding, Exchange, Queue, Topology


class Remembered:
    """Exchanges, queues and bindings, each once, in the order in which they were first asked for.

    Its size is that of the topology: nothing in it grows with clients or topics.
    """

    __slots__ = ("_bindings", "_exchanges", "_queues")

    def __init__(self) -> None:
        self._exchanges: dict[str, Exchange] = {}
        self._queues: dict[str, Queue] = {}
        self._bindings: dict[Binding, None] = {}

    def keep(self, topology: Topology) -> None:
        """Remember all of `topology`; a newer shape of the same name takes the older one's place."""
        self._exchanges.update((exchange.name, exchange) for exchange in topology.exchanges)
        self._queues.update((queue.name, queue) for queue in topology.queues)
        self._bindings.update(dict.fromkeys(topology.bindings))

    def drop(self, topology: Topology) -> None:
        """Forget all of `topology`, where it is what was remembered last."""
        for exchange in topology.exchanges:
            if self._exchanges.get(exchange.name) == exchange:
                del self._exchanges[exchange.name]
        for queue in topology.queues:
            if self._queues.get(queue.name) == queue:
                del self._queues[queue.name]
        for binding in topology.bindings:
            self._bindings.pop(binding, None)

    def has_exchange(self, name: str) -> bool:
        """Say whether an exchange of this name was asked for."""
        return name in self._exchanges

    @property
    def topology(self) -> Topology:
        """Return all of it, in an order in which it can be declared."""
        return Topology(
            exchanges=tuple(self._exchanges.values()),
            queues=tuple(self._queues.values()),
            bindings=tuple(self._bindings),
        )


def bindings(queue: str, exchange: str, keys: Iterable[str]) -> Topology:
    """Return the topology that binds `queue` to `exchange` by each of `keys`."""
    return Topology(bindings=tuple(Binding(exchange, queue, key) for key in keys))
