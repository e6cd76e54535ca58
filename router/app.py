"""The router put together: settings in, a service out."""

from __future__ import annotations

import logging
from secrets import token_hex

from router.counters import Counters
from router.events import Events
from router.inquiries import Inquiries
from router.intake import Intake
from router.limits import Limits, Rate
from router.outlet import Outlet
from router.parking import Parking
from router.payloads import Payloads
from router.pipeline import Pipeline
from router.requests import Requests
from router.rollcall import RollCall
from router.rules import Rules
from router.settings import RouterSettings
from router.storage import Storage
from router.trust import trust
from shared.bus import topology
from shared.bus.port import Bus, BusState
from shared.store.memory import MemoryStore
from shared.store.port import Store

log = logging.getLogger(__name__)


class Router:
    """One router. `bus` is open when it starts; bus and store belong to the caller, who closes them after `stop`.

    `name` tells routers apart, on the broker and in dead letters; each start has a new one. Raises
    `ConfigurationError` where the settings name no key for tokens, or one that cannot be used.
    """

    def __init__(self, settings: RouterSettings, bus: Bus, store: Store, *, name: str | None = None) -> None:
        self.name = name or token_hex(8)
        self.counters = Counters()
        self._bus = bus
        trusted = trust(settings.auth)
        self.jwks = trusted.jwks
        rules = Rules(settings.rules)
        payloads = Payloads(settings.max_payload_bytes, settings.max_payload_depth)
        limits = Limits(
            Rate(settings.connection_rate, settings.connection_burst), Rate(settings.user_rate, settings.user_burst)
        )
        self._storage = Storage(store, MemoryStore(settings.max_limit_keys), self.counters)
        self._intake = Intake(
            bus,
            self._storage,
            Pipeline(
                Requests(trusted.verifier, rules, limits, payloads, settings.presence_linger),
                Events(rules, payloads),
                Inquiries(rules),
            ),
            Parking(settings.max_parked),
            Outlet(bus, self.counters, self.name),
            self.counters,
            RollCall(self._storage, bus, settings.presence_lease),
            router_id=self.name,
            prefetch=settings.prefetch,
        )

    @property
    def healthy(self) -> bool:
        """Say whether this router does its work: it takes turns, has its bus, and has its store."""
        return self._intake.running and self._bus.state is not BusState.AWAY and not self.store_away

    @property
    def store_away(self) -> bool:
        """Say whether the store cannot be reached: what topics with history get is then held or refused."""
        return self._storage.away

    async def start(self) -> None:
        """Declare what every process declares, and begin to consume; return when both are done.

        Raises `ConfigurationError` where the broker holds things of our names and another shape, `BusAway` where the
        bus is not open.
        """
        await self._bus.declare(topology.common())
        if self.jwks is not None:
            self.jwks.on_answer = self._intake.keys_came
            await self.jwks.start()
        await self._intake.start()
        log.info("router started", extra={"event": "router.started", "router": self.name})

    async def stop(self) -> None:
        """Finish and acknowledge what has begun, and give back the rest, in its order; see `Intake.stop`."""
        await self._intake.stop()
        if self.jwks is not None:
            await self.jwks.stop()
        log.info("router stopped", extra={"event": "router.stopped", "router": self.name})
