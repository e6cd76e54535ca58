"""Intakes: prefetch, acknowledgement, giving back, ending."""

import asyncio
import itertools
from collections import defaultdict

import pytest

from shared.bus.port import Depth, Message, Source
from shared.bus.topology import QueueKind
from shared.errors import BusAway, QueueTaken, TopologyMismatch
from tests.contract.bus.harness import Taker, gone, send, settled
from tests.contract.bus.shapes import only, own, partition, plain
from tests.support.eventually import eventually

NUMBERS = [b"%d" % number for number in range(20)]


@pytest.fixture
async def queue(bus):
    await bus.declare(only(plain("q")))
    return "q"


async def test_no_more_than_the_prefetch_is_handed_out_unacknowledged(bus, queue):
    await send(bus, "", queue, NUMBERS)
    taker = await Taker(bus, acks=False).take(queue, prefetch=5)
    await taker.has(5)
    await settled(bus, queue, 15)
    assert taker.bodies == NUMBERS[:5]
    taker.ack(taker.received[0])
    await taker.has(6)
    await settled(bus, queue, 14)
    assert len(taker.received) == 6


async def test_the_prefetch_holds_for_each_queue_by_itself(bus):
    await bus.declare(only(plain("a"), plain("b")))
    await send(bus, "", "a", NUMBERS)
    await send(bus, "", "b", NUMBERS)
    taker = await Taker(bus, acks=False).take("a", "b", prefetch=3)
    await taker.has(6)
    await settled(bus, "a", 17)
    await settled(bus, "b", 17)
    assert sorted(received.queue for received in taker.received) == ["a"] * 3 + ["b"] * 3


async def test_ack_through_takes_off_all_that_was_given_before(bus, queue):
    await send(bus, "", queue, NUMBERS)
    taker = await Taker(bus, acks=False).take(queue, prefetch=10)
    await taker.has(10)
    taker.ack(taker.received[6], through=True)
    await taker.has(17)
    assert taker.bodies == NUMBERS[:17]
    taker.ack(taker.received[0])
    assert bus.counters.stale_acks == 1


async def test_what_was_acknowledged_and_flushed_does_not_come_again_though_the_connection_is_cut(harness, bus, queue):
    await send(bus, "", queue, NUMBERS)
    taker = await Taker(bus, acks=False).take(queue)
    await taker.has(20)
    for received in taker.received[:15]:
        taker.ack(received)
    assert taker.intake is not None
    assert await taker.intake.flush(taker.received[14])
    await harness.cut(bus)
    await taker.has(25)
    assert taker.bodies[20:] == NUMBERS[15:]
    assert not await taker.intake.flush(taker.received[14]), "it came over a connection that is lost"
    assert await taker.intake.flush(taker.received[20])


async def test_each_question_has_its_own_answer_though_some_are_not_waited_for(bus, queue):
    await send(bus, "", queue, NUMBERS)
    taker = await Taker(bus, acks=False).take(queue)
    [first, *_] = await taker.has(20)
    assert taker.intake is not None
    questions = [asyncio.create_task(taker.intake.flush(first)) for _ in range(5)]
    await asyncio.sleep(0)
    for question in questions[1:3]:
        question.cancel()
    answers = await asyncio.gather(*questions, return_exceptions=True)
    assert [answers[place] for place in (0, 3, 4)] == [True] * 3
    assert await taker.intake.flush(first)


async def test_acknowledging_twice_does_nothing(bus, queue):
    await send(bus, "", queue, NUMBERS)
    taker = await Taker(bus, acks=False).take(queue, prefetch=1)
    [first] = await taker.has(1)
    taker.ack(first)
    taker.ack(first)
    taker.ack(first, through=True)
    taker.reject(first, requeue=True)
    await taker.has(2)
    await settled(bus, queue, 18)
    assert taker.bodies == NUMBERS[:2]
    assert bus.counters.stale_acks == 3


async def test_what_is_given_back_comes_again_marked_and_before_what_is_younger(bus):
    # RabbitMQ 3 puts it behind where the queue has no delivery limit; partitions have one.
    await bus.declare(only(plain("limited", delivery_limit=5)))
    await send(bus, "", "limited", NUMBERS[:3])
    taker = await Taker(bus, acks=False).take("limited", prefetch=1)
    await taker.has(1)
    taker.reject(taker.received[0], requeue=True)
    await taker.has(2)
    assert taker.bodies == [b"0", b"0"]
    assert [received.redelivered for received in taker.received] == [False, True]
    taker.ack(taker.received[1])
    await taker.has(3)
    assert taker.bodies[2] == b"1"


async def test_what_is_rejected_for_good_is_gone_where_nothing_takes_dead_letters(bus, queue):
    await send(bus, "", queue, NUMBERS[:2])
    taker = await Taker(bus, acks=False).take(queue, prefetch=1)
    await taker.has(1)
    taker.reject(taker.received[0], requeue=False)
    await taker.has(2)
    assert taker.bodies == NUMBERS[:2]


async def test_a_cancelled_intake_gets_no_more_and_may_still_acknowledge(harness, bus, queue):
    await send(bus, "", queue, NUMBERS[:5])
    taker = await Taker(bus, acks=False).take(queue, prefetch=5)
    await taker.has(5)
    assert taker.intake is not None
    await taker.intake.cancel()
    await send(bus, "", queue, NUMBERS[5:])
    await settled(bus, queue, 15)
    assert len(taker.received) == 5
    taker.ack(taker.received[3], through=True)
    await bus.close()
    await settled(await harness.bus(), queue, 16)  # the fifth was given back


async def test_a_handler_that_raises_is_counted_and_the_next_message_comes(bus, queue, caplog):
    seen = []

    def raise_once(received):
        seen.append(received)
        if len(seen) == 1:
            raise KeyError("oops")

    await bus.consume([Source(queue)], raise_once, prefetch=10)
    await send(bus, "", queue, NUMBERS[:2])
    await eventually(lambda: len(seen) == 2)
    assert bus.counters.handler_errors == 1
    assert "oops" in caplog.text


async def test_a_handler_may_publish(bus, queue):
    await bus.declare(only(plain("answers")))
    intake = await bus.consume(
        [Source(queue)], lambda received: bus.publish("", "answers", Message(received.body)), prefetch=100
    )
    answers = await Taker(bus).take("answers")
    await send(bus, "", queue, NUMBERS)
    await answers.has(20)
    assert answers.bodies == NUMBERS
    await intake.cancel()


async def test_no_message_comes_before_the_caller_has_the_intake(bus, queue):
    await send(bus, "", queue, NUMBERS)
    for _ in range(3):
        taker = await Taker(bus).take(queue)  # it raises in its handler where it has no intake yet
        await asyncio.sleep(0)
        assert taker.intake is not None
        await taker.intake.cancel()
    assert bus.counters.handler_errors == 0


async def test_consuming_from_a_queue_that_is_missing_is_refused_and_forgotten(harness, bus):
    with pytest.raises(TopologyMismatch, match="missing"):
        await Taker(bus).take("missing")
    await harness.cut(bus)
    await eventually(lambda: bus.counters.reconnections == 1)


async def test_an_exclusive_consumer_lets_nobody_in_beside_it(harness, bus):
    await bus.declare(only(plain("classic", kind=QueueKind.CLASSIC)))
    await bus.consume([Source("classic", exclusive=True)], lambda received: None, prefetch=1)
    with pytest.raises(BusAway, match="exclusive"):
        await Taker(await harness.bus()).take("classic")


async def test_an_exclusive_queue_is_of_one_bus_and_ends_with_it(harness, bus):
    other = await harness.bus("other")
    await bus.declare(only(own("mine")))
    with pytest.raises(BusAway, match="mine"):
        await Taker(other).take("mine")
    with pytest.raises(QueueTaken, match="mine"):
        await other.depth("mine")
    await send(bus, "", "mine", NUMBERS)
    await harness.kill(bus)
    await gone(other, "mine")
    await other.declare(only(own("mine")))
    assert await other.depth("mine") == Depth(messages=0, consumers=0)


async def test_partitions_are_handed_on_again_and_again_and_nothing_is_done_twice_or_out_of_its_order(harness, bus):
    names = [f"partition-{number}" for number in range(8)]
    await bus.declare(only(*[partition(name) for name in names]))
    publisher = await harness.bus("publisher")
    numbers, done = itertools.count(), asyncio.Event()

    async def publish() -> None:
        while not done.is_set():
            await asyncio.gather(*[publisher.publish("", name, Message(b"%d" % next(numbers))) for name in names])

    publishing = asyncio.create_task(publish())
    worked = defaultdict(list)
    taking = await Worker(await harness.bus("worker"), worked).take(*names, prefetch=16)
    for _ in range(8):
        following = await Worker(await harness.bus("worker"), worked).take(*names, prefetch=16)
        await taking.has(100)
        await taking.leave()
        taking = following
    done.set()
    await publishing
    sent = next(numbers)
    await eventually(lambda: sum(map(len, worked.values())) >= sent)
    assert sorted(itertools.chain(*worked.values())) == list(range(sent))
    assert all(each == sorted(each) for each in worked.values())


class Worker(Taker):
    """Writes down in `worked` what it did, of each queue."""

    def __init__(self, bus, worked):
        super().__init__(bus)
        self._worked = worked
        self._leaving = False

    def handle(self, received):
        if not self._leaving:
            self._worked[received.queue].append(int(received.body))
            super().handle(received)

    async def leave(self):
        assert self.intake is not None
        self._leaving = True
        await self.intake.leave()
        await self.bus.close()
