"""A whole router on the memory bus, and a gateway beside it."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager

import pytest

from router import outlet, storage
from router.app import Router
from router.settings import RouterSettings
from shared.bus.memory import MemoryBroker, MemoryBus
from tests.support.eventually import eventually
from tests.unit.router.builders import SECRET, grant
from tests.unit.router.edge import Edge, waiting
from tests.unit.router.shelf import Shelf

ADA = (grant(expires=2**40),)


@pytest.fixture
def quick(monkeypatch, tmp_path):
    """Try again soon; have no settings but those of the test."""
    monkeypatch.setattr(outlet, "RETRY_CAP", 0.01)
    monkeypatch.setattr(storage, "RETRY_CAP", 0.01)
    monkeypatch.chdir(tmp_path)


class GatedStore(Shelf):
    """A store that answers when its gate is open."""

    def __init__(self):
        super().__init__()
        self.gate = asyncio.Event()
        self.gate.set()
        self.asked = 0

    async def admit(self, commands, now, turn=None):
        self.asked += 1
        await self.gate.wait()
        return await super().admit(commands, now, turn)


def made(bus, store=None, name=None, **settings):
    told = RouterSettings(**({"auth": {"secret": SECRET}} | settings))
    return Router(told, bus, store or Shelf(), name=name)


async def opened(broker, name="bus"):
    bus = MemoryBus(broker, name)
    await bus.open()
    return bus


@asynccontextmanager
async def routed(store=None, broker=None, **settings):
    """A broker, a router and a gateway."""
    broker = broker or MemoryBroker()
    edge = Edge(await opened(broker, "edge"))
    await edge.start()
    router = made(await opened(broker, "router"), store, **settings)
    await router.start()
    edge.broker = broker
    try:
        yield router, edge
    finally:
        broker.start()
        broker.unblock()
        await router.stop()


def router_bus(router):
    return router._bus


async def idle(router, edge):
    """Wait until everything that was sent to routers is done."""

    async def nothing_left():
        return not await waiting(edge.bus) and not router.counters.in_hand

    await eventually(nothing_left)
