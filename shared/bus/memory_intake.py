"""A running consumption on the memory broker."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import takewhile

from shared.bus.counters import BusCounters
from shared.bus.memory_core import Broker, Connection, Handed
from shared.bus.memory_queue import Consumer
from shared.bus.port import RETURNS_HEADER, Handler, Received, Source

log = logging.getLogger(__name__)


class MemoryIntake:
    """A running consumption; see `shared.bus.port.Intake`."""

    def __init__(
        self,
        broker: Broker,
        counters: BusCounters,
        sources: tuple[Source, ...],
        handler: Handler,
        prefetch: int,
    ) -> None:
        self._broker = broker
        self._counters = counters
        self._sources = sources
        self._handler = handler
        self._prefetch = prefetch
        self._connection: Connection | None = None
        self._generation = 0
        self._in_hand: dict[int, None] = {}
        """Tags, in the order in which they were handed out."""
        self.forget: Callable[[], object] = lambda: None

    def begin(self, connection: Connection, generation: int) -> None:
        """Consume over this connection. For the bus."""
        self._connection, self._generation = connection, generation
        for source in self._sources:
            self._consume(connection, source)

    def end(self) -> None:
        """Have lost the connection. For the bus."""
        self._connection = None
        self._in_hand.clear()

    def hand(self, handed: Handed) -> None:
        """Give one message to the handler. For the broker."""
        connection, letter = self._connection, handed.letter
        if connection is None or handed.tag not in connection.in_hand:
            return
        received = Received(
            letter.message.body,
            handed.queue,
            letter.exchange,
            letter.routing_key,
            letter.attempts > 0,
            handed.tag,
            self._generation,
            letter.message.content_type,
            letter.message.message_id,
            letter.message.timestamp,
            {**letter.message.headers, RETURNS_HEADER: letter.attempts} if letter.attempts else letter.message.headers,
        )
        self._in_hand[handed.tag] = None
        self._counters.received += 1
        self._counters.redelivered += received.redelivered
        try:
            self._handler(received)
        except Exception:
            self._counters.handler_errors += 1
            log.exception("a handler of %s raised; its message stays unacknowledged", received.queue)

    def ack(self, received: Received, *, through: bool = False) -> None:
        """Take the message off its queue; with `through`, all that this intake was given before it, too."""
        if (connection := self._still_ours(received)) is None:
            return
        tags = list(takewhile(lambda tag: tag <= received.tag, self._in_hand)) if through else [received.tag]
        for tag in tags:
            del self._in_hand[tag]
            self._broker.settle(connection, tag)

    def ack_all(self, several: Sequence[Received]) -> None:
        """Take these off their queues, and nothing else."""
        for received in several:
            self.ack(received)

    def reject(self, received: Received, *, requeue: bool) -> None:
        """Give the message back to its queue, or to the queue's dead-letter exchange."""
        if (connection := self._still_ours(received)) is None:
            return
        del self._in_hand[received.tag]
        verdict = self._broker.give_back if requeue else self._broker.reject
        verdict(connection, received.tag)

    async def flush(self, received: Received) -> bool:
        """Return at once: an acknowledgement is with the broker as it is given."""
        return self._connection is not None and received.generation == self._generation

    async def cancel(self) -> None:
        """Ask for no more messages; what is in hand can still be acknowledged."""
        self.forget()
        if self._connection is None:
            return
        for consumer in list(self._connection.consumers):
            if isinstance(consumer, Reader) and consumer.intake is self:
                self._broker.cancel(self._connection, consumer)

    async def leave(self) -> None:
        """Ask for no more messages and give back what is in hand, in its order, before others are given any newer."""
        connection = self._connection
        await self.cancel()
        if connection is None:
            return
        for tag, handed in list(connection.in_hand.items()):
            if isinstance(handed.consumer, Reader) and handed.consumer.intake is self:
                self._broker.give_back(connection, tag)
        self.end()

    async def renew(self, queue: str) -> None:
        """Consume from one of its queues anew: behind others where they rank as high or higher."""
        if (connection := self._connection) is None:
            return
        for consumer, name in list(connection.consumers.items()):
            if isinstance(consumer, Reader) and consumer.intake is self and name == queue:
                self._broker.cancel(connection, consumer)
        for source in self._sources:
            if source.queue == queue:
                self._consume(connection, source)

    def holds(self, received: Received) -> bool:
        """Say whether the message is in hand still."""
        connection = self._connection
        return connection is not None and received.tag in self._in_hand and received.tag in connection.in_hand

    def _consume(self, connection: Connection, source: Source) -> None:
        reader = Reader(source.priority, self._prefetch, source.exclusive, intake=self)
        self._broker.consume(connection, source.queue, reader)

    def _still_ours(self, received: Received) -> Connection | None:
        if self.holds(received):
            return self._connection
        self._counters.stale_acks += 1
        return None


@dataclass(eq=False, slots=True)
class Reader(Consumer):
    """A consumer that knows its intake."""

    intake: MemoryIntake = field(kw_only=True)
