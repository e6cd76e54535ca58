"""A whole router with messages that came back again and again."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from router import decider
from router.decider import Decider
from router.doubt import MAX_BEGUN, identity
from router.intake import Intake
from router.pipeline import Pipeline
from shared.bus import topology
from shared.bus.memory_intake import MemoryIntake
from shared.bus.port import RETURNS_HEADER, Source
from shared.errors import StoreAway
from tests.support.eventually import eventually
from tests.unit.router.running import idle, routed, router_bus
from tests.unit.router.running import quick as quick
from tests.unit.router.shelf import Shelf

pytestmark = pytest.mark.usefixtures("quick")


@pytest.fixture
def seen(monkeypatch):
    """The bodies that a router has worked on."""
    bodies = []
    plan = Pipeline.plan

    def plans(self, batch, now):
        batch = list(batch)
        bodies.extend(received.body for received in batch)
        return plan(self, batch, now)

    monkeypatch.setattr(Pipeline, "plan", plans)
    return bodies


async def come_back(router, edge, times, *bodies, topic="a"):
    """Publish events that wait for the store, and bring them back so often."""
    for body in bodies:
        await edge.emit(topic, body)
    await eventually(lambda: router.counters.held == len(bodies))
    for number in range(1, times + 1):
        router_bus(router).lose("the test cut it")
        await eventually(lambda number=number: router.counters.redelivered == number * len(bodies))
        await eventually(lambda: router.counters.held == len(bodies))


async def the_dead(edge):
    letters = []
    intake = await edge.bus.consume(
        [Source(topology.DEAD)], lambda each: (letters.append(each), intake.ack(each)), prefetch=9
    )
    return letters


async def test_what_comes_back_while_the_store_is_away_is_neither_begun_nor_looked_at_and_then_delivered(seen):
    store = Shelf()
    async with routed(store) as (router, edge):
        dead = await the_dead(edge)
        store.away = True
        await come_back(router, edge, 30, b"1", b"2")
        assert seen.count(b"1") == 2, "new, and back for the first time"
        assert store.begun == {}
        store.away = False
        await eventually(lambda: edge.payloads == [b"1", b"2"])
        await idle(router, edge)
        assert not dead


async def test_an_attempt_is_noted_before_it_begins_and_forgotten_when_it_is_done(monkeypatch):
    store = Shelf()
    noted = []
    plan = Pipeline.plan
    async with routed(store) as (router, edge):
        store.away = True
        await come_back(router, edge, 3, b"1")

        def plans(self, batch, now):
            noted.append((list(store.begun.values()), identity(batch[0]) in store.begun))
            return plan(self, batch, now)

        monkeypatch.setattr(Pipeline, "plan", plans)
        store.away = False
        await eventually(lambda: edge.payloads == [b"1"])
        await idle(router, edge)
        assert noted == [([{3}], True)]
        await eventually(lambda: store.begun == {})


class Counting(Shelf):
    """A store that knows of attempts at one event that came to no end."""

    def __init__(self, before):
        super().__init__()
        self._before = before

    async def begin(self, key, number, now):
        return await super().begin(key, number, now) + (self._before if len(self.begun) == 1 else 0)


async def test_what_was_begun_too_often_is_dead_and_whoever_is_behind_it_is_delivered(seen):
    store = Counting(MAX_BEGUN)
    async with routed(store) as (router, edge):
        dead = await the_dead(edge)
        store.away = True
        await come_back(router, edge, 2, b"1", b"2")
        seen.clear()
        store.away = False
        await eventually(lambda: edge.payloads == [b"2"])
        await eventually(lambda: [each.body for each in dead] == [b"1"])
        assert dead[0].headers["x-penstock-reason"] == "deadly"
        assert "5 times a router began to work on it alone" in dead[0].headers["x-penstock-detail"]
        assert seen == [b"2"]
        await idle(router, edge)
        assert len(store.begun) == 1, "a twin of the dead one is dead too, and the other was settled"


async def test_one_attempt_less_is_no_reason():
    store = Counting(MAX_BEGUN - 1)
    async with routed(store) as (router, edge):
        store.away = True
        await come_back(router, edge, 2, b"1", b"2")
        store.away = False
        await eventually(lambda: edge.payloads == [b"1", b"2"])


class Refusing(Shelf):
    """A store that counts attempts, and appends nothing for a while."""

    refuses = False
    refused = 0

    async def admit(self, commands, now, turn=None):
        if self.refuses and any(command.append for command in commands):
            self.refused += 1
            raise StoreAway("out of memory")
        return await super().admit(commands, now, turn)


async def test_an_attempt_that_is_made_again_and_again_as_the_store_flickers_counts_once():
    store = Refusing()
    async with routed(store) as (router, edge):
        store.away = True
        await come_back(router, edge, 2, b"1")
        store.refuses, store.away = True, False
        await eventually(lambda: store.refused > MAX_BEGUN + 2)
        assert list(store.begun.values()) == [{2}]
        store.refuses = False
        await eventually(lambda: edge.payloads == [b"1"])
        await idle(router, edge)


async def test_nothing_overtakes_what_is_held_though_the_store_comes_back_before_a_doubtful_turn(monkeypatch):
    store = Shelf()
    beware = Intake._beware
    async with routed(store) as (router, edge):
        store.away = True
        await come_back(router, edge, 2, b"1")

        async def late(self):
            await beware(self)
            if store.away and self._waiting.doubtful:
                store.away = False
                await eventually(lambda: not router.store_away)

        monkeypatch.setattr(Intake, "_beware", late)
        held = router._intake._held._messages[0]
        for verb in ("holds", "ack"):  # also what nobody sent
            monkeypatch.setattr(router._intake._consumption, verb, lambda received, **_: True)
        router._intake._keep(replace(held, body=b"2", tag=held.tag + 100))
        await eventually(lambda: edge.payloads == [b"1", b"2"])


async def test_one_that_comes_while_acknowledgements_are_under_way_is_prepared_for(monkeypatch):
    store, prepared, waited, has = Shelf(), [], [], asyncio.Event()
    beware, proven = Intake._beware, Decider.proven

    async def prepares(self):
        prepared.append(list(store.heads))
        await beware(self)

    async def waits(self):
        waited.append(self)
        await proven(self)

    async def flush(self, received):
        await has.wait()
        return True

    monkeypatch.setattr(decider, "SETTLED_AFTER", 60.0)
    monkeypatch.setattr(Intake, "_beware", prepares)
    monkeypatch.setattr(Decider, "proven", waits)
    monkeypatch.setattr(MemoryIntake, "flush", flush)
    async with routed(store) as (router, edge):
        await edge.emit("a")
        await edge.emit("b")
        await eventually(lambda: len(waited) == 2)
        line = router._intake._waiting
        came_back = replace(line.first, redelivered=True, headers={RETURNS_HEADER: 9})
        line.clear()
        line.put(came_back)
        has.set()
        await eventually(lambda: store.heads == {"a": 1, "b": 1})
        assert prepared == [["a"]]
