"""What a connection does whose outbox is full."""

from __future__ import annotations

from typing import Any

from gateway.codecs import DIALECTS
from gateway.transports.websocket import Connection


class Around:
    """The transport, and who is told; the gateway ends such a connection in the loop's next turn."""

    def __init__(self) -> None:
        self.written = b""
        self.overflows = 0

    def write(self, data: bytes) -> None:
        self.written += data

    def shed(self, shed: object) -> None: ...

    def overflow(self, connection: Connection) -> None:
        self.overflows += 1


def test_nothing_is_heard_after_what_found_no_room_however_small_it_is() -> None:
    around: Any = Around()
    connection = Connection(around, around, DIALECTS[0], around, max_bytes=100, outbox_bound=10)
    for chunk in (b"12345678", b"too much", b"9"):
        connection.push(chunk)
    connection.flush()
    connection.push(b"10")
    connection.flush()
    assert (around.written, around.overflows) == (b"12345678", 1), "then it is closed, comes back, and gets the rest"
