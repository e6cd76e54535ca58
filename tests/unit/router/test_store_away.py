"""A whole router whose store goes away and comes back."""

from __future__ import annotations

import asyncio
import logging

import pytest

from router.outlet import Outlet
from router.pipeline import Pipeline
from shared.bus import topology
from shared.bus.port import Message
from shared.envelopes import ConnectRequest, HistoryRequest, ProbeRequest, Published, Refused, SubscribeRequest
from shared.errors import StoreAway
from shared.topics import partition
from tests.support.eventually import eventually
from tests.unit.router.builders import fresh_token, publish
from tests.unit.router.edge import waiting
from tests.unit.router.running import ADA, GatedStore, idle, made, opened, routed, router_bus
from tests.unit.router.running import quick as quick
from tests.unit.router.shelf import Shelf

pytestmark = pytest.mark.usefixtures("quick")

LIVE = ({"match": "live.#", "history": 0},)


def numbers(edge, topic):
    """The offsets and payloads that came of a topic."""
    return [(entry.offset, int(entry.payload)) for entry in edge.entries if entry.topic == topic]


async def emit(edge, topic, *payloads, **more):
    for payload in payloads:
        await edge.emit(topic, str(payload).encode(), **more)


async def test_events_wait_for_the_store_in_their_order_while_everything_else_goes_on():
    store = Shelf()
    async with routed(store, topics=LIVE) as (router, edge):
        store.away = True
        await emit(edge, "a", 1, 2)
        await eventually(lambda: router.counters.held == 2)
        assert (router.healthy, router.store_away) == (False, True)
        await emit(edge, "live.1", 1)
        await emit(edge, "a", 3)
        await edge.ask(
            ConnectRequest(1, 1, fresh_token(), "::1"),
            ProbeRequest(1, 2),
            publish("a", id=3),
            publish("live.1", b"2", id=4),
            SubscribeRequest(1, 5, 0, "a"),
            SubscribeRequest(1, 6, 0, "live.1"),
            HistoryRequest(1, 7, 0, "a", 5),
            grants=ADA,
        )
        await eventually(lambda: len(edge.replies) == 7 and router.counters.held == 3)
        refused = {reply.id: (reply.code, reply.retry_after) for reply in edge.replies if isinstance(reply, Refused)}
        assert refused == dict.fromkeys((3, 5, 7), ("unavailable", 2.0))
        await eventually(lambda: router.counters.in_hand == 3)
        assert [(entry.topic, entry.payload) for entry in edge.entries] == [("live.1", b"1"), ("live.1", b"2")]
        store.away = False
        await eventually(lambda: numbers(edge, "a") == [(1, 1), (2, 2), (3, 3)])
        await idle(router, edge)
        assert (router.healthy, router.store_away) == (True, False)
        counters = router.counters
        assert (counters.events, counters.redelivered, counters.held, counters.store_losses) == (4, 0, 0, 1)
        assert (await edge.bus.depth(topology.DEAD)).messages == 0


async def test_what_is_done_while_others_are_held_is_acknowledged_and_they_are_not():
    store = Shelf()
    async with routed(store, topics=LIVE) as (router, edge):
        store.away = True
        await emit(edge, "a", 1)
        await eventually(lambda: router.counters.held == 1)
        for number in range(20):
            await emit(edge, f"live.{number}", number)
        await emit(edge, "a", 2)
        await eventually(lambda: router.counters.held == 2 and router.counters.in_hand == 2)
        await router_bus(router).close()
        edge.entries.clear()
        successor = made(await opened(edge.broker), topics=LIVE)
        await successor.start()
        await eventually(lambda: numbers(edge, "a") == [(1, 1), (2, 2)])
        await idle(successor, edge)
        assert successor.counters.redelivered == 2
        assert len(edge.entries) == 2, "the others were done"
        await successor.stop()


async def test_more_than_a_turn_holds_keeps_its_order_and_nothing_newer_overtakes_it():
    store = Shelf()
    async with routed(store, prefetch=1000) as (router, edge):
        store.away = True
        await emit(edge, "a", *range(100))
        await emit(edge, "b", *range(100))
        await emit(edge, "a", *range(100, 120))
        await eventually(lambda: router.counters.held == 220)
        store.away = False
        await emit(edge, "a", *range(120, 128))
        await eventually(lambda: len(edge.entries) == 228)
        assert numbers(edge, "a") == [(n + 1, n) for n in range(128)]
        assert numbers(edge, "b") == [(n + 1, n) for n in range(100)]
        await idle(router, edge)


class HalfBack(Shelf):
    """A store that seems to be back, and appends nothing yet."""

    refuses = True
    refused = 0

    async def admit(self, commands, now, turn=None):
        if self.refuses and any(command.append for command in commands):
            self.refused += 1
            raise StoreAway("out of memory")
        return await super().admit(commands, now, turn)


async def test_what_is_held_again_keeps_its_place_before_what_was_held_after_it():
    store = HalfBack()
    async with routed(store, prefetch=1000) as (router, edge):
        await emit(edge, "a", *range(100))
        await emit(edge, "b", *range(100))
        await eventually(lambda: router.counters.held == 200)
        tried = store.refused
        await eventually(lambda: store.refused > tried + 3)
        store.refuses = False
        await eventually(lambda: len(edge.entries) == 200)
        assert numbers(edge, "a") == numbers(edge, "b") == [(n + 1, n) for n in range(100)]
        await idle(router, edge)


async def test_what_cannot_be_held_as_its_connection_was_lost_meanwhile_is_logged_once(monkeypatch):
    store = GatedStore()
    async with routed(store, topics=LIVE) as (router, edge):
        send = Outlet.send

        async def sends_and_loses(self, messages, is_stale):
            await send(self, messages, is_stale)
            if messages and router.counters.turns == 2:
                monkeypatch.setattr(Outlet, "send", send)
                router_bus(router).lose("the test cut it")
                await eventually(lambda: router.counters.redelivered)

        monkeypatch.setattr(Outlet, "send", sends_and_loses)
        store.gate.clear()
        await emit(edge, "live.1", 1)
        await eventually(lambda: store.asked == 1)
        await emit(edge, "a", 1)
        await emit(edge, "live.2", 1)
        await eventually(lambda: router.counters.in_hand == 3)
        store.away = True
        store.gate.set()
        await eventually(lambda: router.counters.redelivered == 2 and router.counters.held == 1)
        assert router.counters.dropped_stale == 1
        store.away = False
        await eventually(lambda: numbers(edge, "a"))
        await idle(router, edge)
        assert store.heads == {"a": 1}


async def test_a_router_without_a_connection_holds_nothing():
    store = Shelf()
    async with routed(store) as (router, edge):
        store.away = True
        await emit(edge, "a", 1)
        await eventually(lambda: router.counters.held == 1)
        router_bus(router).crash()
        await eventually(lambda: (router.counters.held, router.counters.in_hand) == (0, 0))


class Flickering(Shelf):
    """A store that goes away at every third batch of appends."""

    batches = 0

    async def admit(self, commands, now, turn=None):
        self.batches += any(command.append for command in commands)
        if self.batches == 3:
            self.batches = 0
            raise StoreAway("it flickers")
        return await super().admit(commands, now, turn)


async def test_a_store_that_comes_and_goes_loses_nothing_and_keeps_the_order():
    async with routed(Flickering()) as (router, edge):
        for number in range(60):
            await emit(edge, "a", number)
            await emit(edge, "b", number)
            await asyncio.sleep(0)
            if number % 7 == 0:  # few at a time, as it takes no more
                await eventually(lambda: router.counters.in_hand < 2)
        await eventually(lambda: len(edge.entries) >= 120)
        assert numbers(edge, "a") == numbers(edge, "b") == [(n + 1, n) for n in range(60)]
        await idle(router, edge)
        assert router.counters.redelivered == 0
        assert router.counters.faults == 0


async def test_where_nothing_can_wait_elsewhere_no_more_is_held_than_the_prefetch(monkeypatch):
    monkeypatch.setattr(topology, "SPILL_MESSAGES", 0)
    store = Shelf()
    async with routed(store, prefetch=5) as (router, edge):
        store.away = True
        await emit(edge, "a", *range(12))
        await eventually(lambda: router.counters.held == 5)
        assert router.counters.received == 5
        store.away = False
        await eventually(lambda: numbers(edge, "a") == [(n + 1, n) for n in range(12)])


async def test_what_is_held_when_the_connection_is_lost_comes_again():
    store = Shelf()
    async with routed(store) as (router, edge):
        store.away = True
        await emit(edge, "a", 1, 2, 3)
        await eventually(lambda: router.counters.held == 3)
        router_bus(router).lose("the test cut it")
        await eventually(lambda: router.counters.redelivered == 3 and router.counters.held == 3)
        assert router.counters.dropped_stale == 3
        assert router.counters.in_hand == 3
        store.away = False
        await eventually(lambda: numbers(edge, "a") == [(1, 1), (2, 2), (3, 3)])
        await idle(router, edge)


async def test_a_connection_that_is_lost_while_a_turn_is_held_lets_go_of_all_of_it():
    store = Shelf()
    async with routed(store, topics=LIVE) as (router, edge):
        store.away = True
        edge.broker.block()
        edge.broker.core.publish(topology.EVENTS, "a", Message(b"1"), False)
        edge.broker.core.publish(topology.EVENTS, "live.1", Message(b"2"), False)
        edge.broker.wake()
        await eventually(lambda: router.counters.in_hand == 2 and router.counters.retries)
        router_bus(router).lose("the test cut it")
        edge.broker.unblock()
        store.away = False
        await eventually(lambda: numbers(edge, "a") == [(1, 1)] and numbers(edge, "live.1") == [(None, 2)])
        await idle(router, edge)
        assert router.counters.held == 0


async def test_nothing_overtakes_what_is_held_though_the_store_comes_back_while_lanes_are_looked_for(monkeypatch):
    store = Shelf()
    async with routed(store) as (router, edge):
        store.away = True
        await emit(edge, "a", 1, 2)
        await eventually(lambda: router.counters.held == 2)

        async def find(turn, held, consumption):
            store.away = False
            await eventually(lambda: not router._storage.away)

        monkeypatch.setattr(router._intake._spill, "find", find)
        await emit(edge, "a", 3)
        await eventually(lambda: len(numbers(edge, "a")) == 3)
        assert numbers(edge, "a") == [(1, 1), (2, 2), (3, 3)]
        await idle(router, edge)


async def test_a_stop_does_not_wait_for_the_store_and_leaves_what_is_held_to_another_router(caplog):
    store = Shelf()
    caplog.set_level(logging.INFO)
    async with routed(store) as (router, edge):
        store.away = True
        await emit(edge, "a", 1, 2)
        await eventually(lambda: router.counters.held == 2)
        await router.stop()
        assert "stopped before 2 messages were begun" in caplog.text
        await router_bus(router).close()
        assert await waiting(edge.bus) == 2
        successor = made(await opened(edge.broker))
        await successor.start()
        await eventually(lambda: numbers(edge, "a") == [(1, 1), (2, 2)])
        await successor.stop()


class Forgetful(Shelf):
    """A store that appends and then cannot tell, once."""

    told = False

    async def admit(self, commands, now, turn=None):
        done = await super().admit(commands, now, turn)
        if not self.told and any(command.append for command in commands):
            self.told = True
            raise StoreAway("it took the command and said nothing")
        return done


@pytest.mark.parametrize("ids", [("m1", "m2"), (None, None)], ids=["with message ids", "without"])
async def test_an_event_that_was_appended_unheard_is_delivered_once_with_its_place(ids):
    store = Forgetful()
    async with routed(store) as (router, edge):
        await emit(edge, "a", 1, message_id=ids[0])
        await eventually(lambda: numbers(edge, "a") == [(1, 1)])
        await emit(edge, "a", 2, message_id=ids[1])
        await eventually(lambda: numbers(edge, "a") == [(1, 1), (2, 2)])
        assert store.heads == {"a": 2}
        assert router.counters.repeated == 1


async def test_a_publish_that_was_appended_unheard_is_delivered_when_its_client_repeats_it():
    store = Forgetful()
    async with routed(store) as (_, edge):
        await edge.ask(publish("a", b"1", id=1, key="k"), grants=ADA, partition=partition("a"))
        await eventually(lambda: bool(edge.replies))
        assert [(reply.code, reply.retry_after) for reply in edge.replies] == [("timeout", 2.0)], "nobody knows of it"

        async def repeated():
            await edge.ask(publish("a", b"1", id=2, key="k"), grants=ADA, partition=partition("a"))
            return Published(1, 2, "e1", 1) in edge.replies

        await eventually(repeated)
        assert set(numbers(edge, "a")) == {(1, 1)}


async def test_a_router_that_dies_between_append_and_acknowledgement_makes_no_duplicate(monkeypatch):
    store = Shelf()
    async with routed(store) as (router, edge):
        conclude = Pipeline.conclude
        met = asyncio.Event()

        def dies(self, *given):
            if not met.is_set():
                met.set()
                router_bus(router).crash()
            return conclude(self, *given)

        monkeypatch.setattr(Pipeline, "conclude", dies)
        await edge.ask(publish("a", b"1", id=1), grants=ADA)
        await met.wait()
        assert store.heads == {"a": 1}
        successor = made(await opened(edge.broker), store)
        await successor.start()
        await eventually(lambda: edge.replies == [Published(1, 1, "e1", 1)])
        assert numbers(edge, "a") == [(1, 1)]
        assert store.heads == {"a": 1}
        await successor.stop()
