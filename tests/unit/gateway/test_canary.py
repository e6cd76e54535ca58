"""A message to itself, by which a gateway knows that deliveries can reach it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable

import pytest

from gateway import canary
from gateway.canary import Canary
from shared.bus.port import BusState
from shared.errors import BusAway, BusError, PublishRefused, Unroutable
from tests.support.eventually import eventually


class FakeBus:
    """A broker that does what it is told about each message to come."""

    def __init__(self) -> None:
        self.bound = 0
        self.sent = 0
        self.answer: BusError | None = None
        self.watchers: list[object] = []

    def watch(self, watcher: object) -> None:
        self.watchers.append(watcher)

    async def bind(self, queue: str, exchange: str, keys: Iterable[str], *, lasting: bool = True) -> None:
        assert not lasting, "else it would be bound again with all that is declared anew, and hide what was gone"
        self.bound += 1

    def publish(self, exchange: str, routing_key: str, message: object, *, mandatory: bool) -> asyncio.Future[None]:
        assert mandatory
        self.sent += 1
        confirm: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        if self.answer is None:
            confirm.set_result(None)
        else:
            confirm.set_exception(self.answer)
        return confirm


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(canary, "EVERY", 0.0)


@pytest.fixture
async def bus() -> FakeBus:
    return FakeBus()


@pytest.fixture
async def told(bus: FakeBus) -> AsyncIterator[list[float]]:
    """What it is told to be gone, and since when; a canary flies meanwhile."""
    told: list[float] = []
    bird = Canary(bus, "b00t", told.append)  # type: ignore[arg-type]
    bird.start()
    await eventually(lambda: bus.sent > 2)
    yield told
    await bird.stop()


async def test_what_finds_no_way_tells_once_and_the_way_is_made_again(bus: FakeBus, told: list[float]) -> None:
    assert (told, bus.bound) == ([], 1)
    before = canary.monotonic()
    bus.answer = Unroutable("nobody is bound")
    await eventually(lambda: told)
    bus.answer = None
    assert told[0] <= before, "it came until then"
    assert bus.bound > len(told), "bound before it is told, so that what is deleted from then on is noticed"
    sent = bus.sent
    await eventually(lambda: bus.sent > sent + 2)
    assert bus.bound == 1 + len(told)


async def test_a_connection_that_was_lost_is_no_binding_that_was_deleted(bus: FakeBus, told: list[float]) -> None:
    bus.answer = BusAway("no connection")
    [watcher] = bus.watchers
    watcher(BusState.AWAY, "cut")  # type: ignore[operator]
    bus.answer = None
    await eventually(lambda: bus.bound == 2)
    assert told == []


async def test_where_the_broker_lets_it_send_none_it_does_not_try_again_soon(
    bus: FakeBus, told: list[float], caplog: pytest.LogCaptureFixture
) -> None:
    bus.answer = PublishRefused("ACCESS_REFUSED")
    await eventually(lambda: "may not publish" in caplog.text)
    sent = bus.sent
    for _ in range(100):
        await asyncio.sleep(0)
    assert (bus.sent, told) == (sent, [])
