"""Clients that say exactly what they are told: one that speaks frames, and one that speaks bytes."""

from __future__ import annotations

import asyncio
import itertools
import logging
import socket
import struct
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

import msgspec
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

WITHIN = 30.0
"""Seconds that anybody waits for anything."""

JSON, MSGPACK = "penstock.v1.json", "penstock.v1.msgpack"
_CODECS = {JSON: msgspec.json, MSGPACK: msgspec.msgpack}

_quiet = logging.getLogger("tests.client")
_quiet.setLevel(logging.WARNING)

Frame = dict[str, Any]


class Client:
    """A WebSocket client. It reads only while it waits for something, and answers pings on the way."""

    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket
        self.others: deque[Frame] = deque()
        """Frames that came while something else was waited for."""
        self._codec = _CODECS[socket.subprotocol or JSON]
        self._numbers = itertools.count(1)

    async def send(self, *frames: Frame) -> None:
        """Send one frame; several in one array."""
        data = self._codec.encode(frames[0] if len(frames) == 1 else frames)
        await self.write(data.decode() if self._codec is msgspec.json else data)

    async def write(self, data: str | bytes) -> None:
        """Send one WebSocket message, text or binary."""
        await self.socket.send(data)

    async def request(self, kind: str, **fields: Any) -> Frame:
        """Send a request and return its answer; ``from_`` is the field ``from``."""
        number = fields.pop("id", None) or next(self._numbers)
        await self.send({"type": kind, "id": number} | {name.rstrip("_"): value for name, value in fields.items()})
        return await self.answer(number)

    async def answer(self, number: int) -> Frame:
        """Return the frame that answers a request."""
        return await self.next(lambda frame: frame.get("id") == number)

    async def message(self) -> Frame:
        """Return the next message."""
        return await self.next(lambda frame: frame["type"] == "message")

    async def messages(self, count: int) -> list[Frame]:
        return [await self.message() for _ in range(count)]

    async def error(self) -> Frame:
        """Return the next error, whatever it answers."""
        return await self.next(lambda frame: frame["type"] == "error")

    async def next(self, wanted: Callable[[Frame], bool] = lambda _: True) -> Frame:
        """Return the next frame of this kind; pings are answered and not seen."""
        for frame in self.others:
            if wanted(frame):
                self.others.remove(frame)
                return frame
        async with asyncio.timeout(WITHIN):  # for all of it: pings come for ever
            while True:
                frame = self._codec.decode(await self.socket.recv())
                if frame["type"] == "ping":
                    await self.send({"type": "pong"})
                elif wanted(frame):
                    return frame
                else:
                    self.others.append(frame)

    async def closed(self) -> int:
        """Wait for the end and return its code; what came before stays in `others`."""
        before: list[Frame] = []
        self.others, kept = deque(), self.others
        try:
            while True:
                before.append(await self.next())
        except ConnectionClosed as closed:
            return closed.rcvd.code if closed.rcvd else 1006
        finally:
            self.others = kept + deque(before)

    async def leave(self) -> None:
        """Go, at once."""
        self.socket.transport.abort()
        await self.socket.wait_closed()


async def open_socket(
    url: str, *, subprotocols: Sequence[str] = (), origin: str | None = None, headers: dict[str, str] | None = None
) -> Client:
    """Open a WebSocket; raises what `websockets` raises where it is refused."""
    return Client(
        await connect(
            url,
            subprotocols=list(subprotocols) or None,
            origin=origin,
            additional_headers=headers,
            compression=None,
            ping_interval=None,
            proxy=None,
            max_size=None,
            logger=_quiet,
        )
    )


class Raw:
    """A TCP connection. Nothing is read unless somebody asks for it."""

    HANDSHAKE = (
        b"GET /ws HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
    )

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self._loop = asyncio.get_running_loop()
        self._read = b""

    @classmethod
    async def to(cls, address: tuple[str, int], *, receive_buffer: int | None = None) -> Raw:
        sock = socket.socket()
        sock.setblocking(False)
        if receive_buffer:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        try:
            await asyncio.get_running_loop().sock_connect(sock, address)
        except OSError:
            sock.close()
            raise
        return cls(sock)

    async def write(self, data: bytes) -> None:
        async with asyncio.timeout(WITHIN):
            await self._loop.sock_sendall(self.sock, data)

    async def read(self, count: int = 65_536) -> bytes:
        """Return what comes next; nothing at the end, for which a reset counts."""
        async with asyncio.timeout(WITHIN):
            try:
                return await self._loop.sock_recv(self.sock, count)
            except ConnectionError:
                return b""

    async def read_all(self) -> bytes:
        """Return everything up to the end."""
        while more := await self.read():
            self._read += more
        return self._read

    async def upgrade(self, subprotocol: str = JSON, *, target: str = "/ws") -> None:
        """Open a WebSocket."""
        offered = b"Sec-WebSocket-Protocol: " + subprotocol.encode() + b"\r\n"
        await self.write(self.HANDSHAKE.replace(b"/ws", target.encode()) + offered + b"\r\n")
        await self.upgraded()

    async def upgraded(self) -> None:
        """Read the answer to a handshake, which must be yes."""
        while b"\r\n\r\n" not in self._read:
            more = await self.read()
            assert more, f"closed after {self._read!r}"
            self._read += more
        head, self._read = self._read.split(b"\r\n\r\n", 1)
        assert head.startswith(b"HTTP/1.1 101 "), head

    async def frame(self) -> tuple[int, bytes]:
        """Return the opcode and payload of the server's next WebSocket frame."""
        await self._fill(2)
        length, start = self._read[1], 2
        if length >= 126:
            start = 4 if length == 126 else 10
            await self._fill(start)
            length = int.from_bytes(self._read[2:start], "big")
        await self._fill(start + length)
        opcode, payload = self._read[0] & 0x0F, self._read[start : start + length]
        self._read = self._read[start + length :]
        return opcode, payload

    async def closed(self) -> int:
        """Wait for the server's close frame and return its code; 1006 where there was none."""
        try:
            while True:
                opcode, payload = await self.frame()
                if opcode == 8:
                    return int.from_bytes(payload[:2], "big")
        except EOFError:
            return 1006

    async def _fill(self, count: int) -> None:
        while len(self._read) < count:
            more = await self.read()
            if not more:
                raise EOFError
            self._read += more

    def close(self) -> None:
        self.sock.close()


def websocket_frame(
    payload: bytes, opcode: int = 1, *, fin: bool = True, rsv: int = 0, masked: bool = True, length: int | None = None
) -> bytes:
    """Return a client's frame as bytes; `length` is what it claims, where that is a lie."""
    said = len(payload) if length is None else length
    first = fin << 7 | rsv << 4 | opcode
    mask = masked << 7
    if said < 126:
        head = struct.pack("!BB", first, mask | said)
    elif said < 1 << 16:
        head = struct.pack("!BBH", first, mask | 126, said)
    else:
        head = struct.pack("!BBQ", first, mask | 127, said)
    return head + (bytes(4) if masked else b"") + payload  # a mask of zeroes changes nothing
