"""The least a Python server can be: what is to be had with asyncio, uvloop and websockets' Sans-I/O layer.

Every WebSocket client is subscribed to the one topic; the body of `POST /` goes to all of them. No tokens, no topics,
no bounds, no bus: it is a yardstick, not a server. Run as `python -m benchmarks.peers.bare_asyncio PORT`.
"""

import asyncio
import sys
from typing import cast

import uvloop
from websockets.frames import Frame, Opcode
from websockets.http11 import Request
from websockets.protocol import OPEN
from websockets.server import ServerProtocol

FLUSH_INTERVAL = 0.004
"""Seconds between two writes to the same connections while messages keep coming."""


class Topic:
    """The subscribers, and what waits for the next flush: encoded once, written once per connection."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self.transports: set[asyncio.Transport] = set()
        self.waiting: list[bytes] = []
        self.last_flush = 0.0

    def publish(self, body: bytes) -> None:
        if not self.waiting:
            due = self.last_flush + FLUSH_INTERVAL
            if due <= self.loop.time():
                self.loop.call_soon(self.flush)
            else:
                self.loop.call_at(due, self.flush)
        self.waiting.append(Frame(Opcode.TEXT, body).serialize(mask=False))

    def flush(self) -> None:
        data = self.waiting[0] if len(self.waiting) == 1 else b"".join(self.waiting)
        self.waiting.clear()
        self.last_flush = self.loop.time()
        for transport in self.transports:
            transport.write(data)


class Connection(asyncio.Protocol):
    """One WebSocket client."""

    __slots__ = ("protocol", "topic", "transport")

    def __init__(self, topic: Topic, transport: asyncio.Transport) -> None:
        self.topic = topic
        self.transport = transport
        self.protocol = ServerProtocol()

    def data_received(self, data: bytes) -> None:
        protocol = self.protocol
        protocol.receive_data(data)
        for event in protocol.events_received():
            if isinstance(event, Request):
                protocol.send_response(protocol.accept(event))
                if protocol.state is OPEN:
                    self.topic.transports.add(self.transport)
        for out in protocol.data_to_send():
            if out:
                self.transport.write(out)
            else:
                self.transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        self.topic.transports.discard(self.transport)


class Publisher(asyncio.Protocol):
    """One keep-alive HTTP connection; each request has a Content-Length."""

    def __init__(self, topic: Topic, transport: asyncio.Transport) -> None:
        self.topic = topic
        self.transport = transport
        self.data = b""

    def data_received(self, data: bytes) -> None:
        self.data += data
        while (end := self.data.find(b"\r\n\r\n")) >= 0:
            head = self.data[:end].lower()
            length = int(head.split(b"content-length:", 1)[1].split(b"\r\n", 1)[0])
            if len(self.data) < end + 4 + length:
                return
            self.topic.publish(self.data[end + 4 : end + 4 + length])
            self.data = self.data[end + 4 + length :]
            self.transport.write(b"HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n")


class Peek(asyncio.Protocol):
    """Looks at the first bytes and hands the connection on."""

    __slots__ = ("topic", "transport")

    def __init__(self, topic: Topic) -> None:
        self.topic = topic

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)  # uvloop's are none by inheritance

    def data_received(self, data: bytes) -> None:
        kind = Publisher if data.startswith(b"POST") else Connection
        protocol = kind(self.topic, self.transport)
        self.transport.set_protocol(protocol)
        protocol.data_received(data)


async def serve(port: int) -> None:
    loop = asyncio.get_running_loop()
    topic = Topic(loop)
    server = await loop.create_server(lambda: Peek(topic), "127.0.0.1", port, backlog=1024)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(serve(int(sys.argv[1])))
