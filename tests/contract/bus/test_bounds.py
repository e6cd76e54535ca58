"""Queues are bounded, and say so."""

from shared.bus.port import Message
from shared.bus.topology import Overflow
from shared.errors import PublishRefused
from tests.contract.bus.harness import Taker, outcome, send, settled
from tests.contract.bus.shapes import only, own, plain
from tests.support.eventually import eventually


async def test_a_full_queue_refuses_and_nothing_confirmed_is_lost(bus):
    await bus.declare(only(plain("q", max_messages=10)))
    outcomes = {}
    for number in range(30):
        body = b"%d" % number
        outcomes[body] = await outcome(bus.publish("", "q", Message(body)))
    confirmed = [body for body, error in outcomes.items() if error is None]
    refused = [error for error in outcomes.values() if error is not None]
    assert len(confirmed) >= 10
    assert len(refused) >= 15
    assert all(isinstance(error, PublishRefused) for error in refused)
    assert bus.counters.nacked == len(refused)
    taker = await Taker(bus).take("q")
    await taker.has(len(confirmed))
    assert taker.bodies == confirmed


async def test_a_queue_that_refused_takes_again_when_there_is_room(bus):
    await bus.declare(only(plain("q", max_messages=3)))
    while await outcome(bus.publish("", "q", Message(b"x"))) is None:
        pass
    await Taker(bus).take("q")
    await settled(bus, "q", 0)

    async def takes_again():
        return await outcome(bus.publish("", "q", Message(b"y"))) is None

    await eventually(takes_again)


async def test_the_bound_in_bytes_counts_too(bus):
    await bus.declare(only(plain("q", max_bytes=1000)))
    errors = [await outcome(bus.publish("", "q", Message(b"x" * 300))) for _ in range(8)]
    assert errors[:3] == [None] * 3
    assert isinstance(errors[-1], PublishRefused)


async def test_drop_head_keeps_the_newest(bus):
    await bus.declare(only(own("q", max_messages=5, overflow=Overflow.DROP_HEAD)))
    numbers = [b"%d" % number for number in range(20)]
    await send(bus, "", "q", numbers)
    await settled(bus, "q", 5)
    taker = await Taker(bus).take("q")
    await taker.has(5)
    assert taker.bodies == numbers[-5:]


async def test_what_is_in_a_consumers_hands_does_not_count(bus):
    await bus.declare(only(own("q", max_messages=5, overflow=Overflow.DROP_HEAD)))
    taker = await Taker(bus, acks=False).take("q", prefetch=5)
    numbers = [b"%d" % number for number in range(10)]
    await send(bus, "", "q", numbers[:5])
    await taker.has(5)
    await send(bus, "", "q", numbers[5:])
    await settled(bus, "q", 5)
    taker.ack(taker.received[-1], through=True)
    await taker.has(10)
    assert taker.bodies == numbers
