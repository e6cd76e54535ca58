"""Slots are bound before anybody relies on them, and let go of when nobody does."""

import asyncio
from collections.abc import AsyncIterator, Iterable

import pytest

from gateway import binder as room
from gateway.binder import SlotBinder
from gateway.counters import Counters
from shared.bus.topology import Topology, common, gateway
from shared.errors import BusAway, ConfigurationError, TopologyMismatch
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
        self.refuses = False
        """As where an exchange or a queue was deleted, until it is declared again."""
        self.declared: list[Topology] = []
        self.may_declare = True

    async def declare(self, topology: Topology) -> None:
        if not self.may_declare:
            raise ConfigurationError("may not")
        self.declared.append(topology)
        if topology == common():
            self.refuses = False

    def lose_everything(self) -> None:
        self.bound.clear()
        self.refuses = True

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
        if self.refuses:
            raise TopologyMismatch("no exchange 'penstock.deliver'")


class Rig:
    def __init__(self, linger: float) -> None:
        self.bus = FakeBus()
        self.counters = Counters()
        self.binder = SlotBinder(self.bus, "boot", self.counters, linger=linger, patience=60.0)  # type: ignore[arg-type]
        self.asked: list[tuple[str, bool]] = []
        """Who asked a router, and whether the slot was bound by then."""

    def need(self, pattern: str) -> None:
        key = "any" if "*" in pattern or "#" in pattern else str(slot(pattern))
        self.binder.need(pattern, lambda: self.asked.append((pattern, key in self.bus.bound)))


@pytest.fixture
async def rig(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Rig]:
    monkeypatch.setattr(room, "SWEEP", 0.01)
    monkeypatch.setattr(room, "RETRY_CAP", 0.01)
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


async def test_what_the_broker_refuses_is_declared_and_asked_for_again_with_all_that_was_bound(rig: Rig) -> None:
    rig.need("a")
    await eventually(lambda: rig.asked)
    rig.bus.lose_everything()
    rig.need("b")
    await eventually(lambda: rig.asked[1:] == [("b", True)])
    assert rig.bus.bound == {str(slot("a")), str(slot("b"))}
    assert rig.bus.declared == [common(), gateway("boot")]
    assert rig.counters.bindings_refused == 1
    assert rig.binder.works


async def test_while_the_broker_refuses_nothing_counts_as_bound_and_the_binder_does_not_work(rig: Rig) -> None:
    rig.bus.lose_everything()
    rig.bus.may_declare = False
    rig.need("a")
    await eventually(lambda: rig.counters.bindings_refused >= 6)
    assert not rig.binder.works
    assert rig.asked == []
    rig.need("a")
    assert rig.asked == [], "whoever comes later waits, too"
    rig.bus.may_declare = True
    await eventually(lambda: rig.asked == [("a", True)] * 2)
    assert rig.binder.works


async def test_whoever_has_been_given_another_answer_meanwhile_is_forgotten(rig: Rig) -> None:
    rig.bus.lose_everything()
    rig.bus.may_declare = False
    rig.binder._patience = 0.0
    for _ in range(100):
        rig.need("a")
    await eventually(lambda: rig.counters.bindings_refused >= 4)
    assert rig.binder._then == []
    rig.bus.may_declare = True
    await eventually(lambda: rig.bus.bound)
    assert rig.asked == []


async def test_bindings_that_went_with_their_exchange_are_asked_for_again_in_time(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    rig.need("a")
    await eventually(lambda: rig.asked)
    rig.bus.bound.clear()  # it was deleted, and declared again by somebody else
    monkeypatch.setattr(room, "RENEWAL", 0.01)
    rig.binder._renew_at = 0.0
    await eventually(lambda: rig.bus.bound == {str(slot("a"))})
    assert gateway("boot") in rig.bus.declared, "and the gateway's own ones with them"


async def test_slots_are_given_up_in_time_however_many_others_are_asked_for(rig: Rig) -> None:
    rig.need("a")
    await eventually(lambda: rig.asked)
    rig.binder.release("a")

    def goes_on() -> bool:
        rig.need(f"b.{len(rig.asked)}")
        return ("unbind", [str(slot("a"))]) in rig.bus.orders

    await eventually(goes_on)


async def test_a_binder_that_has_ended_does_not_work(rig: Rig) -> None:
    assert rig.binder.works
    await rig.binder.stop()
    assert not rig.binder.works


async def test_a_binder_that_never_started_can_be_stopped() -> None:
    binder = SlotBinder(FakeBus(), "boot", Counters(), linger=1.0, patience=1.0)  # type: ignore[arg-type]
    assert not binder.works
    await binder.stop()
