"""A gateway of real parts between a bus, routers and sockets that do only what they are told."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from itertools import count
from typing import Any

from gateway.codecs import DIALECTS
from gateway.counters import Counters
from gateway.deadlines import RequestDeadlines
from gateway.effects import Ask, Effect
from gateway.fanout import Fanout
from gateway.flood import FloodLimits
from gateway.healing import SESSION as HEALER
from gateway.healing import Healer
from gateway.losses import SESSION as LOSSES
from gateway.losses import Losses
from gateway.performer import Performer
from gateway.session import Session, SessionLimits
from gateway.transports.websocket import Connection
from shared.codes import CloseCode
from shared.envelopes import AnyReply, Encoding, Entry, Granted, Refused
from shared.frames import AnyClientFrame, Connect
from shared.topics import has_wildcard
from tests.unit.gateway.catchup_world import Time

OUTBOX = 4_000
"""Bytes that wait for a client at the most."""

LIMITS = SessionLimits(
    flood=FloodLimits(rate=1e6, burst=1_000_000, tolerance=8),
    max_subscriptions=8,
    max_pending=64,
    request_timeout=4.0,
    connect_timeout=5.0,
    heartbeat=1e9,
    heartbeat_grace=1e9,
)


class Nobody:
    """Those who have no part in it: admission, presence, the timing wheel."""

    def __getattr__(self, name: str) -> Callable[..., bool]:
        return lambda *args, **options: True


class Socket:
    """The transport of one client; it takes no more once it has taken `room` bytes."""

    def __init__(self, read: Callable[[bytes], None]) -> None:
        self._read = read
        self.room: int | None = None
        self.connection: Connection | None = None

    def write(self, data: bytes) -> None:
        assert self.connection is not None
        self._read(data)
        if self.room is not None:
            self.room -= len(data)
            if self.room <= 0:
                self.connection.pause_writing()

    def is_closing(self) -> bool:
        return False

    def __getattr__(self, name: str) -> Callable[[], None]:
        return lambda: None


class House:
    """The gateway."""

    def __init__(self, time: Time) -> None:
        self.time = time
        self.counters = Counters()
        self.asked: list[Ask] = []
        self.replies: list[AnyReply] = []
        self.bus: list[Entry] = []
        self.waiting: list[tuple[str, Callable[[], None]]] = []
        """For slots that are not bound yet."""
        self.bound: set[str] = set()
        self.needed: Counter[str] = Counter()
        self.connections: dict[int, Connection] = {}
        self._numbers = count(1)
        with time.running():
            self.fanout = Fanout(DIALECTS, self.counters, max_interval=0.0)
            self.healer = Healer(self.fanout, self.ask, self.counters)
            self.losses = Losses(self.healer, self.ask, self.counters, self.send_back)
            deadlines = RequestDeadlines(LIMITS.request_timeout, self._expire)
        others: Any = Nobody()
        me: Any = self
        self.performer = Performer(
            self.fanout, self.healer, me, me, deadlines, others, others, others, self.counters, max_bytes=1_000_000
        )
        self.healer.start()
        self.losses.start()

    # As uplink and binder.

    def ask(self, ask: Ask, asker: object = None) -> None:
        self.asked.append(ask)

    def forget(self, asker: object) -> None: ...

    def need(self, pattern: str, then: Callable[[], None]) -> None:
        slot = slot_of(pattern)
        self.needed[slot] += 1
        if slot in self.bound:
            then()
        else:
            self.waiting.append((slot, then))

    def release(self, pattern: str) -> None:
        self.needed[slot_of(pattern)] -= 1

    def bind(self) -> None:
        """Have the broker send all that is needed."""
        waiting, self.waiting = self.waiting, []
        self.bound.update(slot for slot, _ in waiting)
        for _, then in waiting:
            then()

    def unbind(self) -> None:
        """Have it send no more of what nobody needs."""
        self.bound &= {slot for slot, needed in self.needed.items() if needed}

    def hears(self, topic: str) -> bool:
        return topic in self.bound or "#" in self.bound

    # As downlink and reception.

    def answer(self, reply: AnyReply) -> None:
        if reply.session == HEALER:
            self.healer.answer(reply)
        elif reply.session == LOSSES:
            self.losses.answer(reply)
        elif (connection := self.connections.get(reply.session)) is not None:
            self.perform(connection, connection.session.answer(reply, self.time.now))

    def refuse(self, ask: Ask) -> None:
        self.answer(Refused(ask.request.session, ask.request.id, "unavailable", "busy", 1.0))

    def open(self, socket: Socket) -> Connection:
        number = next(self._numbers)
        session = Session(
            number, str(number), LIMITS, self.time.now, address="", encoding=Encoding.JSON, first_ping=1e9
        )
        transport: Any = socket
        events: Any = self
        connection = Connection(transport, session, DIALECTS[0], events, max_bytes=1_000_000, outbox_bound=OUTBOX)
        socket.connection = self.connections[number] = connection
        self.frame(connection, Connect(0, "token"))
        self.asked.pop()
        self.answer(Granted(number, 1, b"grant", "ann", 1_000_000, "jti"))
        return connection

    def frame(self, connection: Connection, frame: AnyClientFrame) -> None:
        self.perform(connection, connection.session.receive(frame, self.time.now))

    def perform(self, connection: Connection, effects: list[Effect]) -> None:
        self.performer.perform(connection, effects)

    def overflow(self, connection: Connection) -> None:
        self.time.call_soon(self.performer.end, connection, CloseCode.SLOW, "too slow")

    def lost(self, connection: Connection) -> None:
        self.performer.let_go(connection)
        del self.connections[connection.session.number]

    def shed(self, shed: object) -> None: ...

    def send_back(self, pattern: str | None) -> None:
        for connection in list(self.connections.values()):
            topics = connection.session.topics
            if any(map(has_wildcard, topics)) if pattern is None else pattern in topics:
                self.performer.end(connection, CloseCode.DEGRADED, "what was missed cannot be told")

    def _expire(self, session: int, request: int) -> None:
        if (connection := self.connections.get(session)) is not None:
            self.perform(connection, connection.session.expire(request, self.time.now))


def slot_of(pattern: str) -> str:
    return "#" if has_wildcard(pattern) else pattern
