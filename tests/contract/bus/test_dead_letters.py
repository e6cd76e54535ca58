"""Where messages go that nobody could work on, and what is written on them."""

from dataclasses import replace

import pytest

from shared.bus.port import Message
from shared.bus.topology import Binding, Exchange, ExchangeKind, Overflow, Topology
from tests.contract.bus.harness import Taker, outcome, send, settled
from tests.contract.bus.shapes import DEAD, graveyard, only, own, plain
from tests.support.eventually import eventually

LIMIT = 3


@pytest.fixture
async def queue(bus):
    await bus.declare(graveyard())
    await bus.declare(only(plain("q", dead_letter_exchange=DEAD, delivery_limit=LIMIT)))
    return "q"


async def test_a_rejected_message_goes_to_the_dead_letters_with_its_reason_and_origin(bus, queue):
    taker = await Taker(bus, acks=False).take(queue)
    await bus.publish("", queue, Message(b"bad", "text/plain", "id-1", 5, {"traceparent": "00"}))
    await taker.has(1)
    taker.reject(taker.received[0], requeue=False)
    dead = await Taker(bus).take(DEAD)
    [letter] = await dead.has(1)
    assert letter.headers["x-first-death-reason"] == "rejected"
    assert letter.headers["x-first-death-queue"] == "q"
    assert letter.headers["x-first-death-exchange"] == ""
    assert letter.headers["traceparent"] == "00"
    assert (letter.body, letter.content_type, letter.message_id, letter.timestamp) == (b"bad", "text/plain", "id-1", 5)
    assert (letter.exchange, letter.routing_key) == (DEAD, "q")


async def test_a_message_that_comes_back_too_often_dies_and_takes_no_neighbour_along(bus, queue):
    taker = Taker(bus, acks=False)
    poison = b"poison"

    def work(received):
        taker.received.append(received)
        if received.body == poison:
            taker.reject(received, requeue=True)
        else:
            taker.ack(received)

    taker.handle = work
    await taker.take(queue, prefetch=10)
    await send(bus, "", queue, [b"1", poison, b"2", b"3"])
    dead = await Taker(bus).take(DEAD)
    [letter] = await dead.has(1)
    assert letter.body == poison
    assert letter.headers["x-first-death-reason"] == "delivery_limit"
    await settled(bus, queue, 0)
    assert taker.bodies.count(poison) == LIMIT + 1
    assert sorted(set(taker.bodies)) == [b"1", b"2", b"3", poison]
    assert len(dead.received) == 1


async def test_a_message_that_kills_its_consumers_dies_too(harness, bus, queue):
    await send(bus, "", queue, [b"poison"])
    attempts = 0
    dead = await Taker(bus).take(DEAD)
    for _ in range(LIMIT + 3):
        victim = await harness.bus("victim")
        taker = await Taker(victim, acks=False).take(queue)
        await eventually(lambda taker=taker: taker.received or dead.received)
        attempts += len(taker.received)
        await harness.kill(victim)
        if dead.received:
            break
    [letter] = await dead.has(1)
    assert letter.headers["x-first-death-reason"] == "delivery_limit"
    assert attempts == LIMIT + 1


async def test_what_a_full_queue_drops_leaves_under_the_key_that_it_says(bus):
    signs = own("signs", max_messages=1, overflow=Overflow.DROP_HEAD)
    letters = Exchange("test.letters", ExchangeKind.DIRECT)
    await bus.declare(Topology((letters,), (signs,), (Binding("test.letters", "signs", "dropped"),)))
    narrow = {"max_messages": 1, "overflow": Overflow.DROP_HEAD}
    await bus.declare(only(own("q", dead_letter_exchange="test.letters", dead_letter_key="dropped", **narrow)))
    await send(bus, "", "q", [b"1", b"2", b"3"])
    taker = await Taker(bus).take("signs")
    await eventually(lambda: b"2" in taker.bodies)
    await settled(bus, "q", 1)


async def test_dead_letters_that_find_no_room_wait_for_it(bus):
    await bus.declare(replace(graveyard(), queues=(plain(DEAD, max_messages=1),)))
    await bus.declare(only(plain("q", dead_letter_exchange=DEAD)))
    while await outcome(bus.publish("", DEAD, Message(b"in the way"))) is None:
        pass
    taker = await Taker(bus, acks=False).take("q")
    await send(bus, "", "q", [b"1", b"2"])
    await taker.has(2)
    for received in taker.received:
        taker.reject(received, requeue=False)
    dead = await Taker(bus, acks=False).take(DEAD, prefetch=1)
    await dead.has(1)
    assert dead.bodies == [b"in the way"]
