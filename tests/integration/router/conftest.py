"""Routers and a gateway on a real RabbitMQ."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from router.app import Router
from router.settings import RouterSettings
from shared.bus.amqp import AmqpBus
from shared.errors import StoreAway
from shared.store.memory import MemoryStore
from tests.support.broker import Vhost
from tests.unit.router.builders import SECRET
from tests.unit.router.edge import Edge

Started = Callable[..., Awaitable[tuple[Router, AmqpBus]]]


@pytest.fixture
async def edge(vhost: Vhost) -> AsyncIterator[Edge]:
    """A gateway that hears everything; the topology is there."""
    bus = AmqpBus(vhost.amqp_url, "edge")
    await bus.open()
    edge = Edge(bus)
    await edge.start()
    yield edge
    await bus.close()


class LeavingStore(MemoryStore):
    """A store that can be away."""

    away = False

    async def admit(self, commands, now, turn=None):
        self._reach()
        return await super().admit(commands, now, turn)

    async def read(self, reads, now):
        self._reach()
        return await super().read(reads, now)

    async def recent(self, within, now):
        self._reach()
        return await super().recent(within, now)

    async def age(self, now):
        self._reach()
        return await super().age(now)

    def _reach(self):
        if self.away:
            raise StoreAway("the test took it away")


@pytest.fixture
def store() -> LeavingStore:
    """The store that all routers of a test share."""
    return LeavingStore()


@pytest.fixture
async def start(vhost: Vhost, edge: Edge, store: LeavingStore) -> AsyncIterator[Started]:
    """Starts routers, each on a bus of its own."""
    running: list[tuple[Router, AmqpBus]] = []

    async def start(name: str = "router", **settings: object) -> tuple[Router, AmqpBus]:
        bus = AmqpBus(vhost.amqp_url, name)
        await bus.open()
        told = RouterSettings(**({"auth": {"secret": SECRET}} | settings))
        router = Router(told, bus, store, name=name)
        await router.start()
        running.append((router, bus))
        return router, bus

    yield start
    for router, bus in running:
        await router.stop()
        await bus.close()
