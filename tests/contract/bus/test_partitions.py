"""Queues with a single active consumer: who works, and who is next."""

from collections import defaultdict

from shared.bus import topology
from shared.bus.port import Message, Source
from shared.topics import PARTITIONS, rank
from tests.contract.bus.harness import Taker, send, settled
from tests.contract.bus.shapes import only, partition
from tests.support.eventually import eventually

NUMBERS = [b"%d" % number for number in range(10)]


async def test_one_consumer_works_and_the_other_waits(harness, bus):
    await bus.declare(only(partition("p")))
    first = await Taker(bus).take("p")
    second = await Taker(await harness.bus("second")).take("p")
    await send(bus, "", "p", NUMBERS)
    await first.has(10)
    assert first.bodies == NUMBERS
    assert not second.received


async def test_the_next_one_takes_over_when_the_active_one_is_killed(harness, bus):
    await bus.declare(only(partition("p")))
    victim = await harness.bus("victim")
    doomed = await Taker(victim, acks=False).take("p", prefetch=3)
    heir = await Taker(await harness.bus("heir")).take("p")
    await send(bus, "", "p", NUMBERS)
    await doomed.has(3)
    await harness.kill(victim)
    await heir.has(10)
    assert heir.bodies == NUMBERS
    assert [received.redelivered for received in heir.received] == [True] * 3 + [False] * 7


async def test_a_partition_moves_to_who_ranks_higher_where_the_broker_balances(harness, bus):
    await bus.declare(only(partition("p")))
    low = await Taker(bus).take("p", priority=1)
    high = await Taker(await harness.bus("high")).take("p", priority=2)
    await send(bus, "", "p", NUMBERS)
    winner, loser = (high, low) if harness.balances else (low, high)
    await winner.has(10)
    assert winner.bodies == NUMBERS
    assert not loser.received


async def test_nobody_takes_over_before_the_one_that_goes_has_empty_hands(harness, bus):
    await bus.declare(only(partition("p")))
    low = await Taker(bus, acks=False).take("p", priority=1, prefetch=2)
    await send(bus, "", "p", NUMBERS)
    await low.has(2)
    high = await Taker(await harness.bus("high")).take("p", priority=2)
    await settled(bus, "p", 8)
    assert not high.received
    if not harness.balances:
        return  # on RabbitMQ 3 priorities do not count here: the first one stays
    low.ack(low.received[0])
    await send(bus, "", "p", [b"more"])
    await settled(bus, "p", 9)
    assert len(low.received) == 2, "it has room for one more, and gets none"
    low.ack(low.received[1])
    await high.has(9)
    assert low.bodies + high.bodies == [*NUMBERS, b"more"]


async def test_every_topic_keeps_its_order_over_the_partitions(harness, bus):
    await bus.declare(topology.common())
    takers = []
    for name in ("router-a", "router-b"):
        taker = Taker(await harness.bus(name))
        await taker.take_from([Source(topology.route_queue(each), rank(name, each)) for each in range(PARTITIONS)])
        takers.append(taker)
    topics = [f"orders.{number}" for number in range(40)]
    for number in range(10):
        for topic in topics:
            bus.publish(topology.EVENTS, topic, Message(b"%d" % number), mandatory=True)
    await eventually(lambda: sum(len(taker.received) for taker in takers) == 400)
    for taker in takers:
        by_topic = defaultdict(list)
        for received in taker.received:
            by_topic[received.routing_key].append(received.body)
        assert all(bodies == NUMBERS for bodies in by_topic.values())
    queues = {received.queue for taker in takers for received in taker.received}
    assert len(queues) > PARTITIONS // 2, "the hash spreads"
    if harness.balances:
        assert all(taker.received for taker in takers), "both routers work"


async def test_who_leaves_gives_all_in_hand_to_the_next_one_before_anything_newer(harness, bus):
    await bus.declare(only(partition("q")))
    first = await Taker(bus, acks=False).take("q", prefetch=4)
    await send(bus, "", "q", NUMBERS[:6])
    await first.has(4)
    second = await Taker(await harness.bus("second")).take("q")
    first.ack(first.received[0])
    await first.has(5)
    assert [first.intake.holds(received) for received in first.received] == [False] + [True] * 4
    await first.intake.leave()
    assert not first.intake.holds(first.received[1])
    await send(bus, "", "q", NUMBERS[6:])
    await second.has(len(NUMBERS) - 1)
    assert second.bodies == NUMBERS[1:]
    assert [received.redelivered for received in second.received] == [True] * 4 + [False] * (len(NUMBERS) - 5)
    await settled(bus, "q", 0)


async def test_who_is_outranked_gives_back_what_it_keeps_and_it_comes_to_the_next_one_first(harness, bus):
    await bus.declare(only(partition("q")))
    low = await Taker(bus, acks=False).take("q", priority=1)
    await send(bus, "", "q", NUMBERS[:1])
    await low.has(1)
    high = await Taker(await harness.bus("high")).take("q", priority=2)
    if not harness.balances:
        return  # on RabbitMQ 3 nobody is outranked
    await send(bus, "", "q", NUMBERS[1:])
    await settled(bus, "q", len(NUMBERS) - 1)
    low.reject(low.received[0], requeue=True)
    await low.intake.renew("q")
    await high.has(len(NUMBERS))
    assert high.bodies == NUMBERS
    await high.intake.leave()
    await send(bus, "", "q", [b"more"])
    await low.has(2)
    assert low.bodies[1:] == [b"more"]
