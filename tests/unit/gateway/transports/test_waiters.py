"""Who waits until a client has read: by turns, and no more of them than there is room for."""

from __future__ import annotations

from functools import partial
from unittest.mock import Mock

from gateway.transports.websocket import Connection
from tests.unit.gateway.transports.test_goodbye import made

PIECE = b"x" * 300


def test_who_waits_for_room_is_not_asked_while_those_before_have_filled_it() -> None:
    connection, _ = made(Mock())
    turns: list[str] = []
    for name in "abc":
        connection.when_written(partial(wants_more, connection, name, turns))
    for asked in ("a", "b", "c", "a", "b"):
        before = len(turns)
        connection.flush()
        assert turns[before:] == [asked], "each takes all the room there is, and waits behind the others"


def test_all_are_asked_at_once_where_none_takes_room() -> None:
    connection, _ = made(Mock())
    turns: list[str] = []
    for name in "abc":
        connection.when_written(partial(turns.append, name))
    connection.flush()
    connection.flush()
    assert turns == ["a", "b", "c"]


def wants_more(connection: Connection, name: str, turns: list[str]) -> None:
    turns.append(name)
    connection.push(PIECE)
    connection.when_written(partial(wants_more, connection, name, turns))
