"""One port for WebSocket and HTTP: reads each request's head, in time, and hands the connection on.

A connection whose head asks for ``Upgrade: websocket`` goes to one taker, every other to another, with all bytes read
so far. Until then it costs a small object and a place in line: all have the same time, so the oldest place is always
the first to be given up.
"""

from __future__ import annotations

import asyncio
import logging
import re
import socket
from collections.abc import Callable
from http import HTTPStatus
from typing import TypeAlias, cast

from gateway.settings import GatewaySettings
from gateway.transports import answers
from gateway.transports.counters import PortCounters
from gateway.wheel import INTERVAL, STALL
from shared.clock import monotonic
from shared.codes import ErrorCode
from shared.errors import ConfigurationError

log = logging.getLogger(__name__)

MAX_HEAD = 16 * 1024
"""Bytes of a request's first line and headers; a longer head is answered with 431."""

NOTSENT_LOWAT = 64 * 1024
"""Bytes that the kernel takes for a client beyond what is on its way; what it does not take, our outbox bounds."""

ACCEPTS_PER_TURN = 64
"""Connections that asyncio accepts in one turn of the loop.

Without file descriptors it tries, and complains, as many times before it rests for a second. (libuv sheds instead: it
accepts what waits and closes it at once.)
"""

_END = b"\r\n\r\n"
_UPGRADE = re.compile(rb"\r\nupgrade[ \t]*:[^\r\n]*\bwebsocket\b", re.IGNORECASE)

Take: TypeAlias = Callable[[asyncio.Transport, bytes], None]
"""Takes a connection over: sets the transport's protocol, and reads the bytes that came so far."""


class Listener:
    """The port of a gateway."""

    def __init__(self, settings: GatewaySettings, websocket: Take, http: Take, counters: PortCounters) -> None:
        self._settings = settings
        self._websocket = websocket
        self._http = http
        self._counters = counters
        self._timeout = settings.gateway.handshake_timeout
        self._max_waiting = settings.gateway.max_handshakes
        self._waiting: dict[Head, float] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._planned = 0.0
        self._servers: list[asyncio.Server] = []
        self._loop = asyncio.get_running_loop()

    async def start(self) -> tuple[str, int]:
        """Listen, and return host and port; raise `ConfigurationError` where that cannot be."""
        settings = self._settings
        sockets = await bind(settings.host, settings.port, reuse_port=settings.reuse_port)
        for sock in sockets:
            server = await self._loop.create_server(lambda: Head(self), sock=sock, backlog=ACCEPTS_PER_TURN)
            sock.listen(settings.backlog)
            self._servers.append(server)
        host, port = sockets[0].getsockname()[:2]
        return host, port

    async def stop_accepting(self) -> None:
        """Close the port; connections that are there stay."""
        for server in self._servers:
            server.close()
        self._servers.clear()

    async def close(self) -> None:
        """Close the port and drop every connection that has not been handed on."""
        await self.stop_accepting()
        for head in list(self._waiting):
            head.abort()
        self._waiting.clear()
        if self._timer is not None:
            self._timer.cancel()

    # What heads tell.

    def opened(self, head: Head) -> None:
        """Give a new connection its place in line."""
        if len(self._waiting) >= self._max_waiting:
            oldest = next(iter(self._waiting))
            self._leave(oldest)
            self._counters.heads_evicted += 1
            log.info("a connection made room for a newer one: no whole request came", extra={"event": "head.evicted"})
            oldest.abort()
        self._waiting[head] = monotonic() + self._timeout
        self._counters.heads_waiting = len(self._waiting)
        if self._timer is None:
            self._arm(self._timeout)

    def complete(self, head: Head, transport: asyncio.Transport, data: bytes) -> None:
        """Hand a connection on."""
        self._leave(head)
        take = self._websocket if _UPGRADE.search(data, 0, data.index(_END)) else self._http
        take(transport, data)

    def refuse(self, head: Head, status: HTTPStatus, reason: str) -> None:
        """Turn away what is no request."""
        self._leave(head)
        self._counters.heads_refused += 1
        log.info("request refused: %s", reason, extra={"event": "head.refused", "status": status.value})
        head.answer(answers.whole(status, ErrorCode.BAD_REQUEST, reason))

    def lost(self, head: Head) -> None:
        """Take the place of a connection that is gone out of the line."""
        self._leave(head)

    def _leave(self, head: Head) -> None:
        self._waiting.pop(head, None)
        self._counters.heads_waiting = len(self._waiting)

    def _expire(self) -> None:
        now = monotonic()
        if now - self._planned > STALL:
            self._arm(INTERVAL)  # the loop stalled, in a storm of handshakes perhaps: read first what has come in
            return
        while self._waiting:
            head, deadline = next(iter(self._waiting.items()))
            if deadline > now:
                break
            self._leave(head)
            self._counters.heads_timed_out += 1
            log.info("connection closed: no whole request came in time", extra={"event": "head.timed_out"})
            head.time_out(self._timeout)
        rest = next(iter(self._waiting.values()), None)
        if rest is None:
            self._timer = None
        else:
            self._arm(rest - now)

    def _arm(self, delay: float) -> None:
        self._planned = monotonic() + delay
        self._timer = self._loop.call_later(delay, self._expire)


class Head(asyncio.Protocol):
    """A connection until the head of its request has been read."""

    __slots__ = ("_data", "_listener", "_transport")

    def __init__(self, listener: Listener) -> None:
        self._listener = listener
        self._transport: asyncio.Transport | None = None
        self._data = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin to wait."""
        self._transport = cast(asyncio.Transport, transport)  # uvloop's are not instances of it
        self._listener.opened(self)

    def data_received(self, data: bytes) -> None:
        """Take more of the head."""
        assert self._transport is not None, "the connection was made"
        if self._transport.is_closing():
            return
        searched = max(0, len(self._data) - len(_END) + 1)
        self._data += data
        end = self._data.find(_END, searched, MAX_HEAD)
        if not b"A" <= self._data[:1] <= b"Z":
            self._listener.refuse(self, HTTPStatus.BAD_REQUEST, "this is not HTTP; is it TLS? That ends at a proxy")
        elif end >= 0:
            self._listener.complete(self, self._transport, self._data)
        elif len(self._data) >= MAX_HEAD:
            reason = f"the head of a request may have {MAX_HEAD} bytes"
            self._listener.refuse(self, HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, reason)

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop waiting."""
        self._listener.lost(self)
        self._transport = None

    def answer(self, response: bytes) -> None:
        """Send the last bytes of this connection."""
        if self._transport is not None:
            self._transport.write(response)
            self._transport.close()

    def time_out(self, timeout: float) -> None:
        """Give up. Who said nothing is told nothing: browsers open connections that they may never use."""
        if self._data:
            reason = f"the head of the request did not come within {timeout:g} s"
            self.answer(answers.whole(HTTPStatus.REQUEST_TIMEOUT, ErrorCode.TIMEOUT, reason))
        else:
            self.abort()

    def abort(self) -> None:
        """Drop the connection."""
        if self._transport is not None:
            self._transport.abort()


def peer_of(transport: asyncio.Transport) -> str:
    """Return the address at the other end of the socket; nothing where it is gone."""
    peer = transport.get_extra_info("peername")
    return str(peer[0]) if peer else ""


async def bind(host: str, port: int, *, reuse_port: bool) -> list[socket.socket]:
    """Return a bound socket for each address of `host`, all on one port; raise `ConfigurationError` where none can be.

    Accepted sockets inherit the options that are set here.
    """
    sockets: list[socket.socket] = []
    try:
        addresses = await asyncio.get_running_loop().getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
        for family, kind, protocol, _, address in dict.fromkeys(addresses):
            sock = socket.socket(family, kind, protocol)
            sockets.append(sock)
            sock.setblocking(False)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if reuse_port:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            if family == socket.AF_INET6:
                sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if hasattr(socket, "TCP_NOTSENT_LOWAT"):
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, NOTSENT_LOWAT)
            sock.bind((address[0], port, *address[2:]))
            port = sock.getsockname()[1]  # 0 was any; from now on it is this one
    except OSError as error:
        for sock in sockets:
            sock.close()
        raise ConfigurationError(
            f"Cannot listen on {host}:{port}: {error.strerror or error}. "
            "Choose another address with PENSTOCK_HOST and PENSTOCK_PORT."
        ) from error
    return sockets
