"""A running consumption on RabbitMQ: one channel, a consumer per queue."""

from __future__ import annotations

import logging
from asyncio import Future, get_running_loop
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from itertools import takewhile

from aiormq.abc import DeliveredMessage
from aiormq.channel import Channel

from shared.bus.amqp_link import Link
from shared.bus.amqp_refusals import Refusal
from shared.bus.counters import BusCounters
from shared.bus.port import Handler, Received, Source
from shared.bus.wire import ack_frame, flow_frame, reject_frame
from shared.bus.wire_reader import NO_HEADERS, ChannelClosed, ChannelEvent, ConsumerCancelled, Delivered, Flowing
from shared.errors import BusAway, ConfigurationError

MENDING_MEMORY = 30.0
"""Seconds after which a consumption that had to begin again counts as sound."""

log = logging.getLogger(__name__)


class AmqpIntake:
    """See `shared.bus.port.Intake`. `ail` is called, with the cause, when a part of it has to begin again."""

    def __init__(
        self,
        sources: tuple[Source, ...],
        handler: Handler,
        prefetch: int,
        counters: BusCounters,
        ail: Callable[[AmqpIntake, str], None],
        forget: Callable[[AmqpIntake], None],
    ) -> None:
        self.sources = sources
        self._mendings = 0
        self._mended_at = 0.0
        self._handler = handler
        self._prefetch = prefetch
        self._counters = counters
        self._ail = ail
        self._forget = forget
        self._link: Link | None = None
        self._channel: Channel | None = None
        self._number = 0
        self._generation = 0
        self._queues: dict[bytes, str] = {}
        """The queue of each consumer that runs, by its tag."""
        self._in_hand: dict[int, None] = {}
        """Delivery tags that are neither acknowledged nor given back, in order."""
        self._early: list[Delivered] | None = []
        """What came before it may be handed out; the prefetch bounds it. None: all is handed out at once."""
        self._questions: deque[Future[bool]] = deque()
        """What `flush` waits for, in the order in which the broker answers."""
        self._closing = False
        """Whether the broker was asked to close the channel: it takes anything that comes behind that for an error."""

    async def begin(self, link: Link) -> None:
        """Consume over `link` from those queues from which it does not yet; hand out nothing before `release`."""
        if self._channel is None:
            channel = await link.channel()
            self._link, self._channel, self._number, self._early = link, channel, channel.number, []
            self._closing = False
            link.owners[channel.number] = self
            link.forget_refusal(channel)
            await link.ask(channel.basic_qos(prefetch_count=self._prefetch), channel)
        for place, source in enumerate(self.sources):
            tag = f"penstock-{place}"
            if tag.encode() not in self._queues:
                self._queues[tag.encode()] = source.queue
                order = self._channel.basic_consume(
                    source.queue,
                    _not_called,
                    consumer_tag=tag,
                    exclusive=source.exclusive,
                    arguments={"x-priority": source.priority} if source.priority else {},
                )
                await link.ask(order, self._channel)

    def count_mending(self, now: float) -> int:
        """Return how often it had to begin again, this time included, since it last was sound."""
        self._mendings = self._mendings + 1 if now - self._mended_at < MENDING_MEMORY else 1
        self._mended_at = now
        return self._mendings

    def release(self) -> None:
        """Hand out what came meanwhile, and from now on at once what comes."""
        early, self._early = self._early or [], None
        for event in early:
            if self._link is not None:
                self._hand(event)

    def end(self) -> None:
        """Have lost the channel: what is in hand is not ours any more."""
        if self._link is not None:
            self._link.owners.pop(self._number, None)
        self._link = self._channel = None
        self._generation += 1
        self._queues.clear()
        self._in_hand.clear()
        if self._early is not None:
            self._early.clear()
        while self._questions:
            self._answer(arrived=False)

    def hear(self, event: ChannelEvent) -> None:
        """Take what the broker sends on our channel."""
        match event:
            case Delivered() if self._early is not None:
                self._early.append(event)
            case Delivered():
                self._hand(event)
            case Flowing() if self._questions:
                self._answer(arrived=True)
            case ChannelClosed(_, code, text):
                self._counters.channels_lost += 1
                self.end()
                self._ail(self, f"the broker closed the channel: {Refusal(code, text)}")
            case ConsumerCancelled(_, consumer):
                queue = self._queues.pop(consumer, None)
                self._counters.consumers_cancelled += 1
                if queue is not None:
                    self._ail(self, f"the broker cancelled the consumer of {queue}")

    def ack(self, received: Received, *, through: bool = False) -> None:
        """Take the message off its queue; with `through`, all that this intake was given before it, too."""
        if (link := self._still_ours(received)) is None:
            return
        link.write(ack_frame(self._number, received.tag, multiple=through))
        if through:
            for tag in list(takewhile(received.tag.__ge__, self._in_hand)):
                del self._in_hand[tag]
        else:
            del self._in_hand[received.tag]

    def ack_all(self, several: Sequence[Received]) -> None:
        """Take these off their queues, and nothing else: with one frame, as far as they are the first in hand."""
        tags = {received.tag for received in several if received.generation == self._generation}
        first = list(takewhile(tags.__contains__, self._in_hand))
        if first and self._link is not None:
            self._link.write(ack_frame(self._number, first[-1], multiple=True))
            for tag in first:
                del self._in_hand[tag]
        if len(first) < len(several):
            at_once = set(first)
            for received in several:
                if received.tag not in at_once or received.generation != self._generation:
                    self.ack(received)

    def reject(self, received: Received, *, requeue: bool) -> None:
        """Give the message back to its queue, or to the queue's dead-letter exchange."""
        if (link := self._still_ours(received)) is not None:
            link.write(reject_frame(self._number, received.tag, requeue=requeue))
            del self._in_hand[received.tag]

    async def flush(self, received: Received) -> bool:
        """Wait until the broker has the acknowledgement of `received`, and of all that were acknowledged before."""
        link = self._link
        if link is None or self._closing or received.generation != self._generation:
            return False
        answer: Future[bool] = get_running_loop().create_future()
        self._questions.append(answer)
        link.write(flow_frame(self._number))  # changes nothing, and is answered in its turn
        try:
            return await link.ask(answer)
        except (BusAway, ConfigurationError):
            return False

    async def cancel(self) -> None:
        """Ask for no more messages; what is in hand can still be acknowledged."""
        self._forget(self)
        link, channel = self._link, self._channel
        if link is None or channel is None:
            return
        with suppress(BusAway):  # without a connection, no message comes either
            for consumer in list(self._queues):
                await link.ask(channel.basic_cancel(consumer.decode()), channel)
            if not self._in_hand:  # else it stays open for the acknowledgements, until the bus is closed
                self._closing = True
                await link.ask(channel.close(), channel)
                self.end()

    async def leave(self) -> None:
        """Ask for no more messages and give back what is in hand, in its order, before others are given any newer."""
        self._forget(self)
        if (link := self._link) is None or self._channel is None:
            return
        self._closing = True
        with suppress(BusAway):  # without a connection, all of it is back
            await link.ask(self._channel.close(), self._channel)
        self.end()

    async def renew(self, queue: str) -> None:
        """Consume from one of its queues anew: behind others where they rank as high or higher."""
        if (link := self._link) is None or (channel := self._channel) is None:
            return
        for consumer, name in list(self._queues.items()):
            if name == queue:
                await link.ask(channel.basic_cancel(consumer.decode()), channel)
                self._queues.pop(consumer, None)
        if self._link is link:
            await self.begin(link)

    def holds(self, received: Received) -> bool:
        """Say whether the message is in hand still."""
        return received.generation == self._generation and received.tag in self._in_hand

    def _hand(self, event: Delivered) -> None:
        properties, headers = event.properties, event.properties.headers
        if headers is None:
            self._counters.unreadable_headers += 1
            headers = NO_HEADERS
        received = Received(
            event.body,
            self._queues.get(event.consumer, ""),
            event.exchange,
            event.routing_key,
            event.redelivered,
            event.tag,
            self._generation,
            properties.content_type,
            properties.message_id,
            properties.timestamp,
            headers,
        )
        self._in_hand[event.tag] = None
        self._counters.received += 1
        self._counters.redelivered += event.redelivered
        try:
            self._handler(received)
        except Exception:
            self._counters.handler_errors += 1
            log.exception("a handler of %s raised; its message stays unacknowledged", received.queue)

    def _answer(self, *, arrived: bool) -> None:
        question = self._questions.popleft()
        if not question.done():  # else nobody waits for it any more
            question.set_result(arrived)

    def _still_ours(self, received: Received) -> Link | None:
        if self.holds(received):
            return self._link
        self._counters.stale_acks += 1
        return None


async def _not_called(message: DeliveredMessage) -> None:
    """Stand where aiormq wants a callback: deliveries are taken before it sees them."""
