"""Lets connections in, and hands what they say to their sessions."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Collection
from dataclasses import dataclass
from http import HTTPStatus
from itertools import count

from gateway import journal
from gateway.addresses import TrustedProxies
from gateway.admission import Admission, Verdict
from gateway.backlog import CAUSE as DROPPED
from gateway.backlog import Shed
from gateway.codecs import BadFrame, Dialect
from gateway.counters import Counters
from gateway.effects import Effect
from gateway.origins import Origins
from gateway.performer import CLOSE_TIMEOUT, Performer
from gateway.session import Session, SessionLimits
from gateway.transports.handshake import PATH, Handshake, Upgrade
from gateway.transports.listener import peer_of
from gateway.transports.websocket import Connection
from gateway.wheel import Wheel
from shared import envelopes
from shared.clock import monotonic
from shared.codes import CloseCode
from shared.frames import AnyClientFrame
from shared.topics import has_wildcard

RETRY_FULL = 5
"""Seconds that clients are told to wait when the gateway is full."""

MAX_FAREWELLS = 256
"""Connections too many from their address that are told so with 4104 at a time; further ones get 503 at once."""


@dataclass(frozen=True, slots=True)
class ConnectionLimits:
    """Bytes: the largest message of a client that is not authenticated yet, and the outbox."""

    max_early_bytes: int
    outbox_bound: int


class Reception:
    """Every connection of a gateway, by the number of its session."""

    def __init__(
        self,
        boot_id: str,
        performer: Performer,
        wheel: Wheel,
        admission: Admission,
        origins: Origins,
        proxies: TrustedProxies,
        counters: Counters,
        session_limits: SessionLimits,
        limits: ConnectionLimits,
    ) -> None:
        self.is_open = True
        self._boot_id = boot_id
        self._performer = performer
        self._wheel = wheel
        self._admission = admission
        self._origins = origins
        self._proxies = proxies
        self._counters = counters
        self._session_limits = session_limits
        self._limits = limits
        self._connections: dict[int, Connection] = {}
        self._numbers = count(1)
        self._farewells = 0
        self._loop = asyncio.get_running_loop()

    @property
    def connections(self) -> Collection[Connection]:
        """Return all connections, the closing ones among them."""
        return self._connections.values()

    def welcome(self, transport: asyncio.Transport, head: bytes) -> None:
        """Take a connection whose request for a WebSocket has been read: `head` are all bytes so far."""
        handshake = Handshake(head)
        upgrade = handshake.request()
        if upgrade is None:
            self._turn_away(transport, handshake.answer(), "malformed", "")
            return
        address = self._proxies.client_address(peer_of(transport), upgrade.forwarded_for)
        refusal = self._refusal(handshake, upgrade)
        if refusal is not None:
            status, reason = refusal
            retry_after = RETRY_FULL if status is HTTPStatus.SERVICE_UNAVAILABLE else None
            self._turn_away(transport, handshake.refuse(status, reason, retry_after), reason, address, upgrade.origin)
            return
        verdict = self._admission.enter(address)
        if verdict in (Verdict.FULL, Verdict.CROWDED) or (
            verdict is Verdict.ADDRESS and self._farewells >= MAX_FAREWELLS
        ):
            refusal_bytes = handshake.refuse(HTTPStatus.SERVICE_UNAVAILABLE, verdict.value, RETRY_FULL)
            self._turn_away(transport, refusal_bytes, verdict.value, address)
            return
        response, dialect = handshake.accept()
        if dialect is None:
            if verdict is Verdict.ADMITTED:
                self._admission.leave(address, None)
            self._turn_away(transport, response, "handshake", address)
            return
        transport.write(response)
        connection = self._seat(transport, dialect, address, upgrade.bearer, admitted=verdict is Verdict.ADMITTED)
        if verdict is not Verdict.ADMITTED:
            self._farewells += 1
            self._performer.end(connection, CloseCode.TOO_MANY_CONNECTIONS, verdict.value)
        elif handshake.early:
            connection.data_received(handshake.early)

    def answer(self, reply: envelopes.AnyReply) -> None:
        """Hand a router's answer, or a refusal in its stead, to the session that asked."""
        connection = self._connections.get(reply.session)
        if connection is None:
            self._counters.late_replies += 1
            return
        self._tell(connection, connection.session.answer, reply)

    def expire(self, session: int, request: int) -> None:
        """Tell a session that a request of it has waited long enough."""
        connection = self._connections.get(session)
        if connection is not None:
            self._tell(connection, connection.session.expire, request)

    def tick(self, numbers: list[int]) -> None:
        """Tell sessions that their time has come."""
        now = monotonic()
        for number in numbers:
            connection = self._connections.get(number)
            if connection is None:
                continue
            if connection.session.has_ended:
                connection.abort()
                continue
            self._performer.perform(connection, connection.session.tick(now))
            if not connection.session.has_ended:
                self._wheel.schedule(number, connection.session.deadline)

    def kick(self, kick: envelopes.Kick) -> None:
        """End the sessions that an order means."""
        for connection in list(self._connections.values()):
            if connection.session.is_meant_by(kick):
                self._counters.kicked += 1
                self._performer.end(connection, CloseCode.REVOKED, kick.reason)

    def send_back(self, pattern: str | None) -> None:
        """Have all who listen to a pattern, None for any, come back and resume: what they missed cannot be told."""
        for connection in list(self._connections.values()):
            topics = connection.session.topics
            if any(map(has_wildcard, topics)) if pattern is None else pattern in topics:
                self._counters.sent_back += 1
                self._performer.end(connection, CloseCode.DEGRADED, "what was missed of a pattern cannot be told")

    # What connections tell (`transports.websocket.Events`).

    def frame(self, connection: Connection, frame: AnyClientFrame) -> None:
        """Take a frame."""
        self._counters.frames_received += 1
        self._tell(connection, connection.session.receive, frame)

    def bad_frame(self, connection: Connection, bad: BadFrame) -> None:
        """Take what is no frame."""
        self._counters.frames_received += 1
        if bad.fatal:
            self._counters.bad_frames += 1
            self._performer.end(connection, CloseCode.BAD_FRAME, bad.reason)
        else:
            self._tell(connection, connection.session.refuse, bad.reason, bad.id)

    def large(self, connection: Connection, size: int) -> bool:
        """Say whether a large message may be read."""
        effects = connection.session.weigh(size, monotonic())
        self._performer.perform(connection, effects)
        return not effects

    def sign_of_life(self, connection: Connection) -> None:
        """Take a control frame or a fragment."""
        self._tell(connection, connection.session.hear)

    def broken(self, connection: Connection) -> None:
        """Take the end of a connection whose client broke the WebSocket protocol."""
        self._counters.bad_frames += 1
        self._performer.note_close(connection, *connection.farewell)
        self._performer.let_go(connection)
        self._wheel.schedule(connection.session.number, monotonic())

    def failed(self, connection: Connection, fault: Exception) -> None:
        """Take that we failed on what a client sent."""
        self._counters.faults += 1
        journal.failed(connection.session, fault)
        self._performer.end(connection, CloseCode.INTERNAL, "the gateway failed on what came; its log says where")

    def goodbye(self, connection: Connection) -> None:
        """Take that a client closed; it has its time to close the socket, too."""
        self._performer.let_go(connection)
        self._wheel.schedule(connection.session.number, monotonic() + CLOSE_TIMEOUT)

    def overflow(self, connection: Connection) -> None:
        """Take that a client is too slow; whoever is delivering just now must not find its lists changed."""
        self._loop.call_soon(self._performer.end, connection, CloseCode.SLOW, "too slow: messages would have been lost")

    def shed(self, shed: Shed) -> None:
        """Count what was left out for a slow client."""
        self._counters.dropped += shed.dropped
        self._counters.conflated += shed.conflated
        if shed.gaps:
            self._counters.gaps[DROPPED] += shed.gaps

    def lost(self, connection: Connection) -> None:
        """Forget a connection."""
        self._performer.let_go(connection)
        session = connection.session
        self._connections.pop(session.number, None)
        self._wheel.forget(session.number)
        self._counters.connections -= 1
        if connection.identified:
            self._counters.sessions -= 1
        if connection.admitted:
            self._admission.leave(session.address, session.user if connection.identified else None)
        else:
            self._farewells -= 1

    def _tell(self, connection: Connection, decide: Callable[..., list[Effect]], *news: object) -> None:
        """Let a session decide about `news`, and do what it decides; look after it earlier where it asks for that."""
        session = connection.session
        deadline = session.deadline
        effects = decide(*news, monotonic())
        if effects:
            self._performer.perform(connection, effects)
        if session.deadline < deadline and not session.has_ended:
            self._wheel.schedule(session.number, session.deadline)

    def _seat(
        self, transport: asyncio.Transport, dialect: Dialect, address: str, bearer: str, *, admitted: bool
    ) -> Connection:
        number, now = next(self._numbers), monotonic()
        session = Session(
            number,
            f"{self._boot_id}.{number}",
            self._session_limits,
            now,
            address=address,
            encoding=dialect.payload_encoding,
            first_ping=now + random.random() * self._session_limits.heartbeat,
            bearer=bearer,
        )
        connection = Connection(
            transport,
            session,
            dialect,
            self,
            max_bytes=self._limits.max_early_bytes,
            outbox_bound=self._limits.outbox_bound,
        )
        connection.admitted = admitted
        self._connections[number] = connection
        self._counters.connections += 1
        self._counters.accepted += 1
        transport.set_protocol(connection)
        self._wheel.schedule(number, session.deadline)
        return connection

    def _refusal(self, handshake: Handshake, upgrade: Upgrade) -> tuple[HTTPStatus, str] | None:
        if handshake.path != PATH:
            return HTTPStatus.NOT_FOUND, f"no WebSocket here; connect to {PATH}"
        if not self.is_open:
            return HTTPStatus.SERVICE_UNAVAILABLE, "this gateway is about to stop"
        if not self._origins.allows(upgrade.origin, upgrade.host):
            return (
                HTTPStatus.FORBIDDEN,
                "this origin may not connect; the operator can add it to PENSTOCK_ALLOWED_ORIGINS",
            )
        return None

    def _turn_away(
        self, transport: asyncio.Transport, response: bytes, reason: str, address: str, origin: str | None = None
    ) -> None:
        self._counters.handshakes_refused += 1
        journal.turned_away(reason, address, origin)
        transport.write(response)
        transport.close()
