"""What the contract's tests need of a bus and its broker, whichever it is."""

import asyncio
import contextlib
from collections.abc import Sequence
from typing import Protocol
from urllib.parse import urlsplit, urlunsplit

from shared.bus.amqp import AmqpBus
from shared.bus.memory import MemoryBroker, MemoryBus
from shared.bus.port import Bus, Intake, Message, Received, Source
from shared.errors import BusAway
from tests.contract.bus.proxy import Proxy
from tests.support.broker import Broker, Vhost
from tests.support.eventually import eventually


class Harness(Protocol):
    """A broker of the test's own, as empty as on its first day."""

    balances: bool
    """Whether a partition moves to a consumer of higher priority that comes later."""

    async def bus(self, name: str = "test") -> Bus:
        """A bus that is open; it is closed after the test."""

    async def cut(self, bus: Bus) -> None:
        """Break the bus's connection, without a word; it will come back. Returns when it is known to be lost."""

    async def kill(self, bus: Bus) -> None:
        """End the bus as if its process were killed."""

    async def stop(self) -> None:
        """Clean up."""


class MemoryHarness:
    balances = True

    def __init__(self) -> None:
        self._broker = MemoryBroker()
        self._buses: list[MemoryBus] = []

    async def bus(self, name: str = "test") -> Bus:
        bus = MemoryBus(self._broker, name)
        self._buses.append(bus)
        await bus.open()
        return bus

    async def cut(self, bus: Bus) -> None:
        assert isinstance(bus, MemoryBus)
        bus.lose("cut by a test")

    async def kill(self, bus: Bus) -> None:
        assert isinstance(bus, MemoryBus)
        bus.crash()

    async def stop(self) -> None:
        for bus in self._buses:
            await bus.close()


class RabbitHarness:
    def __init__(self, vhost: Vhost, broker: Broker) -> None:
        self.balances = broker.version >= (4, 0)
        self._url = urlsplit(vhost.amqp_url)
        self._proxies: dict[Bus, Proxy] = {}

    async def bus(self, name: str = "test") -> Bus:
        proxy = Proxy(self._url.hostname or "", self._url.port or 5672)
        await proxy.start()
        user = self._url.netloc.rpartition("@")[0]
        url = urlunsplit(self._url._replace(netloc=f"{user}@127.0.0.1:{proxy.port}"))
        bus = AmqpBus(url, name)
        self._proxies[bus] = proxy
        await bus.open()
        return bus

    async def cut(self, bus: Bus) -> None:
        lost = bus.counters.connections_lost
        self._proxies[bus].cut()
        await eventually(lambda: bus.counters.connections_lost > lost)

    async def kill(self, bus: Bus) -> None:
        proxy = self._proxies.pop(bus)
        await proxy.stop()
        await bus.close()

    async def stop(self) -> None:
        for bus, proxy in self._proxies.items():
            await bus.close()
            await proxy.stop()


class Taker:
    """Takes what comes from some queues, in order, and acknowledges at once where it is told to."""

    def __init__(self, bus: Bus, *, acks: bool = True) -> None:
        self.bus = bus
        self.received: list[Received] = []
        self.intake: Intake | None = None
        self._acks = acks

    async def take(self, *queues: str, prefetch: int = 100, priority: int = 0) -> "Taker":
        return await self.take_from([Source(queue, priority) for queue in queues], prefetch)

    async def take_from(self, sources: Sequence[Source], prefetch: int = 100) -> "Taker":
        self.intake = await self.bus.consume(sources, self.handle, prefetch=prefetch)
        return self

    @property
    def bodies(self) -> list[bytes]:
        return [received.body for received in self.received]

    async def has(self, count: int) -> list[Received]:
        """Wait for *count* messages, and return them."""
        await eventually(lambda: len(self.received) >= count)
        return self.received

    def ack(self, received: Received, *, through: bool = False) -> None:
        assert self.intake is not None
        self.intake.ack(received, through=through)

    def reject(self, received: Received, *, requeue: bool) -> None:
        assert self.intake is not None
        self.intake.reject(received, requeue=requeue)

    def handle(self, received: Received) -> None:
        self.received.append(received)
        if self._acks:
            self.ack(received)


async def send(bus: Bus, exchange: str, key: str, bodies: Sequence[bytes]) -> None:
    """Publish *bodies* one after the other, and wait until all are confirmed."""
    await asyncio.gather(*[bus.publish(exchange, key, Message(body)) for body in bodies])


async def settled(bus: Bus, queue: str, messages: int) -> None:
    """Wait until *queue* holds as many *messages* that nobody has in hand."""

    async def holds() -> bool:
        depth = await bus.depth(queue)
        return depth is not None and depth.messages == messages

    await eventually(holds)


async def gone(bus: Bus, queue: str) -> None:
    """Wait until there is no *queue*, which was another bus's."""

    async def is_gone() -> bool:
        try:
            return await bus.depth(queue) is None
        except BusAway:
            return False

    await eventually(is_gone)


async def outcome(future: asyncio.Future[None]) -> BaseException | None:
    """Wait for a confirm, and return the error instead of raising it."""
    with contextlib.suppress(Exception):
        await future
    return future.exception()
