"""Clients are told when the service is degraded, and when it is restored."""

import logging
from typing import Any

import msgspec
import pytest

from gateway.codecs import DIALECTS, Dialect
from gateway.counters import Counters
from gateway.degradation import Degradation
from gateway.states import State
from shared.bus.port import BusState

JSON, MSGPACK = DIALECTS


class Session:
    def __init__(self, state: State) -> None:
        self.state = state


class Connection:
    def __init__(self, state: State = State.ACTIVE, dialect: Dialect = JSON) -> None:
        self.session = Session(state)
        self.dialect = dialect
        self.chunks: list[bytes] = []

    @property
    def told(self) -> list[Any]:
        return [msgspec.json.decode(chunk[chunk.index(b"{") :]) for chunk in self.chunks]


class Fanout:
    def send(self, receiver: Connection, chunk: bytes) -> None:
        receiver.chunks.append(chunk)


def watching(*connections: Connection) -> tuple[Degradation, Counters]:
    counters = Counters()
    return Degradation(lambda: connections, Fanout(), counters), counters  # type: ignore[arg-type, return-value]


@pytest.mark.parametrize(
    ("state", "words"), [(BusState.AWAY, "stays subscribed"), (BusState.BLOCKED, "you still receive")]
)
def test_every_client_is_told_that_the_service_is_degraded_and_what_that_means(state: BusState, words: str) -> None:
    client = Connection()
    degradation, counters = watching(client)
    degradation.bus_changed(state, "cause")
    (frame,) = client.told
    assert frame["type"] == "degraded"
    assert words in frame["reason"]
    assert (degradation.is_degraded, counters.degradations) == (True, 1)


def test_what_the_operator_reads_is_not_what_clients_are_told(caplog: pytest.LogCaptureFixture) -> None:
    client = Connection()
    degradation, _ = watching(client)
    with caplog.at_level(logging.INFO, "gateway.degradation"):
        degradation.bus_changed(BusState.AWAY, "amqp://inner-host refused")
        degradation.bus_changed(BusState.READY, "back")
    assert "inner-host" not in str(client.told)
    assert [record.levelname for record in caplog.records] == ["WARNING", "INFO"]
    assert "inner-host" in caplog.text


def test_clients_are_told_that_it_is_restored_once_and_only_after_it_was_degraded() -> None:
    client = Connection()
    degradation, _ = watching(client)
    degradation.bus_changed(BusState.READY, "connected")
    assert client.told == []
    degradation.bus_changed(BusState.BLOCKED, "alarm")
    degradation.bus_changed(BusState.READY, "over")
    degradation.bus_changed(BusState.READY, "over")
    assert [frame["type"] for frame in client.told] == ["degraded", "restored"]
    assert not degradation.is_degraded


def test_a_trouble_that_changes_its_kind_is_told_again_and_counted_once() -> None:
    client = Connection()
    degradation, counters = watching(client)
    degradation.bus_changed(BusState.BLOCKED, "alarm")
    degradation.bus_changed(BusState.AWAY, "gone")
    assert len({frame["reason"] for frame in client.told}) == 2
    assert counters.degradations == 1
    degradation.bus_changed(BusState.READY, "back")
    degradation.bus_changed(BusState.AWAY, "gone again")
    assert counters.degradations == 2


@pytest.mark.parametrize("state", [State.OPENED, State.AUTHENTICATING, State.ENDED])
def test_only_clients_that_are_connected_are_told(state: State) -> None:
    other, client = Connection(state), Connection()
    degradation, _ = watching(other, client)
    degradation.bus_changed(BusState.AWAY, "gone")
    degradation.bus_changed(BusState.READY, "back")
    assert (other.chunks, len(client.chunks)) == ([], 2)


def test_a_frame_is_encoded_once_for_each_dialect() -> None:
    one, two, other = Connection(), Connection(), Connection(dialect=MSGPACK)
    degradation, _ = watching(one, two, other)
    degradation.bus_changed(BusState.AWAY, "gone")
    assert one.chunks[0] is two.chunks[0]
    assert other.chunks[0] != one.chunks[0]


def test_a_gateway_that_stops_tells_nobody_that_its_own_bus_goes() -> None:
    client = Connection()
    degradation, counters = watching(client)
    degradation.stop()
    degradation.bus_changed(BusState.AWAY, "closed")
    assert (client.told, counters.degradations) == ([], 0)
