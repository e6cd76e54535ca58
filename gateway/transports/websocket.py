"""One WebSocket connection: bytes in and out, around the Sans-I/O layer of ``websockets``.

No task, no queue and no timer of its own. Deliveries bypass the library: they are finished frames that all receivers
share, and this room only writes them.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Protocol, cast

from websockets.frames import Frame, Opcode
from websockets.protocol import OPEN
from websockets.server import ServerProtocol

from gateway.backlog import Shed
from gateway.codecs import BadFrame, Dialect
from gateway.flood import FRAME_BYTES
from gateway.outbox import Outbox
from gateway.session import Session
from shared.codes import CloseCode
from shared.frames import AnyClientFrame

MAX_REASON = 120
"""Bytes of a close reason (RFC 6455, section 5.5: a control frame carries at most 125, two of them the code)."""

ABNORMAL = 1006
"""What stands for a close code where none came (RFC 6455, section 7.4.1)."""

MAX_AFTER_CLOSE = 256 * 1024
"""Bytes that are read, and thrown away, of a client that has been sent its close frame; then it is cut off."""

_TRANSLATED = {
    1002: CloseCode.BAD_FRAME,
    1007: CloseCode.BAD_FRAME,
    1009: CloseCode.TOO_LARGE,
    1011: CloseCode.INTERNAL,
}
"""The library's own verdicts on what a client sent, in the codes whose range tells clients what to do."""

# What a peer did wrong is counted and told by us, once.
_quiet = logging.getLogger("gateway.websockets")
_quiet.setLevel(logging.ERROR)


class FrameProtocol(ServerProtocol):
    """A connection after its handshake.

    A new object, so that the request's headers and the handshake's parser do not stay in memory for its whole life.
    """

    late = 0
    """Bytes that came after our side had ended."""

    def __init__(self, max_bytes: int) -> None:
        super().__init__(state=OPEN, max_size=max_bytes, logger=_quiet)

    def allow(self, max_bytes: int) -> None:
        """Take messages of so many bytes from now on."""
        self.max_message_size = max_bytes

    def forget(self) -> None:
        """Let go of itself, which its parser holds: nothing of a connection that is gone waits for the collector."""
        self.parser.close()

    def recv_frame(self, frame: Frame) -> None:
        """Take a frame; a client may leave in the middle of a message (RFC 6455, section 5.4)."""
        if frame.opcode is Opcode.CLOSE:
            self.current_size = None
        super().recv_frame(frame)

    def fail(self, code: int, reason: str = "") -> None:
        """Close with our own codes; only the network's failure (1006) stays what it is."""
        super().fail(_TRANSLATED.get(code, code), reason)


class Events(Protocol):
    """Who is told what a connection received. None of these may raise."""

    def frame(self, connection: Connection, frame: AnyClientFrame) -> None:
        """A frame of the protocol came."""

    def bad_frame(self, connection: Connection, bad: BadFrame) -> None:
        """Something came that is none."""

    def large(self, connection: Connection, size: int) -> bool:
        """A message of so many bytes came, `FRAME_BYTES` at least; say whether it may be read."""

    def sign_of_life(self, connection: Connection) -> None:
        """A control frame or a fragment came."""

    def broken(self, connection: Connection) -> None:
        """What came was no WebSocket frame; the close is on its way."""

    def failed(self, connection: Connection, fault: Exception) -> None:
        """What came led to an exception that nobody expected."""

    def goodbye(self, connection: Connection) -> None:
        """The client closed; our answer is on its way."""

    def overflow(self, connection: Connection) -> None:
        """The outbox is full and nothing in it may be left out."""

    def lost(self, connection: Connection) -> None:
        """The socket is gone."""

    def shed(self, shed: Shed) -> None:
        """Messages for a slow client were left out."""


class Connection(asyncio.Protocol):
    """A client's connection, from the end of its handshake on."""

    __slots__ = (
        "_closing",
        "_events",
        "_fragments",
        "_outbox",
        "_outbox_bound",
        "_overflowed",
        "_paused",
        "_protocol",
        "_stalled",
        "_transport",
        "_when_written",
        "admitted",
        "dialect",
        "identified",
        "session",
    )

    def __init__(
        self,
        transport: asyncio.Transport,
        session: Session,
        dialect: Dialect,
        events: Events,
        *,
        max_bytes: int,
        outbox_bound: int,
    ) -> None:
        self.session = session
        self.dialect = dialect
        self.admitted = False
        """Counted by the gateway's admission."""
        self.identified = False
        """Counted as one of its user's."""
        self._transport = transport
        self._events = events
        self._protocol = FrameProtocol(max_bytes)
        self._outbox = Outbox()
        self._outbox_bound = outbox_bound
        self._overflowed = False
        """A frame found no room: what comes after it must not be heard without it, however small it is."""
        self._fragments: list[bytes] | None = None
        self._stalled = False
        self._paused = False
        self._closing = False
        self._when_written: list[Callable[[], None]] | None = None
        """Who waits, in order: no more than the connection may have subscriptions, each with what it is to be sent."""

    # What the transport tells.

    def data_received(self, data: bytes) -> None:
        """Take bytes of the client."""
        try:
            self._receive(data)
        except Exception as fault:  # the border: what one client sends ends that client's connection at the most
            self._events.failed(self, fault)

    def _receive(self, data: bytes) -> None:
        protocol = self._protocol
        if self._closing:
            protocol.late += len(data)
            if protocol.late > MAX_AFTER_CLOSE:
                self.abort()
                return
        protocol.receive_data(data)
        if protocol.writes and protocol.state is OPEN:
            self._write_control()  # pongs, before the answers to what came after the pings
        for event in protocol.events_received():
            if self._closing:
                break
            self._take(cast(Frame, event))
        if protocol.writes:
            self._write_control()
        if protocol.state is not OPEN and not self._closing:
            # Our side has ended, with an answer to the client's goodbye or with what it did wrong: no write may follow.
            self._closing = True
            self._outbox.clear()
            if protocol.parser_exc is not None:
                self._events.broken(self)
            else:
                self._events.goodbye(self)

    def eof_received(self) -> None:
        """Take the end of what the client has to say; asyncio closes the transport."""

    def connection_lost(self, exc: Exception | None) -> None:
        """Take the end of the socket."""
        self._closing = True
        self._outbox.clear()
        self._when_written = None
        self._protocol.forget()
        self._events.lost(self)

    def pause_writing(self) -> None:
        """The socket is full: collect in the outbox."""
        self._stalled = True

    def resume_writing(self) -> None:
        """The socket has room again."""
        self._stalled = False
        self.flush()
        if self._protocol.writes:
            self._write_control()

    # What the gateway asks.

    @property
    def farewell(self) -> tuple[int, str]:
        """Return the close code and reason that were sent; 1006 where the connection ended without any."""
        close = self._protocol.close_sent
        return (ABNORMAL, "the connection broke") if close is None else (close.code, close.reason)

    def push(self, chunk: bytes) -> bool:
        """Put a finished frame into the outbox; say whether the connection has to be flushed now."""
        if self._closing or self._overflowed:
            return False
        outbox = self._outbox
        if not outbox.chunks:
            outbox.chunks.append(chunk)
            outbox.size = len(chunk)
            return True
        shed = outbox.push(chunk, self._outbox_bound, self._stalled, self.dialect)
        if shed is not None:
            self._events.shed(shed)
            if shed.full:
                self._overflowed = True
                self._events.overflow(self)
        return False

    def flush(self) -> None:
        """Write what waits, unless the socket is full: then `resume_writing` does."""
        if not self._stalled and self._outbox.chunks:
            self._transport.write(self._outbox.take())
        if self._when_written is not None and not self._stalled:
            waiting, self._when_written = self._when_written, None
            for place, then in enumerate(waiting):
                if place and not self.has_room(self._outbox_bound // 4):  # what is left looks again when it has gone
                    self._when_written = waiting[place:] + (self._when_written or [])
                    break
                then()

    def allow(self, max_bytes: int) -> None:
        """Take messages of so many bytes from now on; `max_bytes` at the beginning is for those whom nobody knows."""
        self._protocol.allow(max_bytes)

    def has_room(self, most: int) -> bool:
        """Say whether fewer than `most` bytes wait and the socket takes more."""
        return not self._stalled and self._outbox.size < most

    def when_written(self, then: Callable[[], None]) -> None:
        """Call `then` once, when what waits has been written; never where the connection ends before."""
        if self._when_written is None:
            self._when_written = []
        self._when_written.append(then)

    def pause_reading(self) -> None:
        """Let TCP hold the client back."""
        if not self._paused and not self._transport.is_closing():
            self._paused = True
            self._transport.pause_reading()

    def resume_reading(self) -> None:
        """Read again."""
        if self._paused and not self._transport.is_closing():
            self._paused = False
            self._transport.resume_reading()

    def close(self, code: CloseCode, reason: str) -> None:
        """Say goodbye and close our side; what else the client sends is thrown away."""
        if self._closing:
            return
        self._closing = True
        if self._stalled:
            # What did not fit will not be read in time. The goodbye alone is small, and goes behind what is in the
            # socket already, for a client that wakes up.
            self._outbox.clear()
        self._fragments = None
        self._protocol.fail(code, reason.encode()[:MAX_REASON].decode(errors="ignore"))
        self._write_control()
        self.resume_reading()

    def abort(self) -> None:
        """Drop the connection as it is."""
        self._transport.abort()

    def _take(self, frame: Frame) -> None:
        opcode = frame.opcode
        if opcode is Opcode.TEXT or opcode is Opcode.BINARY:
            if frame.fin:
                self._message(opcode, bytes(frame.data))
                return
            self._fragments = [bytes([opcode]), bytes(frame.data)]
        elif opcode is Opcode.CONT and self._fragments is not None:
            self._fragments.append(bytes(frame.data))
            if frame.fin:
                fragments, self._fragments = self._fragments, None
                self._message(Opcode(fragments[0][0]), b"".join(fragments[1:]))
                return
        self._events.sign_of_life(self)

    def _message(self, opcode: Opcode, payload: bytes) -> None:
        if opcode != self.dialect.opcode:
            expected = "text" if self.dialect.opcode == Opcode.TEXT else "binary"
            self._events.bad_frame(
                self, BadFrame(f"{self.dialect.subprotocol} speaks in {expected} frames", fatal=True)
            )
            return
        if len(payload) >= FRAME_BYTES and not self._events.large(self, len(payload)):
            return
        for frame in self.dialect.decode(payload):
            if self._closing:
                return
            if isinstance(frame, BadFrame):
                self._events.bad_frame(self, frame)
            else:
                self._events.frame(self, frame)

    def _write_control(self) -> None:
        """Write the library's own frames, behind what waits; an empty one is the end of our side."""
        self.flush()
        if self._stalled and self._protocol.state is OPEN:
            # These are pongs, and the client does not read: only the last one is kept (RFC 6455, section 5.5.3).
            del self._protocol.writes[:-1]
            return
        for data in self._protocol.data_to_send():
            if data:
                self._transport.write(data)
            elif self._transport.can_write_eof():
                self._transport.write_eof()
            else:
                self._transport.close()
