"""A client that pings and does not read costs one pong, not one for each ping."""

from __future__ import annotations

from unittest.mock import Mock

from tests.unit.gateway.transports.test_goodbye import GOODBYE, made


def ping(word: bytes) -> bytes:
    return bytes([0x89, 0x80 | len(word), 0, 0, 0, 0]) + word


def pong(word: bytes) -> bytes:
    return bytes([0x8A, len(word)]) + word


def test_every_ping_of_a_client_that_reads_is_answered() -> None:
    connection, transport = made(Mock())
    connection.data_received(ping(b"1") + ping(b"2"))
    assert transport.written == [pong(b"1"), pong(b"2")]


def test_a_ping_is_answered_before_the_message_that_came_behind_it() -> None:
    events = Mock()
    connection, transport = made(events)
    events.frame.side_effect = lambda *_: connection.push(b"the answer")
    message = b'{"type":"pong"}'
    connection.data_received(ping(b"1") + bytes([0x81, 0x80 | len(message), 0, 0, 0, 0]) + message)
    connection.flush()
    assert transport.written == [pong(b"1"), b"the answer"]


def test_a_client_that_does_not_read_gets_the_last_pong_when_it_reads_again() -> None:
    events = Mock()
    connection, transport = made(events)
    connection.pause_writing()
    connection.push(b"before")
    for number in range(1000):
        connection.data_received(ping(b"%d" % number))
    assert transport.written == []
    assert len(connection._protocol.writes) == 1
    assert events.sign_of_life.call_count == 1000, "the flood guard counts them all the same"
    connection.resume_writing()
    assert transport.written == [b"before", pong(b"999")]
    connection.resume_writing()
    assert len(transport.written) == 2, "once"


def test_the_goodbye_to_a_client_that_does_not_read_goes_out_at_once() -> None:
    connection, transport = made(Mock())
    connection.pause_writing()
    connection.data_received(ping(b"1") + ping(b"2") + GOODBYE)
    assert transport.ended
    assert transport.written[-1][:1] == b"\x88"
