"""An echo server made of the gateway's own parts: listener, handshake, connection.

Nothing of them is replaced but what a whole message leads to: it is sent back, as the suite expects. What is not UTF-8
is refused by the codec of the gateway that does so there.
"""

from __future__ import annotations

import asyncio
from typing import Any

from websockets.frames import Opcode

from gateway.codecs import DIALECTS, BadFrame, wire
from gateway.codecs.json import NOT_UTF8, is_utf8
from gateway.settings import GatewaySettings
from gateway.transports import websocket
from gateway.transports.counters import PortCounters
from gateway.transports.handshake import Handshake
from gateway.transports.listener import Listener
from gateway.transports.websocket import Connection
from shared.codes import CloseCode

MAX_BYTES = 16 * 2**20
"""The largest message of the suite. A gateway can be told to take 1 MiB at most."""
OUTBOX = 256 * 2**20


class EchoConnection(Connection):
    """A connection that sends messages back, text and binary alike."""

    def _message(self, opcode: Opcode, payload: bytes) -> None:
        if opcode is Opcode.TEXT and not is_utf8(payload):
            self._events.bad_frame(self, NOT_UTF8)
        elif self.push(wire.frame(opcode, payload)):
            self.flush()


class EchoEvents:
    """What the reception does, as far as there is anything to do without a session."""

    def bad_frame(self, connection: Connection, bad: BadFrame) -> None:
        connection.close(CloseCode.BAD_FRAME, bad.reason)

    def sign_of_life(self, connection: Connection) -> None: ...

    def broken(self, connection: Connection) -> None: ...

    def goodbye(self, connection: Connection) -> None: ...

    def lost(self, connection: Connection) -> None: ...

    def failed(self, connection: Connection, fault: Exception) -> None:
        raise fault


class EchoServer:
    """Listens on a free port of this machine from `start` to `stop`.

    With `plain_codes` it closes with the codes of RFC 6455 (1002, 1007) instead of ours (4106), so that the suite,
    which knows only those, can say of everything else whether it is right.
    """

    def __init__(self, *, plain_codes: bool) -> None:
        settings = GatewaySettings(host="127.0.0.1", port=0)
        self._plain_codes = plain_codes
        self._listener = Listener(settings, self._welcome, self._turn_away, PortCounters())
        self._translated = dict(websocket._TRANSLATED)

    async def start(self) -> tuple[str, int]:
        """Begin; return host and port."""
        if self._plain_codes:
            websocket._TRANSLATED.clear()
            websocket._TRANSLATED[int(CloseCode.BAD_FRAME)] = 1007  # type: ignore[assignment]
        return await self._listener.start()

    async def stop(self) -> None:
        """End."""
        websocket._TRANSLATED.clear()
        websocket._TRANSLATED.update(self._translated)
        await self._listener.close()

    def _welcome(self, transport: asyncio.Transport, head: bytes) -> None:
        handshake = Handshake(head)
        if handshake.request() is None:
            transport.write(handshake.answer())
            transport.close()
            return
        response, dialect = handshake.accept()
        transport.write(response)
        if dialect is None:
            transport.close()
            return
        made: Any = EchoConnection
        connection = made(transport, None, DIALECTS[0], EchoEvents(), max_bytes=MAX_BYTES, outbox_bound=OUTBOX)
        transport.set_protocol(connection)
        if handshake.early:
            connection.data_received(handshake.early)

    def _turn_away(self, transport: asyncio.Transport, head: bytes) -> None:
        transport.write(b"HTTP/1.1 426 Upgrade Required\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
        transport.close()
