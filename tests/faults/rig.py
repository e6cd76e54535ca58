"""Gateways and routers as real processes, on a broker and a store, with fault proxies between them where asked for."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import resource
import subprocess
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path
from signal import SIGCONT, SIGTERM
from urllib.parse import urlsplit, urlunsplit

from tests.faults.issuer import Issuer
from tests.faults.programs import ROOT, Program
from tests.support.broker import Broker, OwnBroker, Vhost
from tests.support.broker.disk import SmallDisk
from tests.support.errors import Missing
from tests.support.eventually import eventually
from tests.support.faketime import Clock
from tests.support.fault_proxy import FaultProxy
from tests.support.penstock import SECRET, token
from tests.support.ports import different_ports
from tests.support.store import OwnServer

READY_WITHIN = 60.0
"""Seconds until all have started; two are usual, more where many tests run."""

GATEWAYS_QUEUES = ("penstock.gateway.", "penstock.dropped.", "penstock.replies.")
PREFETCH = 16
"""Messages of one partition that a router takes at a time: few, so that it is soon full."""

RULES = [
    {"match": "fleeting.#", "history": 0},
    {"match": "load.#", "history": 5_000, "history_ttl": 600, "publish_rate": 1_000, "publish_burst": 1_000},
    {"match": "room.#", "presence": True},
    {"match": "short.#", "history": 20, "history_ttl": 600, "publish_rate": 1_000, "publish_burst": 1_000},
]

SETTINGS = {
    "PENSTOCK_LOG_FORMAT": "json",
    "PENSTOCK_AUTH__SECRET": SECRET,
    "PENSTOCK_TOPICS": json.dumps(RULES),
    "PENSTOCK_PREFETCH": str(PREFETCH),
    "PENSTOCK_USER_RATE": "5000",
    "PENSTOCK_USER_BURST": "5000",
    "PENSTOCK_CONNECTION_RATE": "5000",
    "PENSTOCK_CONNECTION_BURST": "5000",
    "PENSTOCK_GATEWAY__HEARTBEAT": "2",
    "PENSTOCK_GATEWAY__DRAIN": "2",
}

CLIENT, GATEWAY, ROUTER, STORE = "client", "gateway", "router", "store"
FRONT = "front"
"""A load balancer before all gateways, for clients that know one address."""


@dataclass(frozen=True)
class Layout:
    """What runs. `legs` are those with a proxy: client-gateway, gateway-broker, router-broker, router-store."""

    gateways: int = 2
    routers: int = 2
    legs: frozenset[str] = frozenset()
    settings: dict[str, str] = field(default_factory=dict)
    descriptors: int = 0
    """So many a process must be allowed to have."""
    clocks: bool = False
    """Whether each process has a time of day of its own."""
    router: str = "penstock"
    """The module that routers are run from."""
    issuer: bool = False
    """Whether tokens are checked with the keys of an issuer, instead of a secret."""
    ids: bool = True
    """Whether the events of both back ends have message ids: what one without may suffer docs/topology.md says."""
    newcomers: bool = True
    """Whether new topics begin all the time."""
    pace: float = 1.0
    """How many times as long publishers wait between two messages."""


@dataclass(frozen=True)
class Places:
    """Where it runs: a broker, a virtual host of it, a store. Those that are our own may be ill-treated."""

    broker: Broker
    vhost: Vhost
    store_url: str
    own_store: OwnServer | None = None
    disk: SmallDisk | None = None
    """That of the broker, where it is a small one."""

    @property
    def own_broker(self) -> OwnBroker:
        assert isinstance(self.broker, OwnBroker), "this fault needs a broker of its own"
        return self.broker


@dataclass
class Rig:
    """What runs."""

    places: Places
    layout: Layout
    folder: Path
    seed: int
    gateways: list[Program] = field(default_factory=list)
    routers: list[Program] = field(default_factory=list)
    proxies: dict[str, FaultProxy] = field(default_factory=dict)
    """Those of the legs; each gateway has a client leg of its own, by its name."""
    clocks: dict[str, Clock] = field(default_factory=dict)
    """Those of the programs by name, where the layout has clocks."""
    doors: dict[str, int] = field(default_factory=dict)
    """The port at which clients find each gateway."""
    issuer: Issuer | None = None
    exits: contextlib.AsyncExitStack = field(default_factory=contextlib.AsyncExitStack)

    @property
    def token(self) -> Callable[..., str]:
        """What makes the tokens of clients."""
        return token if self.issuer is None else self.issuer.token

    @property
    def programs(self) -> list[Program]:
        return [*self.gateways, *self.routers]

    @property
    def urls(self) -> dict[str, str]:
        """Where clients find each gateway."""
        return {name: f"ws://127.0.0.1:{port}/ws" for name, port in self.doors.items()}

    @property
    def front_url(self) -> str:
        """Where clients find any gateway."""
        return f"ws://127.0.0.1:{self.proxies[FRONT].port}/ws"

    def client_leg(self, gateway: Program) -> FaultProxy:
        return self.proxies[gateway.name]

    async def start(self) -> None:
        """Start everything, and return when it serves."""
        _allow_descriptors(self.layout.descriptors)
        if self.layout.issuer:
            self.issuer = await self.exits.enter_async_context(Issuer())
        amqp, store = urlsplit(self.places.vhost.amqp_url), urlsplit(self.places.store_url)
        for leg, url in ((GATEWAY, amqp), (ROUTER, amqp), (STORE, store)):
            if leg in self.layout.legs:
                await self._proxy(leg, (url.hostname or "", url.port or 0))
        for number in range(self.layout.routers):
            self.add_router(number)
        for number in range(self.layout.gateways):
            await self._add_gateway(number)
        await self._proxy(FRONT, *(("127.0.0.1", port) for port in self.doors.values()))
        await self.all_ready()

    def add_router(self, number: int) -> Program:
        """Start one more router."""
        [port] = different_ports(1)
        name = f"router-{number}"
        environment = self._environment(ROUTER) | self._clock(name) | {"PENSTOCK_METRICS_PORT": str(port)}
        router = Program(name, ["router"], port, self.folder, environment, self.layout.router)
        router.start()
        self.routers.append(router)
        return router

    async def _add_gateway(self, number: int) -> None:
        [port] = different_ports(1)
        name = f"gateway-{number}"
        environment = self._environment(GATEWAY) | self._clock(name) | {"PENSTOCK_PORT": str(port)}
        gateway = Program(name, ["gateway"], port, self.folder, environment)
        gateway.start()
        self.gateways.append(gateway)
        self.doors[gateway.name] = port
        if CLIENT in self.layout.legs:
            self.doors[gateway.name] = (await self._proxy(gateway.name, ("127.0.0.1", port))).port

    async def ready(self, program: Program, within: float = READY_WITHIN) -> None:
        """Wait until it serves."""
        await eventually(lambda: asyncio.to_thread(program.is_ready), within)

    async def all_ready(self) -> None:
        """Wait until everything that runs serves."""
        for program in self.programs:
            if program.is_running:
                await self.ready(program)

    def stop(self) -> list[str]:
        """Stop what still runs, as an operator does; return what did not end well, in words."""
        wrong = []
        running = [program for program in self.programs if program.is_running]
        for program in running:
            program.signal(SIGCONT)
            program.signal(SIGTERM)
        for program in running:
            try:
                code = program.ended(20.0)
            except subprocess.TimeoutExpired:
                wrong.append(f"{program.name} did not end within 20 s of SIGTERM")
                program.kill()
            else:
                if code:
                    wrong.append(f"{program.name} ended with {code} after SIGTERM: {program.last_words()[-300:]}")
        return wrong

    def kill(self) -> None:
        """End everything at once."""
        for program in self.programs:
            program.kill()

    async def _proxy(self, name: str, *servers: tuple[str, int]) -> FaultProxy:
        proxy = await self.exits.enter_async_context(FaultProxy(*servers, seed=self.seed))
        self.proxies[name] = proxy
        return proxy

    def _environment(self, leg: str) -> dict[str, str]:
        mine = {name: value for name, value in os.environ.items() if not name.startswith("PENSTOCK_")}
        usual = dict(SETTINGS)
        if self.issuer is not None:
            usual["PENSTOCK_AUTH__JWKS_URL"] = self.issuer.url
            del usual["PENSTOCK_AUTH__SECRET"]
        return {
            **mine,
            "PYTHONPATH": str(ROOT),
            **usual,
            "PENSTOCK_AMQP_URL": self._through(leg, self.places.vhost.amqp_url),
            "PENSTOCK_STORE_URL": self._through(STORE, self.places.store_url),
            **self.layout.settings,
        }

    def _clock(self, name: str) -> dict[str, str]:
        if not self.layout.clocks:
            return {}
        clock = self.clocks[name] = Clock(self.folder / f"{name}.clock")
        return clock.environment()

    def _through(self, leg: str, url: str) -> str:
        if leg not in self.proxies:
            return url
        parts = urlsplit(url)
        user, at, _ = parts.netloc.rpartition("@")
        return urlunsplit(parts._replace(netloc=f"{user}{at}127.0.0.1:{self.proxies[leg].port}"))


def _allow_descriptors(count: int) -> None:
    """Raise our own limit, which the programs inherit; `Missing` where it cannot be raised so far."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < count:
        raise Missing(f"this fault needs {count} file descriptors for a process, and {hard} are allowed: ulimit -Hn")
    if soft != resource.RLIM_INFINITY and soft < count:
        resource.setrlimit(resource.RLIMIT_NOFILE, (count, hard))


@contextlib.asynccontextmanager
async def running(places: Places, layout: Layout, folder: Path, seed: int) -> AsyncIterator[Rig]:
    """Run it; at the end nothing of it is left, whatever happened."""
    rig = Rig(places, layout, folder, seed)
    async with rig.exits:
        try:
            await rig.start()
            yield rig
        finally:
            rig.kill()
