"""The memory broker's own abilities: to stop, to start, to block."""

import asyncio
from dataclasses import replace

import pytest

from shared.bus import port
from shared.bus.memory import MemoryBroker, MemoryBus
from shared.bus.port import BusState, Message
from shared.errors import BusAway, BusBlocked, PublishRefused
from tests.contract.bus.harness import Taker, outcome, send
from tests.contract.bus.shapes import DEAD, graveyard, only, own, plain
from tests.support.eventually import eventually


@pytest.fixture
def broker():
    return MemoryBroker()


@pytest.fixture
async def bus(broker):
    bus = MemoryBus(broker)
    await bus.open()
    yield bus
    await bus.close()


async def test_opening_waits_for_the_broker_to_start(broker):
    broker.stop()
    bus = MemoryBus(broker)
    opening = asyncio.create_task(bus.open())
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert not opening.done()
    broker.start()
    await opening
    assert bus.state is BusState.READY
    await bus.close()


async def test_durable_messages_survive_a_stop_and_exclusive_queues_are_made_again_empty(broker, bus):
    await bus.declare(only(plain("q"), own("mine")))
    await send(bus, "", "q", [b"durable"])
    await bus.publish("", "q", Message(b"transient", durable=False))
    await send(bus, "", "mine", [b"lost"])
    taker = await Taker(bus, acks=False).take("q", "mine")
    await taker.has(3)
    broker.stop()
    assert bus.state is BusState.AWAY
    broker.start()
    await taker.has(4)
    assert taker.bodies[3:] == [b"durable"]
    assert bus.state is BusState.READY


async def test_a_blocked_broker_refuses_publishers_at_once_and_still_delivers(broker, bus):
    await bus.declare(only(plain("q")))
    await send(bus, "", "q", [b"1"])
    broker.block("low on disk")
    assert bus.state is BusState.BLOCKED
    confirm = bus.publish("", "q", Message(b"2"))
    assert confirm.done()
    assert isinstance(confirm.exception(), BusBlocked)
    assert "low on disk" in str(confirm.exception())
    taker = await Taker(bus).take("q")
    await taker.has(1)
    broker.unblock()
    await send(bus, "", "q", [b"3"])
    await taker.has(2)
    assert bus.counters.refused_blocked == 1


async def test_a_bus_that_comes_while_the_broker_is_blocked_is_blocked(broker):
    broker.block()
    bus = MemoryBus(broker)
    await bus.open()
    assert bus.state is BusState.BLOCKED
    await bus.close()


async def test_a_crashed_bus_does_not_come_back(broker, bus):
    await bus.declare(only(plain("q")))
    confirm = bus.publish("", "q", Message(b""))
    bus.crash()
    assert await outcome(confirm) is not None
    for _ in range(5):
        await asyncio.sleep(0)
    assert bus.state is BusState.AWAY
    assert isinstance(bus.publish("", "q", Message(b"")).exception(), BusAway)


async def test_too_many_that_wait_for_their_confirms_are_refused(bus, monkeypatch):
    monkeypatch.setattr("shared.bus.memory.MAX_UNCONFIRMED", 3)
    assert port.MAX_UNCONFIRMED > 3
    await bus.declare(only(plain("q")))
    confirms = [bus.publish("", "q", Message(b"")) for _ in range(4)]
    assert isinstance(confirms[3].exception(), BusBlocked)
    await asyncio.gather(*confirms[:3])
    await bus.publish("", "q", Message(b""))
    assert bus.counters.refused_full == 1


async def test_a_consumer_that_publishes_to_itself_lets_others_have_their_turn(bus):
    await bus.declare(only(plain("q")))
    taker = Taker(bus)
    taker.handle = lambda received: bus.publish("", "q", Message(received.body))
    await taker.take("q", prefetch=1000)
    await bus.publish("", "q", Message(b"again"))
    await eventually(lambda: bus.counters.received > 10)


async def test_dead_letters_that_found_no_room_arrive_when_there_is_some(bus):
    await bus.declare(replace(graveyard(), queues=(plain(DEAD, max_messages=1),)))
    await bus.declare(only(plain("q", dead_letter_exchange=DEAD, max_messages=3)))
    await send(bus, "", DEAD, [b"in the way"])
    await send(bus, "", "q", [b"1", b"2", b"3"])
    taker = await Taker(bus, acks=False).take("q")
    for received in await taker.has(3):
        taker.reject(received, requeue=False)
    assert isinstance(await outcome(bus.publish("", "q", Message(b"4"))), PublishRefused), "they count where they wait"
    dead = await Taker(bus).take(DEAD)
    await dead.has(4)
    assert dead.bodies == [b"in the way", b"1", b"2", b"3"]
    await send(bus, "", "q", [b"4"])
