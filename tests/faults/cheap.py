"""Cheap clients, thousands in one process: each hears one topic, and keeps books only of where it stands.

``python -m tests.faults.cheap`` reads orders from its input, a JSON object a line, and answers each with a line: how
its crowd stands. The first order is a `Setup`. `crowd.Crowd` is the other end.

All of them together write down once which message stands where; each checks that it gets place after place. So what
one lacks, gets twice, or gets in another order is found, at the price of two numbers for each.
"""

from __future__ import annotations

import asyncio
import random
import resource
import socket
import sys
import time
from collections import Counter
from typing import Any, cast

import msgspec
import uvloop

HANDSHAKE = (
    b"GET /ws HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Protocol: penstock.v1.json\r\n\r\n"
)
NARROW = 4_096
"""Bytes of the receive buffer of those who will not read."""
MAX_LAGS, SLOWEST = 500_000, 0.99
"""Messages whose time is looked at, at most; which share of them is quicker than what is told."""
MAX_WRONG = 20
"""Findings that are told, at most."""
DEGRADED = 4004
"""Who could not be let in just now is closed with it."""
BACKOFF = 0.3
MAX_BACKOFF = 4.0
"""Seconds: a client comes back after a time by chance up to the first, doubled each time up to the second."""


class Setup(msgspec.Struct):
    """Who comes where, and hears what."""

    addresses: list[tuple[str, int]]
    count: int
    topic: str
    token: str
    seed: int
    narrow: int = 0
    """So many of them, the first ones, have small receive buffers."""
    pace: float = 1_000.0
    """So many come in a second."""
    patience: float = 10.0
    """Seconds without a frame after which a gateway is taken for dead; it pings every two."""


class Order(msgspec.Struct):
    """What to do before answering."""

    sleep: int = 0
    """Let the first so many read no more."""
    wake: bool = False
    """Let all read again."""
    head: tuple[str, int] | None = None
    """Epoch and offset that all should have come to."""
    lag: bool = False
    """Whether to tell how long messages have taken since this was asked last."""
    ids: bool = False
    """Whether to tell which message stands where."""
    addresses: list[tuple[str, int]] | None = None
    """Where to come from now on."""


class State(msgspec.Struct):
    """How a crowd stands."""

    subscribed: int = 0
    """Clients that hear their topic now."""
    behind: int = 0
    """Clients that have not come to the head that was asked about."""
    connections: int = 0
    sessions: int = 0
    """Names of sessions, each counted once."""
    arrived: int = 0
    """Messages, of all clients."""
    lag: float = 0.0
    """Seconds from a router to who reads, of the slowest hundredth."""
    gaps: int = 0
    """Holes that they were told of, and times that something was not recovered."""
    farewells: dict[int, list[int]] = {}
    """Of each client that lost connections, the codes with which they ended: 1006 where there was none."""
    refusals: dict[str, int] = {}
    wrong: list[tuple[str, str]] = []
    """Checks of the verdict, and words."""
    ids: dict[str, str] = {}
    """By epoch/offset, the id of the message that stands there."""


class Frame(msgspec.Struct, gc=False):
    """What a client reads of a frame."""

    type: str
    id: int | None = None
    session: str | None = None
    epoch: str | None = None
    offset: int | None = None
    at: int | None = None
    recovered: bool | None = None
    code: str | None = None
    data: dict[str, Any] | None = None


_frame = msgspec.json.Decoder(Frame).decode


def masked(frame: dict[str, Any]) -> bytes:
    """Return a frame of a client as it travels, masked with zeros."""
    payload = msgspec.json.encode(frame)
    size = len(payload)
    head = bytes([0x81, 0x80 | size]) if size < 126 else bytes([0x81, 0xFE]) + size.to_bytes(2, "big")
    return head + b"\0\0\0\0" + payload


PONG = masked({"type": "pong"})


class Member(asyncio.Protocol):
    """One client, over all its connections."""

    def __init__(self, crowd: Everybody, number: int) -> None:
        self.number = number
        self.epoch: str | None = None
        self.offset = 0
        self.subscribed = False
        self.asleep = False
        self.heard_at = 0.0
        self.attempts = 0
        self.transport: asyncio.Transport | None = None
        self._crowd = crowd
        self._buffer = bytearray()
        self._upgraded = self._gave_up = False
        self._code = 1006

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Shake hands."""
        self.transport = cast(asyncio.Transport, transport)
        self._buffer.clear()
        self._upgraded, self._gave_up, self._code = False, False, 1006
        self.heard_at = self._crowd.now()
        self.transport.write(HANDSHAKE)

    def connection_lost(self, exc: Exception | None) -> None:
        """Come back."""
        self.transport, self.subscribed = None, False
        if self._upgraded and not self._gave_up:
            self._crowd.state.farewells.setdefault(self.number, []).append(self._code)
        self._crowd.come_back(self)

    def data_received(self, data: bytes) -> None:
        """Read what has come whole."""
        self.heard_at = self._crowd.now()
        buffer = self._buffer
        buffer += data
        if not self._upgraded:
            head, end, rest = bytes(buffer).partition(b"\r\n\r\n")
            if not end:
                return
            assert self.transport is not None
            if b" 101 " not in head[:20]:
                self._crowd.refused(head[9:12].decode())
                self.transport.abort()
                return
            self._upgraded = True
            buffer[:] = rest
            self.transport.write(masked({"type": "connect", "id": 1, "token": self._crowd.setup.token}))
            self._subscribe()
        start = 0
        while len(buffer) - start >= 2:
            size, at = buffer[start + 1], start + 2
            if size >= 126:
                width = 2 if size == 126 else 8
                size = int.from_bytes(buffer[at : at + width], "big") if len(buffer) >= at + width else sys.maxsize
                at += width
            if len(buffer) < at + size:
                break
            self._take(buffer[start] & 0x0F, bytes(buffer[at : at + size]))
            start = at + size
        del buffer[:start]

    def eof_received(self) -> None:
        """Let asyncio close the transport."""

    def _subscribe(self) -> None:
        frame: dict[str, Any] = {"type": "subscribe", "id": 2, "topic": self._crowd.setup.topic}
        if self.epoch is not None:
            frame["from"] = {"epoch": self.epoch, "offset": self.offset}
        if self.transport is not None:
            self.transport.write(masked(frame))

    def _take(self, opcode: int, payload: bytes) -> None:
        if opcode == 8:
            self._code = int.from_bytes(payload[:2], "big")
            self._gave_up = not self.subscribed and self._code == DEGRADED
            if self.transport is not None:
                self.transport.close()
            return
        frame = _frame(payload)
        match frame.type:
            case "message":
                self._note(frame)
            case "ping" if self.transport is not None:
                self.transport.write(PONG)
            case "connected":
                self._crowd.session(frame.session or "")
            case "subscribed":
                self.subscribed, self.attempts = True, 0
                self._crowd.state.gaps += frame.recovered is False
                if self.epoch is None and frame.epoch is not None:
                    self.epoch, self.offset = frame.epoch, frame.offset or 0
            case "gap":
                self._crowd.state.gaps += 1
                self.epoch, self.offset = frame.epoch, (frame.offset or 1) - 1
            case "error":
                self._crowd.refused(frame.code or "")
                if frame.id == 2:
                    asyncio.get_running_loop().call_later(self._crowd.pause(1), self._subscribe)
                elif self.transport is not None:
                    self._gave_up = True  # it was told to come again; that is no connection that somebody lost
                    self.transport.abort()

    def _note(self, frame: Frame) -> None:
        crowd, offset = self._crowd, frame.offset or 0
        epoch = frame.epoch or self.epoch
        crowd.state.arrived += 1
        if self.number >= crowd.setup.narrow and frame.at is not None and len(crowd.lags) < MAX_LAGS:
            crowd.lags.append(time.time() - frame.at / 1000)
        id = (frame.data or {})["id"]
        place = f"{epoch}/{offset}"
        if (other := crowd.state.ids.setdefault(place, id)) != id:
            crowd.wrong("ORD", f"at {place} stand both {other} and {id}")
        if epoch != self.epoch:
            crowd.wrong("GAP", f"cheap client {self.number} came from {self.epoch}/{self.offset} to {place}, untold")
        elif offset <= self.offset:
            crowd.wrong("DUP", f"cheap client {self.number} got {place} after {self.offset}")
        elif offset > self.offset + 1:
            crowd.wrong("GAP", f"cheap client {self.number} lacks {self.offset + 1} to {offset - 1}, untold")
        self.epoch, self.offset = epoch, offset


class Everybody:
    """The crowd."""

    def __init__(self, setup: Setup) -> None:
        self.setup = setup
        self.state = State()
        self._chance = random.Random(f"crowd {setup.seed}")
        self._loop = asyncio.get_running_loop()
        self.now = self._loop.time
        self.members = [Member(self, number) for number in range(setup.count)]
        self.lags: list[float] = []
        """Of those who are never told to read no more."""
        self._sessions: set[str] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    def begin(self) -> None:
        """Let all come, one after the other."""
        for member in self.members:
            self._loop.call_later(member.number / self.setup.pace, self._connect, member)
        self._loop.call_later(1.0, self._look)

    def come_back(self, member: Member) -> None:
        """Let a client that lost its connection come again, later."""
        self._loop.call_later(self.pause(member.attempts), self._connect, member)
        member.attempts += 1

    def pause(self, attempts: int) -> float:
        """Return how long to wait before one attempt more."""
        return self._chance.uniform(0.02, min(MAX_BACKOFF, BACKOFF * 2 ** min(attempts, 10)))

    def wrong(self, check: str, words: str) -> None:
        """Note a finding."""
        if len(self.state.wrong) < MAX_WRONG:
            self.state.wrong.append((check, words))

    def refused(self, code: str) -> None:
        """Note a no."""
        self.state.refusals[code] = self.state.refusals.get(code, 0) + 1

    def session(self, name: str) -> None:
        """Note a session, whose name nobody else may have."""
        self.state.connections += 1
        if name in self._sessions:
            self.wrong("DUP", f"two sessions are called {name}")
        self._sessions.add(name)

    def obey(self, order: Order) -> State:
        """Do it, and return how the crowd stands."""
        if order.addresses:
            self.setup.addresses = order.addresses
        for member in self.members[: order.sleep]:
            member.asleep = True
            if member.transport is not None:
                member.transport.pause_reading()
        for member in self.members if order.wake else ():
            member.heard_at = self.now()
            if member.asleep and member.transport is not None:
                member.transport.resume_reading()
            member.asleep = False
        state = msgspec.structs.replace(self.state)
        state.subscribed = sum(member.subscribed for member in self.members)
        state.sessions = len(self._sessions)
        if order.head is not None:
            behind = Counter((member.epoch, member.offset) == order.head for member in self.members)
            state.behind = behind[False]
        if order.lag and self.lags:
            self.lags.sort()
            state.lag = self.lags[int(len(self.lags) * SLOWEST)]
            self.lags.clear()
        if not order.ids:
            state.ids = {}
        return state

    def _connect(self, member: Member) -> None:
        task = self._loop.create_task(self._try(member))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _try(self, member: Member) -> None:
        sock = socket.socket()
        sock.setblocking(False)
        if member.number < self.setup.narrow:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, NARROW)
        try:
            async with asyncio.timeout(5):
                await self._loop.sock_connect(sock, tuple(self._chance.choice(self.setup.addresses)))
            await self._loop.create_connection(lambda: member, sock=sock)
        except (OSError, TimeoutError):
            sock.close()
            self.come_back(member)

    def _look(self) -> None:
        silent = self.now() - self.setup.patience
        for member in self.members:
            if member.transport is not None and not member.asleep and member.heard_at < silent:
                member.transport.abort()
        self._loop.call_later(1.0, self._look)


async def main() -> None:
    """Obey until the input ends."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    lines = asyncio.StreamReader(limit=2**20)
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    everybody = Everybody(msgspec.json.decode(await lines.readline(), type=Setup))
    loop.set_exception_handler(lambda _, context: everybody.wrong("LIVE", f"a cheap client failed: {context}"))
    everybody.begin()
    while line := await lines.readline():
        state = everybody.obey(msgspec.json.decode(line, type=Order))
        sys.stdout.buffer.write(msgspec.json.encode(state) + b"\n")
        sys.stdout.buffer.flush()


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main())
