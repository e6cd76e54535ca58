"""Penstock as it runs, in the test's own event loop: gateways, routers, a bus, real sockets on loopback.

::

    async with running(gateway={"max_per_user": 2}) as penstock, penstock.neighbour():
        client = await penstock.connect(token("ada", subscribe=["orders.*"]))
        await client.request("subscribe", topic="orders.*")
        await penstock.emit("orders.1", {"n": 1})
        assert (await client.message())["data"] == {"n": 1}

While it runs every log line is kept, down to DEBUG. At the end none of them may hold a token, or `CANARY`.
"""

from __future__ import annotations

import contextlib
import itertools
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import jwt
import msgspec

from gateway.app import Gateway
from gateway.counters import Counters
from gateway.settings import GatewaySettings
from gateway.transports.counters import PortCounters
from router.app import Router
from router.settings import RouterSettings
from shared.bus.amqp import AmqpBus
from shared.bus.memory import MemoryBroker, MemoryBus
from shared.bus.port import Bus, Message
from shared.bus.topology import EVENTS
from shared.store.memory import MemoryStore
from tests.support.client import Client, Raw, open_socket
from tests.support.neighbour import Neighbour
from tests.support.said import Said

SECRET = "a secret for tests, 32 bytes and more of it"
API_KEY = "an-api-key-for-tests"
CANARY = "canary-3f9c1d"
"""A word in payloads that must never be seen in a log line."""

_tokens: list[str] = []


def token(
    user: str = "ada",
    *,
    subscribe: Sequence[str] = ("#",),
    publish: Sequence[str] = ("#",),
    ttl: float = 3600,
    key: Any = SECRET,
    algorithm: str = "HS256",
    **claims: Any,
) -> str:
    """Return a signed token; `ttl` is seconds, and `claims` are added to the usual ones, or replace them."""
    signed = jwt.encode(claims_of(user, subscribe, publish, ttl) | claims, key, algorithm=algorithm)
    _tokens.append(signed)
    return signed


def claims_of(user: str, subscribe: Sequence[str], publish: Sequence[str], ttl: float) -> dict[str, Any]:
    """Return what a token says; `ttl` is seconds."""
    now = time.time()
    rights = {"subscribe": list(subscribe), "publish": list(publish)}
    return {"sub": user, "iat": int(now), "exp": int(now + ttl), "penstock": rights}


@dataclass
class Edge:
    """One gateway, and what is its alone."""

    gateway: Gateway
    bus: Any
    address: tuple[str, int]

    @property
    def counters(self) -> Counters:
        return self.gateway.counters

    @property
    def port(self) -> PortCounters:
        return self.gateway.port_counters

    @property
    def url(self) -> str:
        return "ws://{}:{}/ws".format(*self.address)

    @property
    def http(self) -> str:
        return "http://{}:{}".format(*self.address)


@dataclass
class Desk:
    """One router, and what is its alone."""

    router: Router
    bus: Any
    store: MemoryStore


@dataclass
class Penstock:
    """What runs. Verbs that take an `edge` use the first gateway unless they are told another."""

    amqp_url: str | None
    settings: dict[str, Any]
    said: Said
    broker: MemoryBroker = field(default_factory=MemoryBroker)
    edges: list[Edge] = field(default_factory=list)
    desks: list[Desk] = field(default_factory=list)
    _exits: contextlib.AsyncExitStack = field(default_factory=contextlib.AsyncExitStack)
    _back_end: Any = None
    _names: Any = field(default_factory=itertools.count)

    @property
    def counters(self) -> Counters:
        """What the first gateway counts."""
        return self.edges[0].counters

    @property
    def port(self) -> PortCounters:
        """What the first gateway's port counts."""
        return self.edges[0].port

    @property
    def router(self) -> Router:
        """The first router."""
        return self.desks[0].router

    def make_bus(self, name: str) -> Any:
        """Return a bus of its own to the one broker, not open yet."""
        return AmqpBus(self.amqp_url, name) if self.amqp_url else MemoryBus(self.broker, name)

    async def add_router(self, **settings: Any) -> Desk:
        """Start one more router."""
        bus = await self.open_bus(f"router {next(self._names)}")
        store = MemoryStore()
        router = Router(RouterSettings(**self.settings | settings), bus, store)
        self._exits.push_async_callback(router.stop)
        await router.start()
        self.desks.append(Desk(router, bus, store))
        return self.desks[-1]

    async def add_gateway(self, **settings: Any) -> Edge:
        """Start one more gateway."""
        bus = await self.open_bus(f"gateway {next(self._names)}")
        gateway = Gateway(GatewaySettings(**self.settings | settings), bus)
        self._exits.push_async_callback(gateway.stop)
        self.edges.append(Edge(gateway, bus, await gateway.start()))
        return self.edges[-1]

    async def open(self, edge: Edge | None = None, **options: Any) -> Client:
        """Return a client that has not said yet who it is; `options` are those of `open_socket`."""
        client = await open_socket((edge or self.edges[0]).url, **options)
        self._exits.push_async_callback(client.leave)
        return client

    async def connect(self, bearer: str | None = None, edge: Edge | None = None, **options: Any) -> Client:
        """Return an authenticated client, with every right unless its token says otherwise."""
        client = await self.open(edge, **options)
        connected = await client.request("connect", token=bearer or token())
        assert connected["type"] == "connected", connected
        return client

    async def subscribed(self, *patterns: str, bearer: str | None = None, **options: Any) -> Client:
        """Return a client that hears these."""
        client = await self.connect(bearer, **options)
        for pattern in patterns:
            answer = await client.request("subscribe", topic=pattern)
            assert answer["type"] == "subscribed", answer
        return client

    async def raw(self, edge: Edge | None = None, **options: Any) -> Raw:
        """Return a bare TCP connection."""
        raw = await Raw.to((edge or self.edges[0]).address, **options)
        self._exits.callback(raw.close)
        return raw

    async def emit(self, topic: str, data: Any = None, *, body: bytes | None = None, **properties: Any) -> None:
        """Publish an event as a back end does, and wait for its confirm."""
        if self._back_end is None:
            self._back_end = await self.open_bus("back end")
        message = Message(msgspec.json.encode(data) if body is None else body, **properties)
        await self._back_end.publish(EVENTS, topic, message, mandatory=True)

    def neighbour(self, edge: Edge | None = None) -> Neighbour:
        """Return somebody who must not be harmed by what happens in the ``async with`` of it."""
        bearer = token("neighbour", subscribe=["neighbour.#"], publish=[])
        return Neighbour(lambda: self.subscribed("neighbour.*", bearer=bearer, edge=edge), self.emit)

    async def open_bus(self, name: str) -> Bus:
        """Return a bus of its own to the one broker, open."""
        bus: Bus = self.make_bus(name)
        self._exits.push_async_callback(bus.close)
        await bus.open()
        return bus


@contextlib.asynccontextmanager
async def running(
    amqp_url: str | None = None, *, gateways: int = 1, routers: int = 1, **settings: Any
) -> AsyncIterator[Penstock]:
    """Run it: over RabbitMQ where a URL is given, else on the memory bus. `settings` are everybody's."""
    told = {"host": "127.0.0.1", "port": 0, "auth": {"secret": SECRET}, "api_keys": (API_KEY,), **settings}
    told["gateway"] = {"drain": 0} | dict(settings.get("gateway", {}))
    with Said.everything() as said:
        penstock = Penstock(amqp_url, told, said)
        async with penstock._exits:
            for _ in range(routers):
                await penstock.add_router()
            for _ in range(gateways):
                await penstock.add_gateway()
            yield penstock
        said.never(CANARY, SECRET, API_KEY, *_tokens)
        _tokens.clear()
