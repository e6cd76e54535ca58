"""The transport of one AMQP connection, under aiormq: what comes with every message is taken out on the way.

aiormq reads each frame with several awaits, a queue and a task: 50 µs of CPU a message, and 110 to publish one. Here
deliveries, confirms and returns are read as they arrive, and aiormq gets the rest, whole frames still, through the
stream that it expects. What we write ourselves goes to the same transport, in whole frames too.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, cast

import aiormq.connection
from yarl import URL

from shared.bus.wire import HEARTBEAT_FRAME
from shared.bus.wire_reader import Event, WireError, WireReader

SUSPICION = 0.05
"""Seconds between the suspicion that the peer is silent and the verdict: after a stall of our own process, what had
come meanwhile is read first."""


class Tap(asyncio.StreamReaderProtocol):
    """Between the transport and aiormq's stream. `last_heard` is the time of the loop at which something came."""

    def __init__(self, hear: Callable[[Event], None], lost: Callable[[str], None]) -> None:
        self.loop = asyncio.get_running_loop()
        self.stream = asyncio.StreamReader(loop=self.loop)
        self.wire = WireReader()
        self.transport: asyncio.Transport | None = None
        self.was_connected = False
        self.last_heard = self.loop.time()
        self._hear = hear
        self._lost = lost
        self._out: list[bytes] = []
        self._watch: asyncio.TimerHandle | None = None
        super().__init__(self.stream, loop=self.loop)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Be connected."""
        self.transport = cast(asyncio.Transport, transport)  # uvloop's are not instances of it
        self.was_connected = True
        super().connection_made(transport)

    def data_received(self, data: bytes) -> None:
        """Take out what is ours, and let aiormq have the rest."""
        self.last_heard = self.loop.time()
        try:
            events, others = self.wire.feed(data)
        except WireError as error:
            self.abort(f"the broker sent what cannot be read: {error}")
            return
        for event in events:
            self._hear(event)
        if others:
            super().data_received(others)

    def eof_received(self) -> bool:
        """Take the end of what the broker says: to answer is of no use any more, and aiormq takes no heartbeats."""
        super().eof_received()
        self.abort("the broker ended the connection")
        return False

    def connection_lost(self, error: Exception | None) -> None:
        """Be no more."""
        self.transport = None
        self._out.clear()
        if self._watch is not None:
            self._watch.cancel()
        self._lost(f"the connection broke ({error})" if error else "the broker ended the connection")
        super().connection_lost(error)

    def write(self, frames: bytes) -> None:
        """Send whole frames, together with what else is written in this turn of the loop."""
        if not self._out:
            self.loop.call_soon(self.flush)
        self._out.append(frames)

    def flush(self) -> None:
        """Send at once what was written so far."""
        if self._out and self.transport is not None:
            self.transport.write(b"".join(self._out))
        self._out.clear()

    def abort(self, cause: str) -> None:
        """Cut the connection without a word."""
        self._lost(cause)
        if self.transport is not None:
            self.transport.abort()

    def watch_silence(self, heartbeat: float) -> None:
        """Cut the connection when the peer is silent for one and a half times `heartbeat` seconds.

        Both sides send something at least every half `heartbeat`; aiormq sees to ours. So that it does not take the
        broker for dead when all that comes is ours, it is told of a heartbeat as often as we hear anything.
        """
        pause = heartbeat / 4
        if self.transport is None or self.transport.is_closing():
            return
        silent = self.loop.time() - self.last_heard
        if silent > heartbeat * 1.5:
            self._watch = self.loop.call_later(SUSPICION, self._judge, heartbeat)
            return
        if silent <= pause:
            super().data_received(HEARTBEAT_FRAME)
        self._watch = self.loop.call_later(pause, self.watch_silence, heartbeat)

    def _judge(self, heartbeat: float) -> None:
        silent = self.loop.time() - self.last_heard
        if silent > heartbeat * 1.5:
            self.abort(f"the broker was silent for {silent:.0f} s")
        else:
            self.watch_silence(heartbeat)


class TapFactory(aiormq.connection.TransportFactory):
    """Connects aiormq through a tap."""

    def __init__(self, hear: Callable[[Event], None], lost: Callable[[str], None]) -> None:
        self._hear = hear
        self._lost = lost
        self.tap: Tap | None = None

    async def create(self, url: URL, **options: Any) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Connect to the URL's host and port, with TLS for `amqps`."""
        loop = asyncio.get_running_loop()
        context = await options["ssl_context_provider"].get_context() if url.scheme == "amqps" else None
        tap = self.tap = Tap(self._hear, self._lost)
        transport, _ = await loop.create_connection(lambda: tap, url.host or "", url.port or 0, ssl=context)
        return tap.stream, asyncio.StreamWriter(transport, tap, tap.stream, loop)
