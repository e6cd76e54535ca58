"""A session with a clock of its own, and a small scripted gateway on a real WebSocket."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import msgpack
import pytest
from hypothesis import settings
from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed

from penstock_client import Client, Settings
from penstock_client.effects import Effect, Send
from penstock_client.patterns import matches
from penstock_client.session import Session

# Every run tries the same examples, so that a red test is the change's doing. PENSTOCK_TEST_SEARCH=yes looks for
# new ones.
settings.register_profile("client", deadline=None, derandomize=os.environ.get("PENSTOCK_TEST_SEARCH") != "yes")
settings.load_profile("client")

DEADLINE = 10.0
"""Seconds that a test waits for a condition before it fails."""


async def until(condition: Callable[[], Any], what: str = "the condition") -> None:
    """Wait until `condition()` is true."""
    end = asyncio.get_running_loop().time() + DEADLINE
    while not condition():
        assert asyncio.get_running_loop().time() < end, f"waited in vain for {what}"
        await asyncio.sleep(0.005)


class Bench:
    """A session and its clock; `did` holds the effects of the last step."""

    def __init__(self, settings: Settings | None = None, **options: Any) -> None:
        self.session = Session(settings, **{"token": "secret", **options})
        self.now = 1000.0
        self.did: list[Effect] = []

    def dial(self) -> list[Effect]:
        self.did = [*self.session.connecting(self.now), *self.session.connected(self.now)]
        return self.did

    def online(self, **fields: Any) -> list[Effect]:
        """Come online: `connected` with these fields."""
        number = self.sent(self.dial())[0]["id"]
        welcome = {"session": "s1", "user": "u1", "heartbeat": 25, "expires_in": 3600}
        return self.hear({"type": "connected", "id": number, **welcome, **fields})

    def hear(self, frame: dict[str, Any]) -> list[Effect]:
        self.did = self.session.receive(frame, self.now)
        return self.did

    def wait(self, seconds: float) -> list[Effect]:
        """Let time pass, then tick."""
        self.now += seconds
        self.did = self.session.tick(self.now)
        return self.did

    def lose(self, code: int | None = None, *, chance: float = 0.5, reason: str = "") -> list[Effect]:
        self.did = self.session.lost(code, self.now, chance, reason)
        return self.did

    def subscribe(self, subscriber: int, pattern: str, **answer: Any) -> list[Effect]:
        """Subscribe, and let the gateway agree."""
        asked = self.sent(self.session.subscribe(subscriber, pattern, self.now))
        for frame in asked:
            self.hear({"type": "subscribed", "id": frame["id"], "topic": pattern, **answer})
        return self.did

    def publish(self, request: int, topic: str = "t", timeout: float = 10.0) -> int:
        """Publish; return the number on the wire."""
        effects = self.session.publish(request, topic, {"n": 1}, f"key-{request}", self.now, timeout)
        number: int = self.sent(effects)[0]["id"]
        return number

    @staticmethod
    def sent(effects: list[Effect]) -> list[dict[str, Any]]:
        return [effect.frame for effect in effects if isinstance(effect, Send)]


Answer = Callable[["Peer", dict[str, Any]], Awaitable[None]]


class Peer:
    """One client as the scripted gateway sees it."""

    def __init__(self, websocket: ServerConnection) -> None:
        self.websocket = websocket
        self.topics: list[str] = []
        self.batches: list[int] = []
        """How many frames each message held."""
        self.frames: list[dict[str, Any]] = []
        self.json = websocket.subprotocol != "penstock.v1.msgpack"

    def kinds(self) -> list[str]:
        return [frame["type"] for frame in self.frames]

    def of(self, kind: str) -> list[dict[str, Any]]:
        return [frame for frame in self.frames if frame["type"] == kind]

    async def send(self, **frame: Any) -> None:
        await self.websocket.send(json.dumps(frame) if self.json else msgpack.packb(frame))

    def read(self, message: str | bytes) -> list[dict[str, Any]]:
        frames = json.loads(message) if self.json else msgpack.unpackb(message)
        frames = frames if isinstance(frames, list) else [frames]
        self.batches.append(len(frames))
        assert len(message) <= 1 << 16
        return frames


class ScriptedGateway:
    """Speaks penstock.v1 as far as the tests need; `answers` overrides what it says to a type of frame."""

    def __init__(self) -> None:
        self.peers: list[Peer] = []
        self.expires_in = 3600.0
        self.heartbeat = 25.0
        self.answers: dict[str, Answer] = {}
        self.server: Server | None = None

    async def start(self, port: int = 0) -> None:
        self.server = await serve(
            self.serve,
            "127.0.0.1",
            port,
            subprotocols=["penstock.v1.json", "penstock.v1.msgpack"],
            compression=None,
            ping_interval=None,
            close_timeout=0.5,
        )

    async def stop(self) -> None:
        if self.server is not None:
            self.server.close()
            await self.server.wait_closed()

    @property
    def port(self) -> int:
        assert self.server is not None
        port: int = next(iter(self.server.sockets)).getsockname()[1]
        return port

    @property
    def url(self) -> str:
        return f"ws://127.0.0.1:{self.port}"

    @property
    def open(self) -> list[Peer]:
        return [peer for peer in self.peers if peer.websocket.close_code is None]

    async def serve(self, websocket: ServerConnection) -> None:
        peer = Peer(websocket)
        self.peers.append(peer)
        try:
            async for message in websocket:
                for frame in peer.read(message):
                    peer.frames.append(frame)
                    await self.answers.get(frame["type"], self.answer)(peer, frame)
        except ConnectionClosed:
            pass

    async def answer(self, peer: Peer, frame: dict[str, Any]) -> None:
        number = frame.get("id")
        match frame["type"]:
            case "connect":
                times = {"heartbeat": self.heartbeat, "expires_in": self.expires_in}
                await peer.send(type="connected", id=number, session="s", user="u", **times)
            case "subscribe":
                peer.topics.append(frame["topic"])
                await peer.send(type="subscribed", id=number, topic=frame["topic"])
            case "unsubscribe":
                peer.topics.remove(frame["topic"])
                await peer.send(type="ok", id=number)
            case "publish":
                await peer.send(type="ok", id=number, offset=1, epoch="e")
                await self.emit(frame["topic"], frame["data"], key=frame["key"])
            case "refresh":
                await peer.send(type="ok", id=number, expires_in=self.expires_in)

    async def emit(self, topic: str, data: Any, **fields: Any) -> None:
        """Send a message to all who are subscribed."""
        for peer in self.open:
            if any(matches(tuple(p.split(".")), tuple(topic.split("."))) for p in peer.topics):
                await peer.send(type="message", topic=topic, data=data, at=1700000000000, **fields)

    async def say(self, **frame: Any) -> None:
        """Send a frame to everyone."""
        for peer in self.open:
            await peer.send(**frame)

    def drop_everyone(self) -> None:
        """Cut all connections without a word."""
        for peer in self.peers:
            peer.websocket.transport.abort()

    async def close_everyone(self, code: int, reason: str = "") -> None:
        for peer in self.open:
            await peer.websocket.close(code, reason)

    async def subscribed(self, pattern: str) -> None:
        """Wait until someone is subscribed to a pattern."""
        await until(lambda: any(pattern in peer.topics for peer in self.open), f"a subscription to {pattern}")


@pytest.fixture
def bench() -> type[Bench]:
    return Bench


@pytest.fixture(name="until")
def until_() -> Callable[..., Awaitable[None]]:
    return until


@pytest.fixture
async def gateway() -> AsyncIterator[ScriptedGateway]:
    gateway = ScriptedGateway()
    await gateway.start()
    yield gateway
    await gateway.stop()


@pytest.fixture
def client(gateway: ScriptedGateway) -> Callable[..., Client]:
    """Make a client of the scripted gateway; keywords but `token` are settings."""

    def make(token: Any = "secret", **settings: Any) -> Client:
        return Client(gateway.url, token=token, settings=Settings(**settings), proxy=None)

    return make


@pytest.fixture(autouse=True)
async def no_task_is_left() -> AsyncIterator[None]:
    """Every test ends with the tasks it began with: whatever a client started, it has stopped."""
    before = asyncio.all_tasks()
    yield
    await until(lambda: not [t for t in asyncio.all_tasks() - before if "penstock-client" in t.get_name()], "tasks")


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Chance falls on the shortest pause, so that coming back takes no time."""
    monkeypatch.setattr("penstock_client.driver.random.random", lambda: 0.0)
