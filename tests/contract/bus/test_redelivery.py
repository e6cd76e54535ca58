"""What a lost connection leaves behind."""

import asyncio

from shared.bus.port import BusState, Message, Source
from tests.contract.bus.harness import Taker, send, settled
from tests.contract.bus.shapes import only, plain
from tests.support.eventually import eventually

NUMBERS = [b"%d" % number for number in range(6)]


async def test_what_a_killed_bus_had_in_hand_comes_to_another_one_in_order_and_marked(harness, bus):
    await bus.declare(only(plain("q")))
    await send(bus, "", "q", NUMBERS)
    victim = await harness.bus("victim")
    doomed = await Taker(victim, acks=False).take("q", prefetch=4)
    await doomed.has(4)
    doomed.ack(doomed.received[0])
    await settled(bus, "q", 1)
    await harness.kill(victim)
    heir = await Taker(bus).take("q")
    await heir.has(5)
    assert heir.bodies == NUMBERS[1:]
    assert [received.redelivered for received in heir.received] == [True] * 4 + [False]
    assert bus.counters.redelivered == 4


async def test_a_bus_whose_connection_was_cut_gets_again_what_it_had(harness, bus):
    await bus.declare(only(plain("q")))
    taker = await Taker(bus, acks=False).take("q", prefetch=10)
    await send(bus, "", "q", NUMBERS)
    await taker.has(6)
    await harness.cut(bus)
    await taker.has(12)
    assert taker.bodies == NUMBERS * 2
    assert all(received.redelivered for received in taker.received[6:])


async def test_nothing_is_handed_out_before_the_bus_is_ready_again(harness, bus):
    await bus.declare(only(plain("q"), plain("answers")))
    await send(bus, "", "q", NUMBERS)
    confirms = []

    def answer(received):
        confirms.append(bus.publish("", "answers", Message(received.body)))

    await bus.consume([Source("q")], answer, prefetch=10)
    for times in (1, 2, 3):
        await eventually(lambda times=times: len(confirms) == times * len(NUMBERS))
        await harness.cut(bus)
    await eventually(lambda: len(confirms) == 4 * len(NUMBERS))
    await asyncio.wait(confirms)
    assert bus.counters.refused_away == 0


async def test_acknowledging_a_copy_from_before_the_cut_does_nothing(harness, bus):
    await bus.declare(only(plain("q")))
    taker = await Taker(bus, acks=False).take("q", prefetch=10)
    await send(bus, "", "q", NUMBERS)
    await taker.has(6)
    await harness.cut(bus)
    await taker.has(12)
    for old in taker.received[:6]:
        taker.ack(old)
        taker.reject(old, requeue=False)
    taker.ack(taker.received[5], through=True)
    assert bus.counters.stale_acks == 13
    await harness.cut(bus)
    await taker.has(18)
    assert taker.bodies[12:] == NUMBERS
    taker.ack(taker.received[-1], through=True)
    await settled(bus, "q", 0)


async def test_what_was_acknowledged_before_the_cut_does_not_come_again(harness, bus):
    await bus.declare(only(plain("q")))
    taker = await Taker(bus).take("q")
    await send(bus, "", "q", NUMBERS)
    await taker.has(6)
    await settled(bus, "q", 0)
    await harness.cut(bus)
    await eventually(lambda: bus.state is BusState.READY)
    await send(bus, "", "q", [b"new"])
    await eventually(lambda: b"new" in taker.bodies)
    assert [body for body in taker.bodies if body != b"new"][:6] == NUMBERS


async def test_a_message_says_how_often_it_came_back(harness, bus):
    await bus.declare(only(plain("q", delivery_limit=9)))
    await bus.publish("", "q", Message(b"1", headers={"x-delivery-count": 9, "kind": "odd"}))
    told = []
    for _ in range(3):
        victim = await harness.bus("victim")
        [received] = await (await Taker(victim, acks=False).take("q")).has(1)
        told.append((received.returns, received.doubtful, received.headers["kind"]))
        await harness.kill(victim)
    assert told == [(0, False, "odd"), (1, False, "odd"), (2, True, "odd")], "a publisher's word counts for nothing"
