"""The clients of a gateway that stops are sent elsewhere, a few at a time."""

from collections.abc import Iterable

import pytest

from gateway import drain as room
from gateway.drain import drain
from gateway.effects import Effect, End, Send
from gateway.states import State
from shared.codes import CloseCode
from shared.frames import Reconnect


class Session:
    def __init__(self, state: State) -> None:
        self.state = state


class Connection:
    def __init__(self, state: State = State.ACTIVE) -> None:
        self.session = Session(state)
        self.effects: list[Effect] = []


class Performer:
    """Keeps what is to be done; the connection is gone as soon as it was closed."""

    def __init__(self, connections: dict[int, Connection]) -> None:
        self.connections = connections

    def perform(self, connection: Connection, effects: Iterable[Effect]) -> None:
        connection.effects += effects
        connection.session.state = State.ENDED
        self.connections.pop(id(connection), None)


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    pauses: list[float] = []

    async def sleep(seconds: float) -> None:
        pauses.append(seconds)

    monkeypatch.setattr(room.asyncio, "sleep", sleep)
    return pauses


async def drained(count: int, within: float) -> list[Connection]:
    connections = [Connection() for _ in range(count)]
    open_ones = {id(connection): connection for connection in connections}
    await drain(open_ones.values(), Performer(open_ones), within=within)  # type: ignore[arg-type]
    return connections


async def test_every_client_is_told_when_to_come_back_and_then_closed_with_4000(pauses: list[float]) -> None:
    for connection in await drained(30, 10.0):
        goodbye, end = connection.effects
        assert isinstance(goodbye, Send)
        assert isinstance(goodbye.frame, Reconnect)
        assert isinstance(end, End)
        assert end.code is CloseCode.DRAIN


async def test_clients_are_spread_over_a_second(pauses: list[float]) -> None:
    told = [effect.frame.after for one in await drained(200, 1.0) for effect in one.effects if isinstance(effect, Send)]
    assert all(0 <= after <= 1 for after in told)
    assert min(told) < 0.3
    assert max(told) > 0.7


@pytest.mark.parametrize(
    ("clients", "within", "batches"), [(0, 10.0, 0), (1, 10.0, 1), (100, 10.0, 1), (250, 10.0, 3), (20_000, 10.0, 100)]
)
async def test_a_crowd_goes_in_batches_that_fit_into_the_time(
    pauses: list[float], clients: int, within: float, batches: int
) -> None:
    connections = await drained(clients, within)
    assert all(connection.effects for connection in connections)
    assert len(pauses) == max(0, batches - 1)
    assert sum(pauses) <= within


async def test_without_time_everybody_goes_at_once(pauses: list[float]) -> None:
    assert all(connection.effects for connection in await drained(5_000, 0.0))
    assert pauses == []


async def test_who_has_gone_already_is_let_be(pauses: list[float]) -> None:
    gone = Connection(State.ENDED)
    await drain([gone], Performer({}), within=1.0)  # type: ignore[arg-type, list-item]
    assert gone.effects == []
