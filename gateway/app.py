"""Puts a gateway together, starts it and stops it."""

from __future__ import annotations

import logging
import secrets
from collections.abc import Callable
from functools import partial

from gateway.addresses import TrustedProxies
from gateway.admission import Admission, AdmissionLimits
from gateway.binder import SlotBinder
from gateway.canary import Canary
from gateway.census import SESSION as CENSUS_SESSION
from gateway.census import Census
from gateway.codecs import DIALECTS
from gateway.counters import Counters
from gateway.deadlines import RequestDeadlines
from gateway.degradation import Degradation
from gateway.downlink import Downlink
from gateway.drain import drain
from gateway.dropped import DroppedWatch
from gateway.events import EventDoor
from gateway.fanout import Fanout
from gateway.flood import FRAME_BYTES, FloodLimits
from gateway.healing import SESSION as HEALER_SESSION
from gateway.healing import Healer
from gateway.losses import SESSION as LOSSES_SESSION
from gateway.losses import Losses
from gateway.origins import Origins
from gateway.performer import Performer
from gateway.presence import Presence
from gateway.probe import SESSION as PROBE_SESSION
from gateway.probe import Probe
from gateway.reception import ConnectionLimits, Reception
from gateway.reports import SESSION as PRESENCE_SESSION
from gateway.session import SessionLimits
from gateway.settings import GatewaySettings
from gateway.transports.counters import PortCounters
from gateway.transports.http_door import HttpDoor
from gateway.transports.listener import Listener
from gateway.uplink import Uplink
from gateway.wheel import Wheel
from shared import envelopes, health
from shared.bus import topology
from shared.bus.port import Bus
from shared.clock import monotonic

log = logging.getLogger(__name__)


class Gateway:
    """One edge process's worth of gateway. `metrics` returns what ``GET /metrics`` shows."""

    def __init__(self, settings: GatewaySettings, bus: Bus, *, metrics: Callable[[], bytes] = bytes) -> None:
        self.boot_id = secrets.token_hex(6)
        self.counters = Counters()
        self._settings = settings
        self._bus = bus
        limits = settings.gateway
        self._fanout = Fanout(DIALECTS, self.counters, max_interval=limits.flush_interval_ms / 1000)
        self._uplink = Uplink(
            bus,
            self.boot_id,
            self.counters,
            self._answer,
            window=limits.uplink_window,
            high_water=limits.uplink_high_water,
        )
        self._healer = Healer(self._fanout, self._uplink.ask, self.counters, window_bytes=limits.window_bytes)
        self._losses = Losses(
            self._healer, self._uplink.ask, self.counters, lambda pattern: self._reception.send_back(pattern)
        )
        self._dropped = DroppedWatch(bus, self.boot_id, self._losses.dropped)
        self._binder = SlotBinder(
            bus, self.boot_id, self.counters, linger=limits.slot_linger, patience=limits.request_timeout
        )
        self._canary = Canary(
            bus, self.boot_id, lambda since: self._binder.renew(partial(self._losses.unbound, since))
        )
        self._deadlines = RequestDeadlines(limits.request_timeout, self._expire)
        self._wheel = Wheel()
        self._census = Census(self.boot_id, self._uplink.ask)
        self._presence = Presence(self.boot_id, self._fanout, self._uplink.ask, self.counters)
        admission = Admission(_admission_limits(settings))
        self._performer = Performer(
            self._fanout,
            self._healer,
            self._uplink,
            self._binder,
            self._deadlines,
            admission,
            self._wheel,
            self._presence,
            self.counters,
            max_bytes=limits.max_frame_bytes,
        )
        self._reception = Reception(
            self.boot_id,
            self._performer,
            self._wheel,
            admission,
            Origins(settings.allowed_origins, development=settings.environment == "development"),
            TrustedProxies(settings.trusted_proxies),
            self.counters,
            session_limits(settings),
            ConnectionLimits(min(limits.max_early_frame_bytes, limits.max_frame_bytes), limits.outbox_bytes),
        )
        self._degradation = Degradation(lambda: self._reception.connections, self._fanout, self.counters)
        self._downlink = Downlink(
            bus,
            self.boot_id,
            self.counters,
            deliver=self._healer.take,
            answer=self._answer,
            kick=self._reception.kick,
            notice=self._presence.notice,
        )
        self._probe = Probe(self._uplink.ask, self._binder.doubt)
        self.port_counters = PortCounters()
        self._http = HttpDoor(
            settings,
            self.port_counters,
            emit=EventDoor(bus, self.counters).emit,
            ready=self.readiness,
            metrics=metrics,
            sessions=self._census.sessions,
        )
        self._listener = Listener(settings, self._reception.welcome, self._http.take, self.port_counters)

    def readiness(self) -> health.Answer:
        """Return what ``GET /readyz`` says."""
        return health.readyz(
            now=monotonic(),
            last_probe=self._probe.answered_at,
            bus=self._bus.state.value,
            binding=self._binder.works,
            draining=not self._reception.is_open,
        )

    async def start(self) -> tuple[str, int]:
        """Begin to serve; return host and port. The bus must be open."""
        await self._bus.declare(topology.common())
        await self._bus.declare(topology.gateway(self.boot_id))
        self._bus.watch(self._degradation.bus_changed)
        self._bus.watch(self._losses.bus_changed)
        self._losses.start()
        self._healer.start()
        await self._downlink.start()
        await self._dropped.start()
        self._binder.start()
        self._canary.start()
        self._wheel.start(self._tick)
        self._probe.start()
        self._presence.start()
        host, port = await self._listener.start()
        log.info("gateway listens on %s:%d", host, port, extra={"event": "gateway.started", "host": host, "port": port})
        return host, port

    async def stop(self) -> None:
        """Send the clients elsewhere, then let go of everything.

        1. Take no new connections, so that the crowd only gets smaller.
        2. Tell clients to come back elsewhere, a batch at a time: they resume there while we still deliver here.
        3. Stop reading from the bus, last: until a client is gone it gets what comes.
        """
        self._reception.is_open = False
        await self._listener.stop_accepting()
        await drain(self._reception.connections, self._performer, within=self._settings.gateway.drain)
        self._probe.stop()
        await self._presence.stop()
        self._degradation.stop()
        self._healer.stop()
        self._losses.stop()
        await self._dropped.stop()
        await self._downlink.stop()
        await self._canary.stop()
        await self._binder.stop()
        self._deadlines.close()
        await self._listener.close()
        await self._http.close()
        self._wheel.stop()
        log.info("gateway stopped", extra={"event": "gateway.stopped"})

    def _answer(self, reply: envelopes.AnyReply) -> None:
        if reply.session == HEALER_SESSION:
            self._healer.answer(reply)
        elif reply.session == LOSSES_SESSION:
            self._losses.answer(reply)
        elif reply.session == CENSUS_SESSION:
            self._census.answer(reply)
        elif reply.session == PRESENCE_SESSION:
            self._presence.answer(reply)
        elif reply.session != PROBE_SESSION:
            self._reception.answer(reply)
        elif isinstance(reply, envelopes.Probed):
            self._probe.answered()

    def _expire(self, session: int, request: int) -> None:
        self._reception.expire(session, request)

    def _tick(self, numbers: list[int], lag: float) -> None:
        if lag:
            self.counters.stalls += 1
            self.counters.stalled_seconds += lag
        self._reception.tick(numbers)


def session_limits(settings: GatewaySettings) -> SessionLimits:
    """Return what a gateway holds its sessions to."""
    limits = settings.gateway
    return SessionLimits(
        # What the bytes of the largest message cost does not count as frames, nor what a subscription's past may need.
        flood=FloodLimits(
            limits.frame_rate,
            limits.frame_burst + limits.max_frame_bytes // FRAME_BYTES,
            limits.flood_tolerance,
            free=limits.max_subscriptions * limits.max_frame_bytes // FRAME_BYTES,
        ),
        max_subscriptions=limits.max_subscriptions,
        max_pending=limits.max_pending_requests,
        request_timeout=limits.request_timeout,
        connect_timeout=limits.connect_timeout,
        heartbeat=limits.heartbeat,
        heartbeat_grace=limits.heartbeat_grace,
    )


def _admission_limits(settings: GatewaySettings) -> AdmissionLimits:
    limits = settings.gateway
    return AdmissionLimits(
        connections=limits.max_connections,
        unauthenticated=limits.max_unauthenticated,
        per_address=limits.max_per_address,
        per_user=limits.max_per_user,
    )
