"""The core of the memory broker: exchanges, queues and connections, with the semantics of RabbitMQ ◆

It decides and remembers who holds what; `turn` tells which letters are handed to whom, and `wake` asks for one soon.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace

from shared.bus.memory_queue import Consumer, DeadLetter, Letter, MemoryQueue
from shared.bus.memory_routing import MemoryExchange, Routes
from shared.bus.port import HeaderValue, Message
from shared.bus.topology import CC_HEADER, Binding, Exchange, Queue, Topology
from shared.errors import BusAway, BusError, PublishRefused, QueueTaken, TopologyMismatch, Unroutable


@dataclass(frozen=True, slots=True)
class Handed:
    """A letter in a consumer's hand. `tag` names this handing-out, and no other of this broker."""

    tag: int
    consumer: Consumer
    queue: str
    letter: Letter


@dataclass(eq=False, slots=True)
class Connection:
    """One bus's connection, and what ends with it."""

    in_hand: dict[int, Handed] = field(default_factory=dict)
    """What was handed out and not settled, by tag."""
    consumers: dict[Consumer, str] = field(default_factory=dict)


class Broker:
    """Exchanges, queues, and what the connections hold."""

    def __init__(self, wake: Callable[[], None]) -> None:
        self._wake = wake
        self._routes = Routes()
        self._queues: dict[str, MemoryQueue] = {}
        self._owners: dict[str, Connection] = {}
        self._homes: dict[Consumer, Connection] = {}
        self._stirred: dict[str, None] = {}
        self._last_tag = 0

    def disconnect(self, connection: Connection) -> None:
        """Let a bus go: what it held goes back, what was exclusive to it ends."""
        for consumer in list(connection.consumers):
            self.cancel(connection, consumer)
        for tag in list(connection.in_hand):
            self.give_back(connection, tag)
        for name in [name for name, owner in self._owners.items() if owner is connection]:
            self._delete(name)

    def declare(self, connection: Connection, topology: Topology) -> None:
        """Make what is not there; raise `TopologyMismatch` where something else of that name is."""
        for exchange in topology.exchanges:
            self._declare_exchange(exchange)
        for queue in topology.queues:
            self._declare_queue(connection, queue)
        for binding in topology.bindings:
            self.bind(binding)

    def bind(self, binding: Binding) -> None:
        """Add a binding; raise `TopologyMismatch` where one of its ends is missing."""
        self._exchange(binding.source).bind(binding)
        if binding.to_exchange:
            self._exchange(binding.destination)
        else:
            self._queue(binding.destination)

    def unbind(self, binding: Binding) -> None:
        """Take a binding back, if it is there."""
        if binding.source in self._routes.exchanges:
            self._routes.exchanges[binding.source].unbind(binding)

    def consume(self, connection: Connection, queue: str, consumer: Consumer) -> None:
        """Let `consumer` take from `queue`."""
        found = self._queue(queue)
        self._claim(connection, queue)
        if found.consumers and (consumer.exclusive or any(other.exclusive for other in found.consumers)):
            raise BusAway(f"queue {queue} is consumed exclusively by somebody else")
        found.add(consumer)
        connection.consumers[consumer] = queue
        self._homes[consumer] = connection
        self._stir(queue)

    def cancel(self, connection: Connection, consumer: Consumer) -> None:
        """Give `consumer` no more."""
        queue = connection.consumers.pop(consumer, None)
        self._homes.pop(consumer, None)
        if queue is not None and queue in self._queues:
            self._queues[queue].remove(consumer)
            self._stir(queue)

    def publish(self, exchange: str, key: str, message: Message, mandatory: bool) -> BusError | None:
        """Put `message` into every queue that it reaches, once each; return what a publisher is told."""
        if exchange and exchange not in self._routes.exchanges:
            return Unroutable(f"there is no exchange {exchange!r}")
        keys, message = sender_selected(key, message)
        if exchange:
            names = self._routes.queues(exchange, keys)
        else:
            names = {name: None for name in keys if name in self._queues}
        if not names and mandatory:
            return Unroutable(f"no queue is bound to exchange {exchange!r} for routing key {key!r}")
        full = [name for name in names if not self._put(name, Letter(message, exchange, key))]
        if full:
            return PublishRefused(f"queue {', '.join(full)} is full")
        return None

    def settle(self, connection: Connection, tag: int) -> None:
        """Take a letter off its queue for good."""
        self._settled(connection.in_hand.pop(tag))

    def reject(self, connection: Connection, tag: int) -> None:
        """Take a letter off its queue, to the dead-letter exchange where there is one."""
        handed = connection.in_hand.pop(tag)
        self._settled(handed)
        self._bury(handed.queue, DeadLetter(handed.letter, "rejected"))

    def give_back(self, connection: Connection, tag: int) -> None:
        """Put a letter back where it stood."""
        handed = connection.in_hand.pop(tag)
        if (queue := self._queues.get(handed.queue)) is None:
            return
        if (dead := queue.give_back(handed.consumer, handed.letter)) is not None:
            self._bury(handed.queue, dead)
        self._stir(handed.queue)

    def turn(self) -> list[Handed]:
        """Return who is handed which letter now. What this leads to comes in the next turn."""
        for name, queue in self._queues.items():
            while queue.stuck and self._bury_now(name, queue.stuck[0]):
                queue.stuck.popleft()
        stirred, self._stirred = self._stirred, {}
        return [handed for name in stirred for handed in self._hand_out(name)]

    def depth(self, connection: Connection, queue: str) -> tuple[int, int] | None:
        """Return how many letters wait in `queue` and how many consume from it."""
        self._claim(connection, queue)
        found = self._queues.get(queue)
        return None if found is None else (len(found), len(found.consumers))

    def forget_transient(self) -> None:
        """Lose what does not survive a broker's restart."""
        for queue in self._queues.values():
            queue.forget_transient()

    def _declare_exchange(self, shape: Exchange) -> None:
        there = self._routes.exchanges.setdefault(shape.name, MemoryExchange(shape))
        if there.shape != shape:
            raise TopologyMismatch(
                f"exchange {shape.name} is there as {there.shape.kind}, and was asked for as {shape.kind}; "
                "delete it or choose another broker"
            )

    def _declare_queue(self, connection: Connection, shape: Queue) -> None:
        self._claim(connection, shape.name)
        there = self._queues.get(shape.name)
        if there is None:
            self._queues[shape.name] = MemoryQueue(shape)
            if shape.exclusive:
                self._owners[shape.name] = connection
        elif there.shape != shape:
            raise TopologyMismatch(
                f"queue {shape.name} is there in another shape ({there.shape} instead of {shape}); "
                "delete it when it is empty, or choose another broker"
            )

    def _claim(self, connection: Connection, queue: str) -> None:
        if self._owners.get(queue, connection) is not connection:
            raise QueueTaken(f"queue {queue} belongs to another connection")

    def _exchange(self, name: str) -> MemoryExchange:
        if name not in self._routes.exchanges:
            raise TopologyMismatch(f"there is no exchange {name}; declare it first")
        return self._routes.exchanges[name]

    def _queue(self, name: str) -> MemoryQueue:
        if name not in self._queues:
            raise TopologyMismatch(f"there is no queue {name}; declare it first")
        return self._queues[name]

    def _put(self, name: str, letter: Letter) -> bool:
        taken, dropped = self._queues[name].offer(letter)
        for dead in dropped:
            self._bury(name, dead)
        if taken:
            self._stir(name)
        return taken

    def _hand_out(self, name: str) -> Iterator[Handed]:
        queue = self._queues.get(name)
        while queue is not None and (taken := queue.take()) is not None:
            consumer, letter = taken
            self._last_tag += 1
            handed = Handed(self._last_tag, consumer, name, letter)
            self._homes[consumer].in_hand[handed.tag] = handed
            yield handed

    def _settled(self, handed: Handed) -> None:
        if handed.queue in self._queues:
            self._queues[handed.queue].settle(handed.consumer)
            self._stir(handed.queue)

    def _bury(self, name: str, dead: DeadLetter) -> None:
        queue = self._queues.get(name)
        if queue is not None and not self._bury_now(name, dead):
            queue.stuck.append(dead)

    def _bury_now(self, name: str, dead: DeadLetter) -> bool:
        """Send a dead letter on; return whether it found its place, or has none."""
        shape = self._queues[name].shape
        target = shape.dead_letter_exchange
        if target is None or target not in self._routes.exchanges:
            return True
        key = dead.letter.routing_key if shape.dead_letter_key is None else shape.dead_letter_key
        message = replace(dead.letter.message, headers=with_death(name, dead))
        names = self._routes.queues(target, (key,))
        return all([self._put(each, Letter(message, target, key)) for each in names])

    def _delete(self, name: str) -> None:
        del self._queues[name]
        self._owners.pop(name, None)
        self._stirred.pop(name, None)
        self._routes.forget_queue(name)

    def _stir(self, queue: str) -> None:
        self._stirred[queue] = None
        self._wake()


def sender_selected(key: str, message: Message) -> tuple[list[str], Message]:
    """Return all routing keys of `message`, and the message as its receivers see it: without ``BCC``."""
    keys = [key]
    for header in ("CC", CC_HEADER):
        more = message.headers.get(header)
        if isinstance(more, list):
            keys += [str(each) for each in more]
    if CC_HEADER in message.headers:
        headers = {name: value for name, value in message.headers.items() if name != CC_HEADER}
        message = replace(message, headers=headers)
    return keys, message


def with_death(queue: str, dead: DeadLetter) -> dict[str, HeaderValue]:
    """Return the headers of a letter that died in `queue`: where and why it died first, and where and why last."""
    headers = dict(dead.letter.message.headers)
    died: dict[str, HeaderValue] = {"reason": dead.reason, "queue": queue, "exchange": dead.letter.exchange}
    for name, value in died.items():
        headers.setdefault(f"x-first-death-{name}", value)
        headers[f"x-last-death-{name}"] = value
    return headers
