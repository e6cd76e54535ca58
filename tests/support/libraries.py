"""Libraries that people write clients with, behind one face: `websockets`, aiohttp, and npm's `ws` if it is there."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable
from typing import Any, Protocol

import aiohttp
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

from tests.support.client import WITHIN
from tests.support.node_ws import MODULES, NodeWs


class Library(Protocol):
    """One WebSocket of a library. Messages are text in JSON and bytes in MessagePack, as the dialect has it."""

    compresses: bool
    """Whether permessage-deflate (RFC 7692), which was offered, was agreed on."""

    async def send(self, message: str | bytes) -> None:
        """Send a message."""

    async def send_in_pieces(self, pieces: list[Any]) -> None:
        """Send a message in fragments, where the library can."""

    async def receive(self) -> str | bytes:
        """Return the next message; raise `EOFError` at the end."""

    async def ping(self) -> None:
        """Send a ping, and wait for its pong."""

    async def close(self, code: int) -> None:
        """Close, and wait for the other side's close."""

    @property
    def close_code(self) -> int | None:
        """Return with which code the other side closed."""

    async def leave(self) -> None:
        """Let go of everything."""


class Websockets:
    """`websockets`, with what it offers unless told otherwise."""

    def __init__(self, socket: ClientConnection) -> None:
        self._socket = socket
        self.compresses = bool(socket.protocol.extensions)

    @classmethod
    async def open(cls, url: str, subprotocol: str) -> Websockets:
        return cls(await connect(url, subprotocols=[Subprotocol(subprotocol)], compression="deflate", proxy=None))

    async def send(self, message: str | bytes) -> None:
        await self._socket.send(message)

    async def send_in_pieces(self, pieces: list[Any]) -> None:
        await self._socket.send(pieces)

    async def receive(self) -> str | bytes:
        try:
            return await self._socket.recv()
        except ConnectionClosed:
            raise EOFError from None

    async def ping(self) -> None:
        await (await self._socket.ping(b"?"))

    async def close(self, code: int) -> None:
        await self._socket.close(code)

    @property
    def close_code(self) -> int | None:
        return self._socket.protocol.close_rcvd.code if self._socket.protocol.close_rcvd else None

    async def leave(self) -> None:
        self._socket.transport.abort()
        await self._socket.wait_closed()


class Aiohttp:
    """aiohttp's client. It answers pings itself as long as it is read from, and sends every message whole."""

    def __init__(self, session: aiohttp.ClientSession, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._session = session
        self._socket = socket
        self.compresses = bool(socket.compress)

    @classmethod
    async def open(cls, url: str, subprotocol: str) -> Aiohttp:
        session = aiohttp.ClientSession()
        try:
            socket = await session.ws_connect(url, protocols=[subprotocol], compress=15, autoping=False)
        except BaseException:
            await session.close()
            raise
        return cls(session, socket)

    async def send(self, message: str | bytes) -> None:
        await (self._socket.send_str(message) if isinstance(message, str) else self._socket.send_bytes(message))

    async def send_in_pieces(self, pieces: list[Any]) -> None:
        await self.send(pieces[0][:0].join(pieces))

    async def receive(self) -> str | bytes:
        received = await self._socket.receive()
        if received.type not in (aiohttp.WSMsgType.TEXT, aiohttp.WSMsgType.BINARY):
            raise EOFError(received)
        data: str | bytes = received.data
        return data

    async def ping(self) -> None:
        await self._socket.ping(b"?")
        received = await self._socket.receive()
        assert (received.type, bytes(received.data)) == (aiohttp.WSMsgType.PONG, b"?"), received

    async def close(self, code: int) -> None:
        await self._socket.close(code=code)

    @property
    def close_code(self) -> int | None:
        return self._socket.close_code

    async def leave(self) -> None:
        await self._socket.close()
        await self._session.close()


Open = Callable[[str, str], Awaitable[Library]]
LIBRARIES: dict[str, Open] = {"websockets": Websockets.open, "aiohttp": Aiohttp.open}
if MODULES in os.environ:
    LIBRARIES["ws"] = NodeWs.open


async def soon(awaited: Awaitable[Any]) -> Any:
    """Return what comes of it, in time."""
    async with asyncio.timeout(WITHIN):
        return await awaited
