"""What a dialect is: one way to write the frames of ``penstock.v1`` ◆"""

from __future__ import annotations

from typing import Protocol, TypeAlias

from msgspec import Struct

from shared.envelopes import Encoding, Entry, HistoryRead
from shared.frames import AnyClientFrame, ServerFrame


class BadFrame(Struct, frozen=True, gc=False):
    """What a client sent in place of a frame.

    `reason` is for the client and holds at most `reading.REASON_LENGTH` characters. A `fatal` one ends the connection
    with 4106 (for text that is not UTF-8, too, where RFC 6455 in section 8.1 has 1007: its client shall not come back
    as it is); any other is answered with ``bad_request``, and with its `id` where one could be read.
    """

    reason: str
    id: int | None = None
    fatal: bool = False


Incoming: TypeAlias = AnyClientFrame | BadFrame


class Dialect(Protocol):
    """The names that both modules have."""

    @property
    def subprotocol(self) -> str:
        """Return the name in ``Sec-WebSocket-Protocol``."""

    @property
    def opcode(self) -> int:
        """Return the opcode of its messages: 1 text, 2 binary."""

    @property
    def index(self) -> int:
        """Return its place in arrays that hold one item per dialect."""

    @property
    def payload_encoding(self) -> Encoding:
        """Return how the `data` of a client's `Publish` is encoded."""

    def decode(self, payload: bytes, /) -> list[Incoming]:
        """Read one message of a client: one frame, or an array of them. Never raises, never returns nothing.

        A fatal `BadFrame` comes alone.
        """

    def encode(self, frame: ServerFrame, /) -> bytes:
        """Return a frame as a finished WebSocket frame."""

    def message(self, entry: Entry, /) -> bytes:
        """Return a ``message`` frame as a finished WebSocket frame. Never raises."""

    def result(self, request: int, read: HistoryRead, /) -> bytes:
        """Return the answer to a client's ``history`` as a finished WebSocket frame. Never raises."""
