"""Events that wait for the store beside their partition, so that all else in it goes on."""

from __future__ import annotations

import pytest

from router import spill as room
from shared.bus import topology
from shared.bus.port import Depth, Message, Source
from shared.envelopes import ProbeRequest
from shared.topics import PARTITIONS, rank
from tests.support.eventually import eventually
from tests.unit.router.edge import waiting
from tests.unit.router.running import idle, made, opened, routed, router_bus
from tests.unit.router.running import quick as quick
from tests.unit.router.shelf import Shelf
from tests.unit.router.test_store_away import HalfBack, emit, numbers

pytestmark = pytest.mark.usefixtures("quick")

LIVE = ({"match": "live.#", "history": 0},)
PREFETCH = 8


async def spilled(edge):
    """How many events wait beside their partitions."""
    depths = [await edge.bus.depth(topology.spill_queue(topology.route_queue(each))) for each in range(PARTITIONS)]
    return sum(depth.messages for depth in depths if depth is not None)


async def outage(store, router, edge, count=30, **more):
    """Have so many events on one topic wait for the store."""
    store.away = True
    for number in range(count):
        await edge.emit("a", b"%d" % number, **{name: value % number for name, value in more.items()})
    await eventually(lambda: router.counters.spilled == count)


def in_order(edge, count, topic="a"):
    """Whether so many have come, each first in its place; a gateway drops what it is given again."""
    return list(dict.fromkeys(numbers(edge, topic))) == [(n + 1, n) for n in range(count)]


async def test_a_partition_goes_on_however_many_of_its_events_wait_and_they_come_in_their_order():
    store = Shelf()
    async with routed(store, topics=LIVE, prefetch=PREFETCH) as (router, edge):
        await outage(store, router, edge, 100)
        assert await spilled(edge) == 100
        for number in range(64):  # of every partition some
            await emit(edge, f"live.{number}", number)
        for number in range(PARTITIONS):
            await edge.ask(ProbeRequest(1, number), partition=number)
        await eventually(lambda: len(edge.replies) == PARTITIONS and len(edge.entries) == 64)
        assert (router.counters.spilling, router.counters.held) == (1, 0)
        store.away = False
        await eventually(lambda: in_order(edge, 100))
        await emit(edge, "a", *range(100, 110))
        await eventually(lambda: in_order(edge, 110))
        await idle(router, edge)
        assert (router.counters.spilling, router.counters.in_hand, router.counters.spilled) == (0, 0, 100)
        assert (await edge.bus.depth(topology.DEAD)).messages == 0


async def test_a_lane_is_not_given_up_where_a_busy_broker_says_that_nothing_is_there(monkeypatch):
    """RabbitMQ says 0 messages and 0 consumers of a queue whose leader does not answer it within 250 ms."""
    store = Shelf()
    async with routed(store, prefetch=PREFETCH) as (router, edge):
        await outage(store, router, edge)
        truth, lies = router_bus(router).depth, True

        async def busy(queue):
            return Depth(0, 0) if lies and "spill" in queue else await truth(queue)

        monkeypatch.setattr(router_bus(router), "depth", busy)
        store.away = False
        await eventually(lambda: in_order(edge, 30))
        assert router.counters.spilling == 1, "who is told of no consumer, and is one, knows nothing"
        lies = False
        await emit(edge, "a", *range(30, 40))
        await eventually(lambda: in_order(edge, 40))
        await idle(router, edge)
        assert (router.counters.spilling, await spilled(edge)) == (0, 0)


async def test_what_is_published_while_the_lane_is_drained_comes_behind_it():
    store = HalfBack()
    async with routed(store, prefetch=PREFETCH) as (router, edge):
        await emit(edge, "a", *range(50))
        await eventually(lambda: router.counters.spilled == 50)
        tried = store.refused
        await eventually(lambda: store.refused > tried + 3)
        await emit(edge, "a", *range(50, 60))
        store.refuses = False
        await emit(edge, "a", *range(60, 200))
        await eventually(lambda: len(edge.entries) == 200)
        assert in_order(edge, 200)
        await idle(router, edge)


async def test_an_event_keeps_all_that_it_says():
    store = Shelf()
    async with routed(store, prefetch=1) as (router, edge):
        store.away = True
        trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
        headers = {"traceparent": trace, "other": "of no use to us", "x-delivery-count": 7}
        edge.broker.core.publish(topology.EVENTS, "a", Message(b"x", "text/plain", "m1", 77, headers), False)
        edge.broker.wake()
        await eventually(lambda: router.counters.spilled == 1)
        store.away = False
        await eventually(lambda: edge.entries)
        [entry] = edge.entries
        assert (entry.topic, entry.payload, entry.key, entry.at, entry.trace) == ("a", b"x", "m1", 77_000, trace)


async def test_a_router_that_takes_over_finds_what_waits_beside_a_partition():
    store = Shelf()
    async with routed(store, prefetch=PREFETCH) as (router, edge):
        await outage(store, router, edge, 30, message_id="m%d")
        router_bus(router).lose("the test cut it")
        await eventually(lambda: router.counters.redelivered)
        await router.stop()
        await router_bus(router).close()
        assert await waiting(edge.bus) == 1, "the marker"
        successor = made(await opened(edge.broker, "successor"), store, prefetch=PREFETCH)
        store.away = False
        await successor.start()
        await emit(edge, "a", *range(30, 40))
        await eventually(lambda: in_order(edge, 40))
        await idle(successor, edge)
        assert successor.counters.repeated == 0, "the marker was known as one"
        assert await spilled(edge) == 0
        await successor.stop()


async def test_who_takes_over_logs_nothing_twice_that_has_no_message_id(monkeypatch):
    store = Shelf()
    async with routed(store, prefetch=PREFETCH) as (router, edge):
        await outage(store, router, edge, 30)
        for _ in range(3):
            turns = router.counters.redelivered
            router_bus(router).lose("the test cut it")
            await eventually(lambda turns=turns: router.counters.redelivered > turns)
        store.away = False
        await eventually(lambda: in_order(edge, 30))
        await idle(router, edge)
        assert store.heads == {"a": 30}


async def came_back(router, edge, store, beside):
    """Have an event come back while the store is away, and lie there beside its partition what it does not mark."""
    store.away = True
    await emit(edge, "a", 0)
    await eventually(lambda: router.counters.held == 1)
    [received] = router._intake._held._messages
    await edge.bus.declare(topology.spill(received.queue))
    await edge.bus.publish("", topology.spill_queue(received.queue), beside)
    router_bus(router).lose("the test cut it")
    await eventually(lambda: router.counters.redelivered == 1)


async def test_what_came_back_and_marks_nothing_is_logged_after_what_lies_beside_its_partition():
    """Somebody has put messages there, say, that a worker's dead letters were made of."""
    store = Shelf()
    async with routed(store, prefetch=PREFETCH) as (router, edge):
        await came_back(router, edge, store, Message(b"1", headers={room.TOPIC: "a", room.MARKER: "another"}))
        store.away = False
        await eventually(lambda: numbers(edge, "a") == [(1, 1), (2, 0)])
        await idle(router, edge)


async def test_what_came_back_and_marks_nothing_is_logged_though_newer_events_were_put_beside_after_it():
    store = Shelf()
    async with routed(store, prefetch=PREFETCH) as (router, edge):
        await came_back(router, edge, store, Message(b"1", headers={room.TOPIC: "a"}))
        await emit(edge, "a", 2, 3)
        await eventually(lambda: router.counters.spilled == 2)
        store.away = False
        await eventually(lambda: numbers(edge, "a") == [(1, 1), (2, 2), (3, 3), (4, 0)])
        await idle(router, edge)


@pytest.mark.parametrize("how", ["it answers late", "it gives what waited soon after"])
async def test_a_partition_is_not_given_away_where_the_broker_is_only_slow(monkeypatch, how):
    monkeypatch.setattr(room, "OUTRANKED_AFTER", 0.02)
    if how == "it answers late":
        monkeypatch.setattr(room, "PROMPT", 0.0)
    store, looks = Shelf(), []
    async with routed(store, prefetch=PREFETCH) as (router, edge):
        await outage(store, router, edge, 30, message_id="m%d")
        [route], depth = router._intake._spill.lanes, router._bus.depth

        async def depth_of(queue):
            if queue != route:
                return await depth(queue)
            looks.append(queue)
            return Depth(int(how == "it answers late" or len(looks) % 2), 1)

        monkeypatch.setattr(router._bus, "depth", depth_of)
        await eventually(lambda: len(looks) > 8)
        assert router.counters.handed_over == 0
        store.away = False
        await eventually(lambda: in_order(edge, 30))
        await idle(router, edge)


async def test_a_router_that_takes_over_while_the_store_is_away_puts_more_behind_what_waits():
    store = Shelf()
    async with routed(store, prefetch=PREFETCH) as (router, edge):
        await outage(store, router, edge, 30, message_id="m%d")
        await router.stop()
        await router_bus(router).close()
        successor = made(await opened(edge.broker, "successor"), store, prefetch=PREFETCH)
        await successor.start()
        for number in range(30, 40):
            await edge.emit("a", b"%d" % number, message_id=f"m{number}")
        await eventually(lambda: successor.counters.spilled == 10)
        store.away = False
        await eventually(lambda: in_order(edge, 40))
        await idle(successor, edge)
        await successor.stop()


async def test_what_a_router_that_takes_over_puts_beside_names_what_marks_it_too():
    """Else a third one, which finds nothing but that, would log it a second time."""
    store = Shelf()
    async with routed(store, prefetch=PREFETCH) as (router, edge):
        await outage(store, router, edge, 30)
        [queue] = [lane.queue for lane in router._intake._spill.lanes.values()]
        await router.stop()
        await router_bus(router).close()
        successor = made(await opened(edge.broker, "successor"), store, prefetch=PREFETCH)
        await successor.start()
        await emit(edge, "a", *range(30, 40))
        await eventually(lambda: successor.counters.spilled == 10)
        await successor.stop()
        found = []
        await edge.bus.consume((Source(queue),), found.append, prefetch=100)
        await eventually(lambda: len(found) == 40)
        assert len({received.headers[room.MARKER] for received in found}) == 1


async def test_a_connection_that_is_lost_while_a_lane_is_drained_loses_nothing_and_keeps_the_order():
    store = HalfBack()
    async with routed(store, prefetch=PREFETCH) as (router, edge):
        for number in range(40):
            await edge.emit("a", b"%d" % number, message_id=f"m{number}")
        await eventually(lambda: router.counters.spilled == 40)
        tried = store.refused
        await eventually(lambda: store.refused > tried + 2)
        router_bus(router).lose("the test cut it")
        store.refuses = False
        await eventually(lambda: numbers(edge, "a")[-1:] == [(40, 39)])
        await idle(router, edge)
        assert in_order(edge, 40)
        assert await spilled(edge) == 0


@pytest.mark.parametrize("count", [3, 30], ids=["held", "beside"])
async def test_a_router_that_ranks_higher_gets_its_partitions_though_events_of_them_wait(monkeypatch, count):
    monkeypatch.setattr(room, "OUTRANKED_AFTER", 0.02)
    store = Shelf()
    async with routed(store, topics=LIVE, prefetch=PREFETCH) as (router, edge):
        store.away = True
        for number in range(count):
            await edge.emit("a", b"%d" % number, message_id=f"m{number}")
        await eventually(lambda: router.counters.held + router.counters.spilled == count)
        [route] = router._intake._spill.lanes or router._intake._held.queues()
        heir = made(await opened(edge.broker, "heir"), store, _name_that_outranks(router.name, route), topics=LIVE)
        await heir.start()
        for number in range(64):
            await emit(edge, f"live.{number}", number)
        await eventually(lambda: len(edge.entries) == 64)
        assert router.counters.handed_over == 1
        assert heir.counters.held + heir.counters.spilling > 0
        store.away = False
        for number in range(count, count + 10):
            await edge.emit("a", b"%d" % number, message_id=f"m{number}")
        await eventually(lambda: in_order(edge, count + 10))
        await idle(heir, edge)
        await eventually(lambda: (router.counters.in_hand, router.counters.held) == (0, 0))
        await heir.stop()


def _name_that_outranks(name, route):
    number = int(route.rsplit(".", 1)[1])
    return next(f"heir-{n}" for n in range(1000) if rank(f"heir-{n}", number) > rank(name, number))


async def test_what_finds_no_room_beside_stays_in_hand_behind_it(monkeypatch):
    monkeypatch.setattr(topology, "SPILL_MESSAGES", 10)
    store = Shelf()
    async with routed(store, prefetch=PREFETCH) as (router, edge):
        store.away = True
        await emit(edge, "a", *range(30))
        await eventually(lambda: router.counters.held == PREFETCH - 1)
        assert await spilled(edge) == 10
        store.away = False
        await eventually(lambda: len(edge.entries) == 30)
        assert in_order(edge, 30)
        await idle(router, edge)
        assert (router.counters.held, router.counters.spilling) == (0, 0)


async def test_a_lane_that_somebody_purged_ends(monkeypatch):
    monkeypatch.setattr(room, "SETTLED_AFTER", 0.05)
    store = Shelf()
    async with routed(store, prefetch=PREFETCH) as (router, edge):
        await outage(store, router, edge, 30)
        [queue] = [queue for name, queue in edge.broker.core._queues.items() if "spill" in name]
        while len(queue):
            queue._pop()
        store.away = False
        await emit(edge, "a", 30)
        await eventually(lambda: numbers(edge, "a") == [(1, 30)])
        await idle(router, edge)


async def test_what_cannot_be_processed_is_dead_when_it_comes_out():
    store = Shelf()
    async with routed(store, prefetch=PREFETCH) as (router, edge):
        store.away = True
        for number in range(20):
            await edge.emit("a", b"{" if number == 7 else b"%d" % number)
        await eventually(lambda: router.counters.spilled == 20)
        store.away = False
        await eventually(lambda: len(edge.entries) == 19)
        assert [value for _, value in numbers(edge, "a")] == [n for n in range(20) if n != 7]
        await eventually(lambda: router.counters.dead == {"bad_payload": 1})
        await idle(router, edge)
