"""After the end of our side nothing is written, whoever ended it."""

from typing import Any
from unittest.mock import Mock

import pytest

from gateway.codecs import DIALECTS
from gateway.transports.websocket import MAX_AFTER_CLOSE, Connection
from shared.codes import CloseCode

GOODBYE = bytes([0x88, 0x82, 0, 0, 0, 0, 0x03, 0xE8])
BROKEN = bytes([0x83, 0x80, 0, 0, 0, 0])
"""A reserved opcode."""


class Transport:
    """A socket that, like asyncio's and uvloop's, takes nothing after its end was written."""

    def __init__(self) -> None:
        self.written: list[bytes] = []
        self.ended = False
        self.aborted = False

    def write(self, data: bytes) -> None:
        if self.ended:
            raise RuntimeError("Cannot call write() after write_eof()")
        self.written.append(data)

    def can_write_eof(self) -> bool:
        return True

    def write_eof(self) -> None:
        self.ended = True

    def is_closing(self) -> bool:
        return self.aborted

    def abort(self) -> None:
        self.aborted = True


def made(events: Any) -> tuple[Connection, Transport]:
    transport = Transport()
    connection = Connection(
        transport,  # type: ignore[arg-type]
        Mock(),
        DIALECTS[0],
        events,
        max_bytes=1000,
        outbox_bound=1000,
    )
    return connection, transport


@pytest.mark.parametrize("last_words", [GOODBYE, BROKEN])
@pytest.mark.parametrize("stalled", [False, True])
def test_nothing_is_written_behind_the_end(last_words: bytes, stalled: bool) -> None:
    connection, transport = made(Mock())
    if stalled:
        connection.pause_writing()
    connection.push(b"before")
    connection.data_received(last_words)
    assert transport.ended
    assert (b"before" in transport.written) is not stalled
    assert connection.push(b"after") is False
    connection.flush()
    connection.resume_writing()
    assert b"after" not in transport.written


@pytest.mark.parametrize(("last_words", "broken"), [(GOODBYE, 0), (BROKEN, 1)])
def test_only_what_breaks_the_protocol_is_told_as_such_and_once(last_words: bytes, broken: int) -> None:
    events = Mock()
    connection, _ = made(events)
    connection.data_received(last_words)
    connection.data_received(last_words)
    assert events.broken.call_count == broken


def test_a_client_may_leave_in_the_middle_of_a_message() -> None:
    events = Mock()
    connection, transport = made(events)
    first = bytes([0x01, 0x81, 0, 0, 0, 0]) + b"["
    rest = bytes([0x80, 0x81, 0, 0, 0, 0]) + b"]"
    connection.data_received(first + GOODBYE + rest)
    assert transport.written == [b"\x88\x02\x03\xe8"], "as it said goodbye, so do we"
    assert events.goodbye.call_count == 1
    assert events.broken.call_count == 0


def test_who_goes_on_sending_after_its_end_is_cut_off() -> None:
    connection, transport = made(Mock())
    connection.close(CloseCode.FLOODING, "too much")
    piece = bytes(1024)
    for _ in range(MAX_AFTER_CLOSE // len(piece)):
        connection.data_received(piece)
    assert not transport.aborted
    connection.data_received(piece)
    assert transport.aborted
