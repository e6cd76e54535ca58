"""`penstock up`: gateway, router and workers in one process, on a memory bus or on RabbitMQ."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from gateway.app import Gateway
from gateway.settings import GatewaySettings
from gateway.transports.listener import bind
from penstock import local, tokens
from penstock.alone import guarded
from penstock.broker import identity
from penstock.composition import OpenBus, OpenStore, load, make_bus, make_store
from penstock.local import Door
from penstock.measuring import measured
from penstock.settings import ProcessSettings
from router.app import Router
from router.settings import RouterSettings
from shared.bus.memory import MemoryBroker
from shared.lifecycle import Service
from shared.telemetry.logs import LogCounters
from workers.app import Worker
from workers.settings import WorkerSettings

DEVELOPER = "developer"


@dataclass(frozen=True, slots=True)
class Programs:
    """The settings of everything that runs in the process."""

    process: ProcessSettings
    gateway: GatewaySettings
    router: RouterSettings
    worker: WorkerSettings
    made_secret: str | None
    """The secret that was made up, since none was given in development."""
    made_key: str | None
    """The API key, likewise."""


def programs(options: Mapping[str, Any], before: Door | None) -> Programs:
    """Read all settings; in development make up what nobody gave, or take what was made up `before`.

    Raises `ConfigurationError` for a wrong setting, and in production for a missing one.
    """
    process, router = load(ProcessSettings, options), load(RouterSettings, options)
    gateway = load(GatewaySettings, options)
    development = process.environment == "development"
    secret = key = None
    if development and not router.auth.has_key:
        secret = _secret(process, before)
        router = router.with_secret(secret)
    if development and not gateway.api_keys:
        key = (before and before.api_key) or tokens.make_secret()
        gateway = load(GatewaySettings, {**options, "api_keys": (key,)})
    return Programs(process, gateway, router, load(WorkerSettings, options), secret, key)


def _secret(process: ProcessSettings, before: Door | None) -> str:
    """Return the secret from `before`, or a new one; on RabbitMQ that of everybody there, who get each other's work."""
    made = (before and before.secret) or tokens.make_secret()
    if process.amqp_url is None:
        return made
    return local.common_secret(identity(process.amqp_url.get_secret_value()), made)


class FreePort:
    """What is looked at before anything is begun: that the gateway will be able to listen."""

    def __init__(self, settings: GatewaySettings) -> None:
        self._settings = settings

    async def start(self) -> None:
        """Raise `ConfigurationError` where the port is taken."""
        settings = self._settings
        for sock in await bind(settings.host, settings.port, reuse_port=settings.reuse_port):
            sock.close()

    async def stop(self) -> None:
        """Do nothing: it holds nothing."""


class Listening:
    """A gateway that keeps where it listens, once it does."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        self.address = ("", 0)

    async def start(self) -> None:
        """Listen; raise `ConfigurationError` where that cannot be."""
        self.address = await self._gateway.start()

    async def stop(self) -> None:
        """Send the clients elsewhere, and close the port."""
        await self._gateway.stop()


class AllInOne:
    """The services of one process, each with a bus of its own, as they have it in processes of their own."""

    def __init__(self, programs: Programs, log: LogCounters) -> None:
        broker = MemoryBroker() if programs.process.amqp_url is None else None
        buses = {name: make_bus(programs.process, broker, name) for name in ("router", "worker", "gateway")}
        store = make_store(programs.router)
        router = Router(programs.router, buses["router"], store)
        worker = Worker(programs.worker, buses["worker"])
        gateway = Gateway(programs.gateway, buses["gateway"], metrics=lambda: self.metrics.prometheus())
        self.listening = Listening(gateway)
        counters = {
            "router": router.counters,
            "store": store.counters,
            "worker": worker.counters,
            "gateway": gateway.counters,
            "port": gateway.port_counters,
        }
        self.metrics = measured(counters, buses, log)
        self.services: tuple[Service, ...] = (
            FreePort(programs.gateway),
            OpenStore(store),
            OpenBus(buses["router"]),
            *guarded(programs.process, buses["router"], router, in_memory=programs.router.store_url is None),
            OpenBus(buses["worker"]),
            worker,
            OpenBus(buses["gateway"]),
            self.listening,
        )
        """In the order of their start: clients come last, and leave first."""


def door(programs: Programs, port: int, host: str, now: float) -> Door:
    """Return how to get in, for commands on the same machine; `now` is seconds since 1970."""
    return Door(
        url=f"http://{_reachable(host)}:{port}",
        secret=programs.made_secret,
        api_key=programs.made_key,
        token=developer_token(programs, now),
    )


def developer_token(programs: Programs, now: float) -> str | None:
    """Return a token with every right, good for a day; None in production, and without a secret to sign with."""
    secret = programs.router.auth.secret
    if programs.process.environment == "production" or secret is None:
        return None
    payload = tokens.claims(DEVELOPER, now, tokens.DAY, ["#"], ["#"])
    return tokens.sign(payload, secret.get_secret_value(), "HS256")


def _reachable(host: str) -> str:
    """Return a host to connect to for one to listen on."""
    if host in ("", "0.0.0.0", "::"):
        return "127.0.0.1"
    return f"[{host}]" if ":" in host else host
