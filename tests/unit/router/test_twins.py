"""Events without a message_id that are alike: none is taken for one whose acknowledgement the router knows of."""

from __future__ import annotations

import asyncio

import pytest

from router import decider
from router.pipeline import Pipeline
from shared.errors import StoreAway
from tests.support.eventually import eventually
from tests.unit.router.running import idle, made, opened, routed, router_bus
from tests.unit.router.running import quick as quick
from tests.unit.router.shelf import Shelf
from tests.unit.router.test_without_ids import Unread, die_with, emit_at_once

pytestmark = pytest.mark.usefixtures("quick")

TICK = b'"tick"'


@pytest.fixture(autouse=True)
def hurried(monkeypatch):
    """The next event comes before the store is told of the last one's acknowledgement."""
    monkeypatch.setattr(decider, "SETTLED_AFTER", 60.0)


class Deaf(Shelf):
    """A store that is lost, where the test says so, before it has heard what it is asked."""

    deaf = False

    async def admit(self, commands, now, turn=None):
        if self.deaf and any(command.append for command in commands):
            self.deaf = False
            raise StoreAway("it was lost before it heard")
        return await super().admit(commands, now, turn)


async def test_a_twin_that_the_store_did_not_hear_of_is_not_taken_for_the_one_before():
    store = Deaf()
    async with routed(store) as (router, edge):
        await edge.emit("a", TICK)
        await idle(router, edge)
        store.deaf = True
        await edge.emit("a", TICK)
        await eventually(lambda: router.counters.store_losses == 1)
        await idle(router, edge)
        assert store.heads == {"a": 2}


async def test_nor_one_that_comes_again_as_the_connection_was_lost_while_the_store_was_away():
    store = Shelf()
    async with routed(store) as (router, edge):
        await edge.emit("a", TICK)
        await idle(router, edge)
        store.away = True
        emit_at_once(edge, TICK, TICK)
        await eventually(lambda: router.counters.held == 2)
        router_bus(router).lose("the test cut it")
        await eventually(lambda: router.counters.redelivered == 2)
        store.away = False
        await eventually(lambda: store.heads == {"a": 3})


async def test_nor_one_that_a_router_that_stops_gives_back(monkeypatch):
    store = Shelf()
    async with routed(store) as (router, edge):
        conclude, stopping = Pipeline.conclude, []

        def stops(self, *given):
            if not stopping:
                stopping.append(asyncio.ensure_future(router.stop()))
                emit_at_once(edge, TICK, TICK)
            return conclude(self, *given)

        monkeypatch.setattr(Pipeline, "conclude", stops)
        await edge.emit("a", TICK)
        await eventually(lambda: stopping and stopping[0].done())
        successor = made(await opened(edge.broker, "successor"), store)
        await successor.start()
        await idle(successor, edge)
        assert store.heads == {"a": 3}
        await successor.stop()


async def test_nor_one_that_we_fail_on_and_do_again(monkeypatch):
    store = Shelf()
    async with routed(store) as (router, edge):
        await edge.emit("a", TICK)
        await idle(router, edge)
        plan, failed = Pipeline.plan, []

        def fails(self, *given):
            if not failed:
                failed.append(1)
                raise RuntimeError("a bug of ours")
            return plan(self, *given)

        monkeypatch.setattr(Pipeline, "plan", fails)
        emit_at_once(edge, TICK, TICK)
        await eventually(lambda: failed)
        await idle(router, edge)
        assert store.heads == {"a": 3}


async def test_what_is_new_waits_with_what_was_found_in_its_log_and_could_not_be_read_there(monkeypatch):
    store = Unread()
    met = asyncio.Event()
    async with routed(store) as (router, edge):
        die_with(router, met, monkeypatch)
        emit_at_once(edge, TICK)
        await met.wait()
        emit_at_once(edge, TICK, TICK)
        successor = made(await opened(edge.broker, "successor"), store)
        await successor.start()
        await eventually(lambda: len(edge.entries) >= 3)
        await idle(successor, edge)
        assert [entry.offset for entry in edge.entries] == [1, 2, 3]
        assert store.unread == 2
        await successor.stop()
