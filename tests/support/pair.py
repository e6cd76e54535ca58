"""A client's session and a gateway's, joined in memory: both codecs between them, a scripted router behind.

Nothing moves by itself. Each `step_…` moves one thing one place further and says whether there was one; `settle` goes
on until nothing is left. Time is `now`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from itertools import count
from typing import Any, TypeVar

from penstock_client import effects as told
from penstock_client.codec import CODECS
from penstock_client.session import Session as ClientSession
from penstock_client.settings import Settings

from gateway.admission import Admission, AdmissionLimits
from gateway.codecs import BY_SUBPROTOCOL, DIALECTS, BadFrame
from gateway.counters import Counters
from gateway.effects import Ask, Effect, End, Send
from gateway.fanout import Fanout
from gateway.flood import FloodLimits
from gateway.healing import Healer
from gateway.performer import Performer
from gateway.session import Session, SessionLimits
from shared import envelopes
from shared.codes import CloseCode
from shared.envelopes import Entry
from shared.frames import ServerFrame
from shared.topics import covers

Seen = TypeVar("Seen")

LIMITS = SessionLimits(
    flood=FloodLimits(rate=1_000.0, burst=10_000, tolerance=5),
    max_subscriptions=128,
    max_pending=256,
    request_timeout=4.0,
    connect_timeout=5.0,
    heartbeat=25.0,
    heartbeat_grace=10.0,
)

RIGHTS = {"good": "#", "renewed": "#", "narrow": "public.#"}
"""What each token may subscribe to and publish on; one that is not here is refused."""


@dataclass(frozen=True)
class Goodbye:
    """A close frame; `code` None: the connection broke without one."""

    code: int | None
    reason: str = ""


class Edge:
    """The gateway's end of a connection, without a socket."""

    def __init__(self, session: Session, dialect: Any) -> None:
        self.session = session
        self.dialect = dialect
        self.identified = False
        self.down: deque[bytes | Goodbye] = deque()
        self._closing = False

    def push(self, chunk: bytes) -> bool:
        if not self._closing:
            self.down.append(chunk)
        return False

    def close(self, code: CloseCode, reason: str) -> None:
        if not self._closing:
            self.down.append(Goodbye(int(code), reason))
        self._closing = True

    def flush(self) -> None: ...

    def has_room(self, most: int) -> bool:
        return True  # `down` has no bound

    def allow(self, max_bytes: int) -> None: ...

    def pause_reading(self) -> None: ...

    def resume_reading(self) -> None: ...


class Router:
    """Answers by a script; takes the places of uplink, binder and deadlines."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self.asks: deque[Ask] = deque()
        self.unbound: deque[Callable[[], None]] = deque()
        self.asked: deque[tuple[float, int, int]] = deque()
        """When each session asked what, until its time is over."""
        self.expires_in = 3600
        self.busy = 0
        """How many requests will be refused with `rate_limited`."""
        self._clock = clock

    # What the performer calls.

    def ask(self, ask: Ask, edge: Edge) -> None:
        self.asks.append(ask)

    def forget(self, edge: Edge) -> None: ...

    def need(self, pattern: str, then: Callable[[], None]) -> None:
        self.unbound.append(then)

    def release(self, pattern: str) -> None: ...

    def add(self, session: int, request: int) -> None:
        self.asked.append((self._clock(), session, request))

    def schedule(self, number: int, due: float) -> None: ...

    def connect(self, edge: Edge) -> None: ...

    def disconnect(self, edge: Edge) -> None: ...

    def leave(self, edge: Edge, topic: str) -> None: ...

    # What the router says.

    def answer(self, ask: Ask) -> tuple[list[Entry], envelopes.AnyReply]:
        """What is delivered, and then answered."""
        request = ask.request
        where = (request.session, request.id)
        right = RIGHTS.get((ask.grant or b"").decode())
        match request:
            case envelopes.ConnectRequest(token=token) | envelopes.RefreshRequest(token=token) if token not in RIGHTS:
                return [], envelopes.Refused(*where, "unauthenticated", "a bad token", None, CloseCode.BAD_TOKEN)
            case envelopes.ConnectRequest(token=token):
                return [], envelopes.Granted(*where, token.encode(), "ann", self.expires_in)
            case envelopes.RefreshRequest(token=token, topics=topics):
                lost = tuple(topic for topic in topics if not covers(RIGHTS[token], topic))
                return [], envelopes.Refreshed(*where, token.encode(), "ann", self.expires_in, lost)
            case envelopes.SubscribeRequest(topic=topic) | envelopes.PublishRequest(topic=topic):
                if right is None or not covers(right, topic):
                    return [], envelopes.Refused(*where, "forbidden", f"no right to {topic}")
                if self.busy:
                    self.busy -= 1
                    return [], envelopes.Refused(*where, "rate_limited", "too fast", 2.0)
                if isinstance(request, envelopes.SubscribeRequest):
                    return [], envelopes.SubscribeAllowed(*where, topic)
                entry = Entry(topic, request.payload, request.encoding, 0, key=request.key, sender="ann")
                return [entry], envelopes.Published(*where)
        raise AssertionError(f"no script for {request}")


class Pair:
    """Both, one connection at a time. `saw` is everything that the client told its driver, but for frames."""

    def __init__(self, codec: str = "json", limits: SessionLimits = LIMITS, **options: Any) -> None:
        self.now = 1000.0
        self.client = ClientSession(Settings(codec=codec), **{"token": "good", **options})
        self.router = Router(lambda: self.now)
        self.counters = Counters()
        self.saw: list[Any] = []
        self.up: deque[bytes | Goodbye] = deque()
        self.codec = CODECS[codec]
        self._dialect = BY_SUBPROTOCOL[self.codec.subprotocol]
        self._limits = limits
        self._numbers = count(1)
        self._fanout = Fanout(DIALECTS, self.counters, max_interval=0.0)
        router: Any = self.router
        admission = Admission(AdmissionLimits(10, 10, 10, 10))
        self._healer = Healer(self._fanout, lambda ask: self.router.ask(ask, self._edge), self.counters)
        self._performer = Performer(
            self._fanout,
            self._healer,
            router,
            router,
            router,
            admission,
            router,
            router,
            self.counters,
            max_bytes=2**16,
        )
        self._edge: Any = None

    @property
    def gateway(self) -> Session:
        """The gateway's session of the present connection."""
        return self._edge.session

    def of(self, kind: type[Seen]) -> list[Seen]:
        """What the client has told of one kind."""
        return [each for each in self.saw if isinstance(each, kind)]

    @property
    def delivered(self) -> list[Any]:
        """The data of all messages that came, whoever they were for."""
        return [each.item.data for each in self.of(told.Deliver)]

    # What happens.

    def dial(self) -> Pair:
        """Make a connection, and let both introduce themselves."""
        number = next(self._numbers)
        limits, now = self._limits, self.now
        more: dict[str, Any] = {"encoding": self._dialect.payload_encoding, "first_ping": now + limits.heartbeat}
        session = Session(number, f"gateway.{number}", limits, now, address="::1", **more)
        self.up.clear()
        self._edge = Edge(session, self._dialect)
        self.do(self.client.connecting(now))
        self.do(self.client.connected(now))
        return self

    def online(self) -> Pair:
        """Make a connection, and let everything come to rest."""
        return self.dial().settle()

    def come_back(self) -> Pair:
        """Wait as long as the client wants to, and make the next connection."""
        self.now += self.of(told.Reconnect)[-1].after
        return self.online()

    def subscribe(self, subscriber: int, pattern: str) -> None:
        self.do(self.client.subscribe(subscriber, pattern, self.now))

    def publish(self, request: int, topic: str, data: Any = None) -> None:
        self.do(self.client.publish(request, topic, data, f"key-{request}", self.now, 10.0))

    def emit(self, topic: str, payload: bytes) -> None:
        """Have the gateway deliver a back end's event."""
        self._fanout.deliver(Entry(topic, payload, envelopes.Encoding.JSON, 0))

    def gateway_says(self, *effects: Effect | ServerFrame) -> None:
        """Have the gateway do something of its own accord."""
        done = [each if isinstance(each, Send | End) else Send(each) for each in effects]
        self._performer.perform(self._edge, done)

    def break_off(self) -> None:
        """Lose the connection without a word; what was on its way is gone."""
        self.up.clear()
        self._edge.down.clear()
        self._performer.let_go(self._edge)
        self._edge.down.append(Goodbye(None))

    def wait(self, seconds: float, *, deaf: bool = False) -> Pair:
        """Let time pass, second by second; `deaf`: nothing that is said arrives."""
        for _ in range(round(seconds)):
            self.now += 1.0
            self._expire()
            self._performer.perform(self._edge, self.gateway.tick(self.now))
            if not deaf:
                self.settle()
            self.do(self.client.tick(self.now))
        return self if deaf else self.settle()

    # How it moves.

    def step_up(self, frames: int = 128) -> bool:
        """What the client sent reaches the gateway: up to so many frames, as one message."""
        batch: list[bytes] = []
        while self.up and len(batch) < frames and isinstance(self.up[0], bytes):
            batch.append(self.up.popleft())  # type: ignore[arg-type]
        if batch:
            for frame in self._dialect.decode(self.codec.join(batch)):
                assert not isinstance(frame, BadFrame), frame
                self._performer.perform(self._edge, self.gateway.receive(frame, self.now))
            return True
        if self.up:
            goodbye = self.up.popleft()
            self._performer.let_go(self._edge)
            self._edge.down.append(goodbye)
            return True
        return False

    def step_down(self) -> bool:
        """One frame of the gateway reaches the client."""
        if not self._edge.down:
            return False
        match self._edge.down.popleft():
            case Goodbye(code, reason):
                self._edge.down.clear()
                self.up.clear()
                self._performer.let_go(self._edge)
                self.do(self.client.lost(code, self.now, 0.5, reason))
            case chunk:
                self.do(self.client.receive(self.codec.decode(payload_of(chunk, self._dialect.opcode)), self.now))
        return True

    def step_bind(self) -> bool:
        """The broker has bound a slot."""
        if not self.router.unbound:
            return False
        self.router.unbound.popleft()()
        return True

    def step_route(self) -> bool:
        """The router answers one request."""
        if not self.router.asks:
            return False
        ask = self.router.asks.popleft()
        entries, reply = self.router.answer(ask)
        for entry in entries:
            self._fanout.deliver(entry)
        if reply.session == self.gateway.number:
            self._performer.perform(self._edge, self.gateway.answer(reply, self.now))
        return True

    def settle(self) -> Pair:
        """Move everything as far as it goes."""
        while self.step_up() or self.step_bind() or self.step_route() or self.step_down():
            pass
        return self

    def do(self, effects: list[Any]) -> None:
        """Perform what the client wants done."""
        for effect in effects:
            match effect:
                case told.Send(frame):
                    self.up.append(self.codec.encode(frame))
                case told.Close(code, reason):
                    self.up.append(Goodbye(code, reason))
                case _:
                    self.saw.append(effect)

    def _expire(self) -> None:
        asked = self.router.asked
        while asked and asked[0][0] + self._limits.request_timeout <= self.now:
            _, session, request = asked.popleft()
            if session == self.gateway.number:
                self._performer.perform(self._edge, self.gateway.expire(request, self.now))


def payload_of(frame: bytes, opcode: int) -> bytes:
    """The payload of a server's finished WebSocket frame (RFC 6455, section 5.2)."""
    assert frame[0] == 0x80 | opcode, "final, and of the dialect's kind"
    length, head = frame[1], 2
    if length >= 126:
        head = 4 if length == 126 else 10
        length = int.from_bytes(frame[2:head], "big")
    assert len(frame) == head + length
    return frame[head:]
