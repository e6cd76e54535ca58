"""Events that wait beside their partition, and all that may happen meanwhile."""

from __future__ import annotations

import asyncio

import pytest

from router import spill as room
from shared.bus import topology
from shared.bus.memory_intake import MemoryIntake
from shared.bus.port import Message
from shared.errors import PublishRefused, StoreAway
from shared.topics import PARTITIONS, rank
from tests.support.eventually import eventually
from tests.unit.router.running import idle, made, opened, routed, router_bus
from tests.unit.router.running import quick as quick
from tests.unit.router.shelf import Shelf
from tests.unit.router.test_spill import PREFETCH, in_order, outage, spilled
from tests.unit.router.test_store_away import HalfBack, emit, numbers

pytestmark = pytest.mark.usefixtures("quick")


async def test_what_is_held_of_a_partition_without_a_lane_is_logged_before_what_is_newer():
    store = Shelf()
    async with routed(store, prefetch=PREFETCH) as (router, edge):
        await outage(store, router, edge, 200)
        await emit(edge, "b", 0)
        await eventually(lambda: router.counters.held == 1)
        store.away = False
        await eventually(lambda: len(edge.entries) > 20)
        await emit(edge, "b", *range(1, 30))
        await eventually(lambda: len(edge.entries) == 230)
        assert in_order(edge, 30, "b"), numbers(edge, "b")


async def test_a_loss_while_a_lane_begins_to_be_drained_does_not_end_the_intake():
    store = Shelf()
    async with routed(store, prefetch=PREFETCH) as (router, edge):
        await outage(store, router, edge, 30, message_id="m%d")
        bus = router_bus(router)
        consume = bus.consume

        async def cut(*args, **more):
            bus.consume = consume
            bus.lose("the test cut it")
            return await consume(*args, **more)

        bus.consume = cut
        store.away = False
        await eventually(lambda: numbers(edge, "a")[-1:] == [(30, 29)])
        assert router._intake.running
        await idle(router, edge)


async def test_what_was_taken_out_of_a_lane_goes_back_when_the_lane_is_lost_and_is_not_given_up():
    store = HalfBack()
    async with routed(store, prefetch=PREFETCH) as (router, edge):
        for number in range(40):
            await edge.emit("a", b"%d" % number, message_id=f"m{number}")
        await eventually(lambda: router.counters.spilled == 40)
        await eventually(lambda: any(lane.line for lane in router._intake._spill.lanes.values()))
        router._intake._lose()  # as when the channel of the partitions was closed, and not that of the lane

        async def all_back():
            return await spilled(edge) == 40

        await eventually(all_back)
        assert (await edge.bus.depth(topology.DEAD)).messages == 0


async def test_a_router_that_stops_while_a_lane_is_there_gives_nothing_newer_to_the_next():
    store = Shelf()
    async with routed(store, prefetch=PREFETCH) as (router, edge):
        await outage(store, router, edge, 300)
        successor = made(await opened(edge.broker, "successor"), store, prefetch=PREFETCH)
        await successor.start()
        store.away = False
        await eventually(lambda: len(edge.entries) > 20)
        stopping = asyncio.ensure_future(router.stop())
        await emit(edge, "a", *range(300, 310))
        await stopping
        await router_bus(router).close()
        await eventually(lambda: len(set(numbers(edge, "a"))) >= 310)
        values = [value for _, value in numbers(edge, "a")]
        first = list(dict.fromkeys(values))
        assert first == sorted(first)
        await successor.stop()


async def test_who_takes_over_puts_what_it_held_behind_what_waits():
    store = Shelf()
    async with routed(store, prefetch=PREFETCH) as (router, edge):
        await outage(store, router, edge, 30, message_id="m%d")
        successor = made(await opened(edge.broker, "successor"), store, prefetch=PREFETCH)
        await successor.start()
        await router._intake._consumption.cancel()
        await emit(edge, "a", 30)
        await eventually(lambda: successor.counters.held == 1)
        router_bus(router).crash()
        await eventually(lambda: successor.counters.spilling)
        await emit(edge, "a", 31)
        await eventually(lambda: successor.counters.spilled == 2)
        store.away = False
        await eventually(lambda: len(edge.entries) >= 32)
        values = list(dict.fromkeys(value for _, value in numbers(edge, "a")))
        assert values == sorted(values)
        await successor.stop()


async def test_a_router_that_lost_a_partition_unheard_leaves_its_lane_to_the_next():
    store = Shelf()
    async with routed(store, prefetch=PREFETCH) as (router, edge):
        await outage(store, router, edge, 100, message_id="m%d")
        successor = made(await opened(edge.broker, "successor"), store, prefetch=PREFETCH)
        await successor.start()
        await router._intake._consumption.leave()  # as when the broker closed its channel, and nothing has come since
        await eventually(lambda: successor.counters.spilling)
        store.away = False
        await eventually(lambda: len(set(numbers(edge, "a"))) == 100)
        assert in_order(edge, 100)
        assert router.counters.events == 0
        await successor.stop()


class Scant(Shelf):
    """A store that appends so many entries, and is away then."""

    room = 0

    async def admit(self, commands, now, turn=None):
        appends = sum(command.append is not None for command in commands)
        if appends > self.room:
            raise StoreAway("out of memory")
        self.room -= appends
        return await super().admit(commands, now, turn)


async def test_a_marker_that_is_left_in_hand_is_logged_before_what_is_newer():
    store = Scant()
    async with routed(store, prefetch=PREFETCH) as (router, edge):
        await emit(edge, "a", 0)
        await eventually(lambda: router.counters.held == 1)
        [received] = router._intake._held._messages
        await edge.bus.declare(topology.spill(received.queue))
        alien = Message(b"1000", headers={room.TOPIC: "a", room.MARKER: "another"})
        await edge.bus.publish("", topology.spill_queue(received.queue), alien)
        router_bus(router).lose("the test cut it")
        await eventually(lambda: router.counters.spilling == 1)
        store.room = 1
        await eventually(lambda: numbers(edge, "a") == [(1, 1000)])
        await eventually(lambda: router.counters.held == 1)
        await emit(edge, "a", 1)
        await eventually(lambda: router.counters.held == 2)
        store.room = 2
        await eventually(lambda: numbers(edge, "a")[1:] == [(2, 0), (3, 1)])
        await idle(router, edge)


async def test_what_was_refused_room_before_its_connection_was_lost_is_counted_once():
    store = Shelf()
    async with routed(store, prefetch=PREFETCH) as (router, edge):
        bus, publish = router_bus(router), router_bus(router).publish
        confirms = []

        def stubborn(exchange, key, message, **more):
            if "spill" not in key:
                return publish(exchange, key, message, **more)
            confirms.append(asyncio.get_running_loop().create_future())
            return confirms[-1]

        bus.publish = stubborn
        store.away = True
        await emit(edge, "a", *range(6))
        await eventually(lambda: confirms)
        confirms[0].set_result(None)
        await eventually(lambda: len(confirms) > 3)
        confirms[1].set_exception(PublishRefused("full"))
        confirms[2].set_exception(PublishRefused("full"))
        await asyncio.sleep(0)
        bus.publish = publish
        bus.lose("the test cut it")
        for confirm in confirms[3:]:
            confirm.set_exception(PublishRefused("full"))
        store.away = False
        await eventually(lambda: in_order(edge, 6))
        await idle(router, edge)
        await eventually(lambda: router.counters.in_hand == 0)


async def test_a_partition_goes_to_who_outranks_us_with_all_that_waits_in_it(monkeypatch):
    monkeypatch.setattr(room, "OUTRANKED_AFTER", 0.05)
    store = Shelf()
    async with routed(store, prefetch=PREFETCH) as (router, edge):
        await outage(store, router, edge, 30)
        await emit(edge, "b", 0, 1)
        await eventually(lambda: router.counters.held == 2)
        mine = router.name
        others = [f"r{number}" for number in range(1000)]
        routes = (*router._intake._spill.lanes, *router._intake._held.queues())
        parts = [each for each in range(PARTITIONS) if topology.route_queue(each) in routes]
        name = next(other for other in others if all(rank(other, each) > rank(mine, each) for each in parts))
        successor = made(await opened(edge.broker, "successor"), store, name=name, prefetch=PREFETCH)
        await successor.start()
        await emit(edge, "a", *range(30, 40))
        await emit(edge, "b", *range(2, 8))
        await eventually(lambda: successor.counters.spilling == 2)
        await eventually(lambda: (router.counters.spilling, router.counters.held, router.counters.in_hand) == (0, 0, 0))
        store.away = False
        await eventually(lambda: in_order(edge, 40) and in_order(edge, 8, "b"))
        await idle(successor, edge)
        await successor.stop()


async def test_what_a_lane_has_to_give_again_as_its_channel_was_lost_does_not_count_as_done(monkeypatch):
    store = Shelf()
    async with routed(store, prefetch=PREFETCH) as (router, edge):
        await outage(store, router, edge, 40)
        partitions, holds, lost = router._intake._consumption, MemoryIntake.holds, []

        def loses(self, received):
            if self is partitions or lost:
                return holds(self, received)
            lost.append(received)
            for tag, handed in list(self._connection.in_hand.items()):
                if handed.queue == received.queue:
                    self._broker.give_back(self._connection, tag)
            self._in_hand.clear()
            self._generation += 1
            return False

        monkeypatch.setattr(MemoryIntake, "holds", loses)
        [lane] = router._intake._spill.lanes.values()
        store.away = False
        await eventually(lambda: lost)
        await eventually(lambda: not router._intake._spill.lanes)
        assert (lane.settled, lane.expected) == (40, 40)
        assert in_order(edge, 40)
        assert router.counters.in_hand == 0
