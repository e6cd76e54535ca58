"""One life of a bus on RabbitMQ: a connection to publish, one to consume, and the orders to the broker.

Two connections, since a broker that holds publishers back does not read from their connection any more: over the other
one, deliveries and acknowledgements go on.
"""

from __future__ import annotations

import asyncio
from asyncio import Future
from collections.abc import Callable

from aiormq.channel import Channel
from pamqp import commands as spec
from yarl import URL

from shared.bus.amqp_link import Link
from shared.bus.amqp_url import named
from shared.bus.counters import BusCounters
from shared.bus.port import Depth
from shared.bus.topology import Binding, Exchange, Queue, QueueKind, Topology
from shared.bus.wire_reader import ChannelClosed, ChannelEvent
from shared.errors import TopologyMismatch

DOUBTED_AFTER = 0.2
"""Seconds. A queue of which the broker says after so long that nothing is there is asked for again: it says so, too, of
a quorum queue whose leader does not answer it within 250 ms."""

DOUBTS = 20
"""Times that it is asked; then it is believed. Other orders wait meanwhile."""

NOTHING = Depth(0, 0)


class Session:
    """Both connections; the first that is lost ends it.

    `lost` resolves with the cause, after `on_lost` was called with it; `on_alarm` is called with the reason when the
    broker holds publishers back, and with None when it does no more.
    """

    def __init__(
        self,
        url: URL,
        name: str,
        heartbeat: int,
        on_lost: Callable[[Session, str], None],
        on_alarm: Callable[[Session], None],
        counters: BusCounters,
    ) -> None:
        self.lost: Future[str] = asyncio.get_running_loop().create_future()
        self.alarm: str | None = None
        self._on_lost = on_lost
        self._on_alarm = on_alarm
        self._counters = counters
        self.publishing = Link(named(url, f"{name} publishes", heartbeat), self.fail, self._hear_blocked)
        self.consuming = Link(named(url, f"{name} consumes", heartbeat), self.fail, lambda reason: None)
        self._orders: Channel | None = None

    async def open(self) -> None:
        """Connect both; raise as `Link.open` does."""
        await self.consuming.open()
        await self.publishing.open()

    async def close(self) -> None:
        """Take leave of the broker."""
        # Each in a task of its own: one that is cancelled, or hangs, leaves the other its chance.
        await asyncio.gather(self.publishing.close(), self.consuming.close(), return_exceptions=True)

    def fail(self, cause: str) -> None:
        """Be of no more use."""
        if not self.lost.done():
            self._on_lost(self, cause)
            self.lost.set_result(cause)

    def hear(self, event: ChannelEvent) -> None:
        """Take what the broker says on the channel for orders: an order that is refused closes it."""
        if isinstance(event, ChannelClosed):
            self._orders = None

    async def declare(self, topology: Topology) -> None:
        """Have the broker make what it lacks; raise as `Link.ask` does."""
        channel = await self._order_channel()
        for exchange in topology.exchanges:
            await self._declare_exchange(channel, exchange)
        for queue in topology.queues:
            await self._declare_queue(channel, queue)
        await self._bind(channel, topology.bindings)

    async def unbind(self, bindings: tuple[Binding, ...]) -> None:
        """Have the broker take queues' bindings back, whether they are there or not."""
        channel = await self._order_channel()
        for binding in bindings:
            order = channel.queue_unbind(binding.destination, binding.source, binding.key)
            await self.consuming.ask(order, channel)

    async def depth(self, queue: str) -> Depth | None:
        """Ask how full a queue is; None where there is none."""
        loop = asyncio.get_running_loop()
        for _ in range(DOUBTS):
            channel, asked = await self._order_channel(), loop.time()
            try:
                answer = await self.consuming.ask(channel.queue_declare(queue, passive=True), channel)
            except TopologyMismatch:
                return None
            depth = Depth(answer.message_count or 0, answer.consumer_count or 0)
            if depth != NOTHING or loop.time() - asked < DOUBTED_AFTER:
                break
            self._counters.depths_doubted += 1
        return depth

    def _hear_blocked(self, reason: str | None) -> None:
        self.alarm = reason
        self._on_alarm(self)

    async def _order_channel(self) -> Channel:
        if self._orders is None:
            self._orders = await self.consuming.channel()
            self.consuming.owners[self._orders.number] = self
        return self._orders

    async def _declare_exchange(self, channel: Channel, exchange: Exchange) -> None:
        order = channel.exchange_declare(exchange.name, exchange_type=exchange.kind.value, durable=True)
        await self.consuming.ask(order, channel)

    async def _declare_queue(self, channel: Channel, queue: Queue) -> None:
        order = channel.queue_declare(
            queue.name,
            durable=queue.kind is QueueKind.QUORUM or not queue.exclusive,
            exclusive=queue.exclusive,
            arguments=dict(queue.arguments()),
        )
        await self.consuming.ask(order, channel)

    async def _bind(self, channel: Channel, bindings: tuple[Binding, ...]) -> None:
        # All but the last without an answer each: the broker works in order, so the last answer is that of all.
        for place, binding in enumerate(bindings):
            quiet = place + 1 < len(bindings)
            await self.consuming.ask(channel.rpc(_bind_method(binding, quiet)), channel)


def _bind_method(binding: Binding, quiet: bool) -> spec.Exchange.Bind | spec.Queue.Bind:
    if binding.to_exchange:
        return spec.Exchange.Bind(0, binding.destination, binding.source, binding.key, quiet, {})
    return spec.Queue.Bind(0, binding.destination, binding.source, binding.key, quiet, {})
