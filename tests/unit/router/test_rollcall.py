"""Who is asked about who is where, and when leases that ran out count all the same."""

from __future__ import annotations

from typing import Any

import pytest

from router import rollcall
from router.counters import Counters
from router.plan import Plan
from router.rollcall import LENIENCY, RollCall
from router.settings import TopicRule
from router.storage import Storage
from shared.attending import AttendRequest, PresenceRequest, RenewRequest, SessionsRequest
from shared.bus.port import BusState
from shared.errors import StoreAway
from shared.store.memory import MemoryStore
from shared.store.roll import Called, Roll
from tests.unit.router.builders import GATEWAY, NOW, frames, grant, pipeline

LEASE = 20.0


class Asked(MemoryStore):
    """A store that keeps what it was asked, and may be away or failing."""

    def __init__(self) -> None:
        super().__init__()
        self.rolls: list[Roll] = []
        self.fault: Exception | None = None

    async def call(self, roll: Roll, now: float) -> Called:
        self.rolls.append(roll)
        if self.fault is not None:
            raise self.fault
        return await super().call(roll, now)


class Desk:
    """A roll call, with a clock and a bus of its own."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.store = Asked()
        self.counters = Counters()
        self.storage = Storage(self.store, MemoryStore(), self.counters)
        self.roll_call = RollCall(self.storage, self, LEASE)  # type: ignore[arg-type]

    def watch(self, follow: Any) -> None:
        self.bus_is = follow

    async def take(self, *requests: Any) -> Plan:
        plan = pipeline(TopicRule(match="room.#", presence=True)).plan([frames(*requests, grants=(grant(),))], NOW)
        await self.roll_call.take(plan)
        return plan

    async def is_lenient(self) -> bool:
        await self.take(RenewRequest(-2, -1, 0))
        return self.store.rolls[-1].spare


@pytest.fixture
def desk(monkeypatch: pytest.MonkeyPatch) -> Desk:
    clock = {"now": 1000.0}
    monkeypatch.setattr(rollcall, "monotonic", lambda: clock["now"])
    desk = Desk()
    desk.clock = clock  # type: ignore[attr-defined]
    return desk


def later(desk: Any, seconds: float) -> None:
    desk.clock["now"] += seconds


async def test_a_turn_without_such_requests_asks_nothing(desk: Desk) -> None:
    plan = await desk.take()
    assert (plan.called, desk.store.rolls) == (None, [])


async def test_all_requests_of_a_turn_are_one_call(desk: Desk) -> None:
    plan = await desk.take(
        AttendRequest(-2, 1, "room.1", [], []), RenewRequest(-2, -1, 3), PresenceRequest(1, 1, 0, "room.1")
    )
    assert len(desk.store.rolls) == 1
    assert plan.called is not None
    assert list(plan.called.leases) == [GATEWAY]
    assert plan.lease == LEASE


async def test_who_is_connected_is_asked_of_each_living_gateway_once_for_each_user(desk: Desk) -> None:
    await desk.take(RenewRequest(-2, -1, 3))
    plan = await desk.take(*(SessionsRequest(-3, number, user, 5) for number, user in enumerate([None, "ann", None])))
    assert [[command.user for command in roll.commands] for roll in desk.store.rolls[2:]] == [[None], ["ann"]]
    assert set(plan.connected) == {None, "ann"}


async def test_after_a_start_leases_that_ran_out_count_for_a_while(desk: Desk) -> None:
    assert await desk.is_lenient()
    later(desk, LENIENCY * LEASE)
    assert not await desk.is_lenient()


async def test_after_the_broker_was_away_they_do_again(desk: Desk) -> None:
    later(desk, 100.0)
    desk.bus_is(BusState.AWAY, "")
    assert not await desk.is_lenient()
    desk.bus_is(BusState.READY, "")
    assert await desk.is_lenient()
    later(desk, LENIENCY * LEASE)
    assert not await desk.is_lenient()


async def test_after_the_store_was_away_they_do_again(desk: Desk) -> None:
    later(desk, 100.0)
    assert not await desk.is_lenient()
    desk.storage.back_at = 1100.0
    assert await desk.is_lenient()


async def test_a_store_that_is_away_leaves_everything_unsaid(desk: Desk) -> None:
    desk.store.fault = StoreAway("gone")
    plan = await desk.take(RenewRequest(-2, -1, 3), SessionsRequest(-3, 1, None, 5))
    assert plan.called is None
    assert desk.storage.away
    await desk.storage.stop()


async def test_a_store_that_fails_leaves_everything_unsaid_and_is_not_away(desk: Desk) -> None:
    desk.store.fault = ValueError("odd")
    plan = await desk.take(RenewRequest(-2, -1, 3))
    assert (plan.called, desk.storage.away, desk.counters.faults) == (None, False, 1)
