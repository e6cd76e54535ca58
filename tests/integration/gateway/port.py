"""A port with its doors on a real socket, and a client that says exactly what it is told."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import msgspec
from msgspec import Raw

from gateway.census import Found
from gateway.settings import GatewaySettings
from gateway.transports.counters import PortCounters
from gateway.transports.http_door import HttpDoor
from gateway.transports.listener import Listener
from shared.attending import Member, SessionsRead
from shared.errors import BusError
from shared.health import Answer

KEY = "a-key-for-tests-0123"


class Echo(asyncio.Protocol):
    """Stands for a WebSocket connection: sends back what it got, with a mark."""

    def __init__(self, transport: asyncio.Transport) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.transport.write(b"echo:" + data)


class Port:
    """A listener with an HTTP door, and what came through them."""

    def __init__(self, settings: GatewaySettings) -> None:
        self.counters = PortCounters()
        self.heads: list[bytes] = []
        self.events: list[tuple[str, bytes, str, str | None, str | None]] = []
        self.refusal: BusError | Exception | None = None
        self.is_ready = True
        self.http = HttpDoor(
            settings,
            self.counters,
            emit=self._emit,
            ready=self._ready,
            metrics=lambda: b"a_metric 1\n",
            sessions=self._sessions,
        )
        self.listener = Listener(settings, self._take, self.http.take, self.counters)
        self.address = ("", 0)
        self.clients: list[Client] = []

    def _take(self, transport: asyncio.Transport, head: bytes) -> None:
        self.heads.append(head)
        protocol = Echo(transport)
        transport.set_protocol(protocol)
        protocol.data_received(head)

    def _ready(self) -> Answer:
        return Answer(200 if self.is_ready else 503, {"status": "ready" if self.is_ready else "not ready"})

    async def _sessions(self, user: str | None, limit: int) -> Found:
        if not self.is_ready:
            return None
        info = Raw(msgspec.msgpack.encode(("::1", 1_700_000_000_000)))
        return SessionsRead(-3, 1, [Member(user or "ann", "boot.1", info)] * min(limit, 2), 7)

    async def _emit(
        self, topic: str, body: bytes, content_type: str, message_id: str | None, traceparent: str | None
    ) -> None:
        if self.refusal is not None:
            raise self.refusal
        self.events.append((topic, body, content_type, message_id, traceparent))


@asynccontextmanager
async def open_port(**options: Any) -> AsyncIterator[Port]:
    """Listen on a free port; `options` are settings."""
    settings = GatewaySettings(**{"host": "127.0.0.1", "port": 0, "api_keys": (KEY,), **options})
    port = Port(settings)
    port.address = await port.listener.start()
    try:
        yield port
    finally:
        for client in port.clients:
            client.writer.transport.abort()
        await port.listener.close()
        await port.http.close(0.1)


class Client:
    """One TCP connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self.writer = writer

    @classmethod
    async def to(cls, port: Port) -> "Client":
        client = cls(*await asyncio.open_connection(*port.address))
        port.clients.append(client)
        return client

    def send(self, data: bytes) -> None:
        self.writer.write(data)

    async def read(self, count: int = 65_536) -> bytes:
        """Return what comes next; nothing at the end."""
        async with asyncio.timeout(10):
            return await self._reader.read(count)

    async def read_all(self) -> bytes:
        """Return all until the server closes; a reset counts as the end."""
        data = b""
        try:
            while more := await self.read():
                data += more
        except ConnectionError:
            pass
        return data

    def close(self) -> None:
        self.writer.close()


class Response:
    """An HTTP response, read strictly enough for tests."""

    def __init__(self, data: bytes) -> None:
        head, _, self.body = data.partition(b"\r\n\r\n")
        status, *fields = head.decode("latin-1").split("\r\n")
        self.status = int(status.split(" ")[1])
        self.headers = {name.lower(): value.strip() for name, _, value in (field.partition(":") for field in fields)}

    @property
    def json(self) -> Any:
        return json.loads(self.body)


async def ask(port: Port, data: bytes | Callable[[Client], Any]) -> Response:
    """Send bytes on a connection of its own; return the one response that comes before the server closes."""
    client = await Client.to(port)
    try:
        if callable(data):
            await data(client)
        else:
            client.send(data)
        return Response(await client.read_all())
    finally:
        client.close()
