"""The WebSocket of a client after its handshake, whole and in pieces ◆"""

from __future__ import annotations

import json
from typing import Any

from gateway.codecs import BadFrame, Dialect
from gateway.codecs import json as text
from gateway.codecs import msgpack as binary
from gateway.transports.websocket import ABNORMAL, MAX_REASON, Connection
from shared.codes import CloseCode
from tests.fuzz.target import Growth, Target
from tests.fuzz.targets.frames import JSON_FRAMES, MSGPACK_FRAMES
from tests.support.client import websocket_frame

MAX_BYTES = 4096
CODES_OF_CLIENTS = frozenset((1000, 1001, 1002, 1003, 1005, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014))
"""Close codes that a client may send, and 1005 for none: the answer has the same (RFC 6455, section 5.5.1)."""


class Wire:
    """The socket's other end: keeps what is written, and refuses what asyncio would."""

    def __init__(self) -> None:
        self.written = bytearray()
        self.ended = False
        self.aborted = False

    def write(self, data: bytes) -> None:
        assert not self.ended, "nothing may follow the end"
        self.written += data

    def can_write_eof(self) -> bool:
        return True

    def write_eof(self) -> None:
        self.ended = True

    def is_closing(self) -> bool:
        return self.aborted

    def pause_reading(self) -> None: ...

    def resume_reading(self) -> None: ...

    def abort(self) -> None:
        self.aborted = True


class Heard:
    """What a connection told, in order. A bad frame ends it as the reception would, when it is fatal."""

    def __init__(self) -> None:
        self.told: list[Any] = []
        self.connection: Any = None

    def frame(self, _: Connection, frame: object) -> None:
        self._tell(frame)

    def bad_frame(self, connection: Connection, bad: BadFrame) -> None:
        self._tell(bad)
        if bad.fatal:
            connection.close(CloseCode.BAD_FRAME, bad.reason)

    def large(self, _: Connection, size: int) -> bool:
        self._tell(("large", size))
        return True

    def sign_of_life(self, _: Connection) -> None:
        self._tell("life")

    def broken(self, _: Connection) -> None:
        self.told.append("broken")

    def failed(self, _: Connection, fault: Exception) -> None:
        raise AssertionError("what a client sends is no fault of ours") from fault

    def goodbye(self, _: Connection) -> None:
        self.told.append("goodbye")

    def _tell(self, what: object) -> None:
        assert not self.told or self.told[-1] not in ("broken", "goodbye"), "it had ended"
        self.told.append(what)


def connected(dialect: Dialect) -> tuple[Connection, Heard, Wire]:
    """Return a connection of a client that may send up to `MAX_BYTES`."""
    wire, heard = Wire(), Heard()
    made: Any = Connection
    return made(wire, None, dialect, heard, max_bytes=MAX_BYTES, outbox_bound=2**16), heard, wire


def listen(dialect: Dialect, data: bytes) -> None:
    """Take the bytes at once, and in pieces: however TCP cuts them, the same has happened."""
    whole, heard, wire = connected(dialect)
    whole.data_received(data)
    _speaks_well(whole, wire)
    step = 1 + len(data) // 32
    cut, heard_cut, wire_cut = connected(dialect)
    for at in range(0, len(data), step):
        cut.data_received(data[at : at + step])
    _speaks_well(cut, wire_cut)
    assert heard_cut.told == heard.told
    if not any(isinstance(each, BadFrame) and each.fatal for each in heard.told):
        # Else it depends on what came at once which of two faults the close frame names.
        assert wire_cut.written == wire.written
    assert wire_cut.ended == wire.ended


def _speaks_well(connection: Connection, wire: Wire) -> None:
    """Hold what we wrote to RFC 6455: whole control frames of a server, at most one close, and that the last."""
    frames = list(_frames(bytes(wire.written)))
    closes = [payload for opcode, payload in frames if opcode == 8]
    assert {opcode for opcode, _ in frames} <= {8, 10}
    assert len(closes) <= 1
    assert wire.ended == bool(closes) or connection.farewell[0] == ABNORMAL
    if closes:
        assert frames[-1][0] == 8
        code = int.from_bytes(closes[0][:2], "big") if closes[0] else 1005
        assert code in CODES_OF_CLIENTS or code in set(CloseCode) or 3000 <= code < 5000
        assert len(closes[0]) <= 2 + max(MAX_REASON, 123)
        closes[0][2:].decode()


def _frames(data: bytes) -> Any:
    while data:
        assert data[0] & 0xF0 == 0x80, "final, and no reserved bits"
        length = data[1]
        assert length <= 125, "a control frame of a server"
        assert len(data) >= 2 + length
        yield data[0] & 0x0F, data[2 : 2 + length]
        data = data[2 + length :]


def listen_text(data: bytes) -> None:
    """Take the bytes of a client that speaks JSON."""
    listen(text, data)


class Deaf(Heard):
    """Listens to nothing."""

    def _tell(self, what: object) -> None: ...


def take_text(data: bytes) -> None:
    """Take the bytes of a client that speaks JSON, and think nothing of them."""
    made: Any = Connection
    made(Wire(), None, text, Deaf(), max_bytes=MAX_BYTES, outbox_bound=2**16).data_received(data)


def listen_binary(data: bytes) -> None:
    """Take the bytes of a client that speaks MessagePack."""
    listen(binary, data)


_CONNECT = JSON_FRAMES[0]
_CONTROL = (
    websocket_frame(b"?", 9),
    websocket_frame(b"!", 10),
    websocket_frame(b"", 8),
    websocket_frame(b"\x03\xe8bye", 8),
    websocket_frame(b"\x0f\xa0" + b"x" * 123, 8),
)
_FRAGMENTS = websocket_frame(_CONNECT[:9], 1, fin=False) + _CONTROL[0] + websocket_frame(_CONNECT[9:], 0)
_HEADS = tuple(
    websocket_frame(b"", opcode, fin=fin, rsv=rsv)
    for opcode in (0, 1, 2, 3, 8, 9, 10, 11)
    for fin in (True, False)
    for rsv in (0, 4)
)
_WORDS = (*_HEADS, *_CONTROL, websocket_frame(b"{}", length=2**63), websocket_frame(b"{}", masked=False), b"\x81\xfe")

TARGETS = (
    Target(
        "websocket-text",
        listen_text,
        (
            *map(websocket_frame, JSON_FRAMES), *_CONTROL, _FRAGMENTS, websocket_frame(b"[" * 130),
            websocket_frame(json.dumps({"type": "pong", "a": "x" * 5000}).encode()), websocket_frame(b"\xff"),
            websocket_frame(b"{}") + _CONTROL[3] + websocket_frame(b"{}"), b"\x01\xff\x83",
        ),
        words=_WORDS,
        growth=(
            *(Growth(websocket_frame(word, opcode), long=2**17) for word, opcode in ((b"{}", 1), (b"?", 9))),
            Growth(websocket_frame(b"", 0, fin=False), websocket_frame(b"[", 1, fin=False), long=2**17),
            Growth(b"x", _CONTROL[3]), Growth(b"\xff"), Growth(b"\x00"),
        ),
        bare=take_text,
    ),
    Target(
        "websocket-binary",
        listen_binary,
        (*(websocket_frame(frame, 2) for frame in MSGPACK_FRAMES), *_CONTROL, websocket_frame(b"\x80", 1)),
        words=_WORDS,
    ),
)  # fmt: skip
