"""Slots are bound before anybody relies on them, and let go of when nobody does."""

import asyncio
from collections.abc import AsyncIterator, Iterable

import pytest

from gateway import binder as room
from gateway.binder import SlotBinder
from shared.errors import BusAway
from shared.topics import slot
from tests.support.eventually import eventually


class FakeBus:
    """Takes orders, and does them when told."""

    def __init__(self) -> None:
        self.bound: set[str] = set()
        self.orders: list[tuple[str, list[str]]] = []
        self.may_go_on = asyncio.Event()
        self.may_go_on.set()
        self.away = False

    async def bind(self, queue: str, exchange: str, keys: Iterable[str]) -> None:
        await self._order("bind", queue, exchange, list(keys))
        self.bound.update(keys)

    async def unbind(self, queue: str, exchange: str, keys: Iterable[str]) -> None:
        await self._order("unbind", queue, exchange, list(keys))
        self.bound.difference_update(keys)

    async def _order(self, verb: str, queue: str, exchange: str, keys: list[str]) -> None:
        assert (queue, exchange) == ("penstock.gateway.boot", "penstock.deliver")
        if keys:
            self.orders.append((verb, sorted(keys)))
        await self.may_go_on.wait()
        if self.away:
            raise BusAway("gone")


class Rig:
    def __init__(self, linger: float) -> None:
        self.bus = FakeBus()
        self.binder = SlotBinder(self.bus, "boot", linger=linger)  # type: ignore[arg-type]
        self.asked: list[tuple[str, bool]] = []
        """Who asked a router, and whether the slot was bound by then."""

    def need(self, pattern: str) -> None:
        key = "any" if "*" in pattern or "#" in pattern else str(slot(pattern))
        self.binder.need(pattern, lambda: self.asked.append((pattern, key in self.bus.bound)))


@pytest.fixture
async def rig(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Rig]:
    monkeypatch.setattr(room, "SWEEP", 0.01)
    rig = Rig(linger=0.0)
    rig.binder.start()
    yield rig
    rig.bus.may_go_on.set()
    await rig.binder.stop()


async def test_a_router_is_asked_when_the_slot_is_bound_and_not_before(rig: Rig) -> None:
    rig.need("a")
    rig.need("a.*")
    assert rig.asked == []
    await eventually(lambda: rig.asked == [("a", True), ("a.*", True)])
    assert rig.bus.orders == [("bind", sorted([str(slot("a")), "any"]))], "together"


async def test_a_slot_that_is_bound_already_costs_nothing(rig: Rig) -> None:
    rig.need("a")
    await eventually(lambda: rig.asked)
    rig.need("a")
    assert rig.asked == [("a", True)] * 2
    assert len(rig.bus.orders) == 1


async def test_who_needs_a_slot_while_it_is_being_bound_waits_for_it_too(rig: Rig) -> None:
    rig.bus.may_go_on.clear()
    rig.need("a")
    await eventually(lambda: rig.bus.orders)
    rig.need("a")
    assert rig.asked == [], "the broker does not have it yet"
    rig.bus.may_go_on.set()
    await eventually(lambda: len(rig.asked) == 2)
    assert rig.asked == [("a", True)] * 2
    assert len(rig.bus.orders) == 1


async def test_a_slot_that_nobody_needs_is_unbound_after_a_while(rig: Rig) -> None:
    rig.need("a")
    await eventually(lambda: rig.asked)
    rig.binder.release("a")
    await eventually(lambda: rig.bus.orders[1:] == [("unbind", [str(slot("a"))])])
    assert rig.bus.bound == set()


async def test_a_slot_that_is_needed_is_not_unbound(rig: Rig) -> None:
    rig.need("a")
    rig.need("a")
    rig.need("#")
    await eventually(lambda: len(rig.asked) == 3)
    rig.binder.release("a")
    rig.binder.release("#")
    await eventually(lambda: rig.bus.orders[1:] == [("unbind", ["any"])])
    assert rig.bus.bound == {str(slot("a"))}


async def test_who_needs_a_slot_while_it_is_being_unbound_has_it_bound_again(rig: Rig) -> None:
    rig.need("a")
    await eventually(lambda: rig.asked)
    rig.bus.may_go_on.clear()
    rig.binder.release("a")
    await eventually(lambda: len(rig.bus.orders) == 2)
    rig.need("a")
    assert len(rig.asked) == 1
    rig.bus.may_go_on.set()
    await eventually(lambda: rig.asked == [("a", True)] * 2)
    assert [verb for verb, _ in rig.bus.orders] == ["bind", "unbind", "bind"]


async def test_while_the_broker_is_away_nobody_waits_as_the_bus_binds_when_it_is_back(rig: Rig) -> None:
    rig.bus.away = True
    rig.need("a")
    await eventually(lambda: rig.asked == [("a", False)])
    rig.need("a")
    assert len(rig.bus.orders) == 1, "the bus remembers"
    rig.binder.release("a")
    rig.binder.release("a")
    await eventually(lambda: rig.bus.orders[1:] == [("unbind", [str(slot("a"))])])
    rig.bus.away = False
    rig.need("b")
    await eventually(lambda: rig.asked[2:] == [("b", True)])


async def test_a_binder_that_never_started_can_be_stopped() -> None:
    await SlotBinder(FakeBus(), "boot", linger=1.0).stop()  # type: ignore[arg-type]
