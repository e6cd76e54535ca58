"""Events without a message_id: a whole router does each of them once, whatever becomes of it."""

from __future__ import annotations

import asyncio

import pytest

from router import decider
from router.pipeline import Pipeline
from shared.bus import topology
from shared.bus.memory_intake import MemoryIntake
from shared.bus.port import Message
from shared.errors import StoreAway
from tests.support.eventually import eventually
from tests.unit.router.running import idle, made, opened, routed, router_bus
from tests.unit.router.running import quick as quick
from tests.unit.router.shelf import Shelf

pytestmark = pytest.mark.usefixtures("quick")


def places(edge):
    """Which offsets were delivered, and with what."""
    return {(entry.topic, entry.offset): entry.payload for entry in edge.entries}


def emit_at_once(edge, *bodies, topic="a", **more):
    """Have several events in one turn."""
    for body in bodies:
        edge.broker.core.publish(topology.EVENTS, topic, Message(body, **more), False)
    edge.broker.wake()


def die_with(router, met, monkeypatch):
    """Lose the connection where the turn that is under way is appended."""
    conclude = Pipeline.conclude

    def dies(self, *given):
        if not met.is_set():
            met.set()
            router_bus(router).crash()
        return conclude(self, *given)

    monkeypatch.setattr(Pipeline, "conclude", dies)


async def test_more_of_a_turn_than_the_store_knows_are_counted(monkeypatch):
    monkeypatch.setattr(decider, "MAX_TO_COME", 3)
    async with routed(Shelf()) as (router, edge):
        emit_at_once(edge, b'"1"', b'"2"', b'"3"')
        emit_at_once(edge, *[b'"%d"' % number for number in range(5)], topic="b")
        await eventually(lambda: len(places(edge)) == 8)
        assert router.counters.unkeyed_forgotten == 2
        await idle(router, edge)
        emit_at_once(edge, b'"4"', b'"5"', b'"6"')
        await eventually(lambda: len(places(edge)) == 11)
        assert router.counters.unkeyed_forgotten == 2


async def test_a_router_that_dies_between_append_and_acknowledgement_makes_no_duplicate(monkeypatch):
    store = Shelf()
    met = asyncio.Event()
    async with routed(store) as (router, edge):
        die_with(router, met, monkeypatch)
        emit_at_once(edge, b'"tick"', b'"tick"', b'"tock"')
        await met.wait()
        assert store.heads == {"a": 3}
        emit_at_once(edge, b'"tick"')
        successor = made(await opened(edge.broker), store)
        await successor.start()
        await eventually(lambda: len(places(edge)) == 4)
        await idle(successor, edge)
        assert store.heads == {"a": 4}
        assert [places(edge)["a", offset] for offset in (1, 2, 3, 4)] == [b'"tick"', b'"tick"', b'"tock"', b'"tick"']
        await successor.stop()


async def test_nor_does_one_that_lost_its_connection_alone(monkeypatch):
    store = Shelf()
    async with routed(store) as (router, edge):
        conclude, lost = Pipeline.conclude, []

        def loses(self, *given):
            if len(lost) < 3:
                lost.append(1)
                router_bus(router).lose("the test cut it")
            return conclude(self, *given)

        monkeypatch.setattr(Pipeline, "conclude", loses)
        emit_at_once(edge, b"1", b"1", b"2")
        await eventually(lambda: len(places(edge)) == 3)
        await idle(router, edge)
        assert len(lost) == 3
        assert store.heads == {"a": 3}


async def test_twins_that_were_not_begun_when_the_router_died_are_all_delivered(monkeypatch):
    """Those of the turn before were acknowledged, and stand for nothing any more."""
    store = Shelf()
    met = asyncio.Event()
    async with routed(store) as (router, edge):
        await edge.emit("a", b'"tick"')
        await idle(router, edge)
        await eventually(lambda: store.turn is not None and store.turn.number == 2)  # as it has told the store
        monkeypatch.setattr(Pipeline, "plan", lambda self, *given: (met.set(), router_bus(router).crash())[0])
        emit_at_once(edge, b'"tick"')
        await met.wait()
        monkeypatch.undo()
        successor = made(await opened(edge.broker), store)
        await successor.start()
        await eventually(lambda: len(places(edge)) == 2)
        assert store.heads == {"a": 2}
        await successor.stop()


@pytest.mark.parametrize("more", [{"timestamp": 5}, {"content_type": "text/plain"}, {"headers": {"traceparent": "x"}}])
async def test_events_that_clients_can_tell_apart_are_no_twins(more, monkeypatch):
    store = Shelf()
    met = asyncio.Event()
    if "headers" in more:
        more = {"headers": {"traceparent": f"00-{'1' * 32}-{'2' * 16}-01"}}
    async with routed(store) as (router, edge):
        die_with(router, met, monkeypatch)
        emit_at_once(edge, b"1")
        await met.wait()
        emit_at_once(edge, b"1", **more)
        successor = made(await opened(edge.broker), store)
        await successor.start()
        await eventually(lambda: len(places(edge)) == 2)
        assert len({append.append.digest for append in store.commands}) == 2
        await successor.stop()


class Unread(Shelf):
    """A store that cannot be read, once."""

    unread = 0

    async def read(self, reads, now):
        if any(read.limit for read in reads) and self.unread < 2:
            self.unread += 1
            raise StoreAway("it does not answer")
        return await super().read(reads, now)


async def test_one_that_was_found_in_its_log_and_could_not_be_read_there_is_not_appended_later(monkeypatch):
    store = Unread()
    met = asyncio.Event()
    async with routed(store) as (router, edge):
        die_with(router, met, monkeypatch)
        emit_at_once(edge, b"1", b"2")
        await met.wait()
        successor = made(await opened(edge.broker), store)
        await successor.start()
        await eventually(lambda: len(places(edge)) == 2)
        await idle(successor, edge)
        assert store.unread == 2
        assert store.heads == {"a": 2}
        await successor.stop()


class Silent(Shelf):
    """A store that appends, cannot tell, and is away until it is let back."""

    told = False

    async def admit(self, commands, now, turn=None):
        done = await super().admit(commands, now, turn)
        if not self.told and any(command.append for command in commands):
            self.told = self.away = True
            raise StoreAway("it took the command and said nothing")
        return done


async def test_what_was_appended_unheard_and_waits_beside_its_partition_is_not_appended_again(monkeypatch):
    store = Silent()
    async with routed(store, prefetch=4) as (router, edge):
        emit_at_once(edge, b"0")
        await eventually(lambda: router.counters.held == 1)
        emit_at_once(edge, *(str(number).encode() for number in range(1, 8)))
        await eventually(lambda: router.counters.spilling)
        store.away = False
        await eventually(lambda: len(places(edge)) == 8)
        await idle(router, edge)
        assert store.heads == {"a": 8}
        assert [places(edge)["a", offset + 1] for offset in range(8)] == [b"%d" % number for number in range(8)]


async def test_while_acknowledgements_may_be_lost_what_they_are_for_stays_known(monkeypatch):
    store, turns, flushing, has = Shelf(), [], [], asyncio.Event()
    admit = store.admit

    async def noted(commands, now, turn=None):
        turns.append(turn)
        return await admit(commands, now, turn)

    async def flush(self, received):
        flushing.append(received.body)
        await has.wait()
        return received.body == b"1"

    monkeypatch.setattr(store, "admit", noted)
    monkeypatch.setattr(MemoryIntake, "flush", flush)
    async with routed(store) as (_, edge):
        emit_at_once(edge, b"1")
        await eventually(lambda: flushing == [b"1"])
        emit_at_once(edge, b"0", topic="b")
        await eventually(lambda: len(turns) == 2)
        assert turns[0] == turns[1], "nothing is forgotten before they are with the broker; but nobody waits for long"
        assert flushing == [b"1"], "one question at a time"
        has.set()
        await eventually(lambda: flushing == [b"1", b"0"])
        first = turns[0]
        emit_at_once(edge, b"2")
        await eventually(lambda: flushing[-1] == b"2")
        assert turns[-1].tenure != first.tenure, "they may be lost, and what they are for come anew"


async def test_what_came_over_a_channel_that_is_lost_is_not_done_before_it_comes_again(monkeypatch):
    store = Shelf()
    async with routed(store) as (router, edge):
        consumption = router._intake._consumption
        monkeypatch.setattr(consumption, "holds", lambda received: False)
        emit_at_once(edge, b"1", b"2")
        await eventually(lambda: router.counters.dropped_stale == 2)
        assert (store.heads, router.counters.in_hand) == ({}, 0)
        monkeypatch.undo()
        router_bus(router).lose("the test cut it")
        await eventually(lambda: len(places(edge)) == 2)
        assert store.heads == {"a": 2}
