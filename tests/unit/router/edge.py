"""A gateway as a router sees it: asks, and keeps what comes back."""

from __future__ import annotations

from shared.bus import topology
from shared.bus.port import Bus, Message, Received, Source
from shared.envelopes import (
    VERSION,
    AnyReply,
    AnyRequest,
    Entry,
    FrameBatch,
    Grant,
    pack,
    read_deliveries,
    read_replies,
)


class Edge:
    """A gateway that hears every slot. `bus` is open."""

    def __init__(self, bus: Bus, name: str = "gateway-1") -> None:
        self.bus = bus
        self.name = name
        self.entries: list[Entry] = []
        self.replies: list[AnyReply] = []
        self.batches = 0

    async def start(self) -> None:
        """Have its queues, and hear everything."""
        await self.bus.declare(topology.common())
        await self.bus.declare(topology.gateway(self.name))
        await self.bus.bind(topology.gateway_queue(self.name), topology.DELIVER, [topology.ANY_SLOT])
        sources = [Source(topology.gateway_queue(self.name)), Source(topology.replies_queue(self.name))]
        self._intake = await self.bus.consume(sources, self._keep, prefetch=1000)

    async def ask(self, *requests: AnyRequest, grants: tuple[Grant, ...] = (), partition: int = 3) -> None:
        """Send a batch of requests, and return when the broker has it."""
        batch = FrameBatch(VERSION, self.name, [pack(each) for each in grants], list(requests))
        await self.send(pack(batch), partition)

    async def send(self, body: bytes, partition: int = 3) -> None:
        """Send anything as a batch."""
        await self.bus.publish(topology.FRAMES, str(partition), Message(body))

    async def emit(self, topic: str, body: bytes = b"1", **more: object) -> None:
        """Publish an event, as a back end does."""
        await self.bus.publish(topology.EVENTS, topic, Message(body, **more))  # type: ignore[arg-type]

    @property
    def payloads(self) -> list[bytes]:
        """The payloads that came, in order."""
        return [entry.payload for entry in self.entries]

    def _keep(self, received: Received) -> None:
        if received.queue == topology.replies_queue(self.name):
            self.replies += read_replies(received.body).items
        else:
            self.batches += 1
            self.entries += read_deliveries(received.body).items
        self._intake.ack(received)


async def waiting(bus: Bus) -> int:
    """How many messages wait in all partitions."""
    depths = [await bus.depth(topology.route_queue(each)) for each in range(topology.PARTITIONS)]
    return sum(depth.messages for depth in depths if depth is not None)
