"""What a broker, an operator or a network does to one bus."""

import asyncio
import hashlib

import pytest

from shared.bus.amqp import AmqpBus
from shared.bus.port import BusState, Message
from shared.bus.topology import Binding, Exchange, ExchangeKind, Topology
from shared.bus.wire import ack_frame
from shared.errors import BusAway, ConfirmTimeout, QueueTaken, Unroutable
from tests.contract.bus.harness import Taker, outcome, send
from tests.contract.bus.shapes import only, own, partition, plain
from tests.support.eventually import eventually


async def test_connections_that_an_operator_closes_come_back(vhost, connect):
    bus = await connect(vhost.amqp_url, "gateway")
    await bus.declare(only(own("mine")))
    taker = await Taker(bus).take("mine")
    for number, name in enumerate(("gateway consumes", "gateway publishes")):
        await eventually(lambda name=name: asyncio.to_thread(vhost.close_connections, named=name))
        await eventually(lambda number=number: bus.counters.reconnections == number + 1)
        await send(bus, "", "mine", [name.encode()])
        await taker.has(number + 1)
    assert bus.counters.connections_lost == 2


async def test_a_queue_that_is_deleted_is_made_again_and_consumed_from(vhost, broker, connect):
    bus = await connect(vhost.amqp_url)
    await bus.declare(only(plain("q"), plain("other")))
    taker = await Taker(bus).take("q", "other")
    for times in (1, 2, 3):
        await asyncio.to_thread(broker.management.delete, "queues", vhost.name, "q")
        await eventually(lambda times=times: bus.counters.consumers_cancelled >= times)

        async def consumed():
            depth = await bus.depth("q")
            return depth is not None and depth.consumers == 1

        await eventually(consumed)
        await send(bus, "", "q", [b"again"])
        await send(bus, "", "other", [b"unaffected"])
        await taker.has(2 * times)
    assert bus.counters.connections_lost == 0


async def test_an_exchange_that_is_deleted_is_made_again_with_its_bindings_when_something_is_published_to_it(
    vhost, broker, connect
):
    bus = await connect(vhost.amqp_url)
    exchange = Exchange("x", ExchangeKind.DIRECT)
    await bus.declare(Topology((exchange,), (plain("q"),), (Binding("x", "q", ""),)))
    taker = await Taker(bus).take("q")
    for times in (1, 2):
        await asyncio.to_thread(broker.management.delete, "exchanges", vhost.name, "x")
        assert isinstance(await outcome(bus.publish("x", "", Message(b"lost"))), Unroutable)
        assert await outcome(bus.publish("x", "", Message(b"%d" % times), mandatory=True)) is None
        await taker.has(times)
    assert taker.bodies == [b"1", b"2"]
    assert bus.counters.connections_lost == 0


async def test_a_channel_that_the_broker_closes_is_opened_again_and_others_are_unaffected(vhost, connect):
    bus = await connect(vhost.amqp_url)
    await bus.declare(only(plain("q"), plain("other")))
    taker = await Taker(bus, acks=False).take("q")
    other = await Taker(bus).take("other")
    await send(bus, "", "q", [b"1", b"2"])
    await taker.has(2)
    # An acknowledgement of what was never delivered: 406, as for a consumer that takes too long.
    bus._session.consuming.write(ack_frame(taker.intake._number, 99, multiple=False))
    await taker.has(4)
    assert taker.bodies == [b"1", b"2"] * 2
    taker.ack(taker.received[0])
    assert bus.counters.stale_acks == 1
    await send(bus, "", "other", [b"unaffected"])
    await other.has(1)
    assert (bus.counters.channels_lost, bus.counters.connections_lost) == (1, 0)


async def test_an_exclusive_queue_that_another_connection_still_holds_is_waited_for(vhost, connect):
    zombie = await connect(vhost.amqp_url, "zombie")
    await zombie.declare(only(own("mine")))
    bus = await connect(vhost.amqp_url)
    with pytest.raises(QueueTaken, match="mine"):
        await bus.declare(only(own("mine")))
    taker = await Taker(bus).take("mine")
    await eventually(lambda: bus.counters.attempts_failed >= 2)
    assert bus.state is BusState.AWAY
    await zombie.close()
    await eventually(lambda: bus.state is BusState.READY)
    await send(bus, "", "mine", [b"1"])
    await taker.has(1)


async def test_a_broker_that_falls_silent_is_noticed_within_two_heartbeats(vhost, connect, proxied):
    url, proxy = await proxied(vhost.amqp_url)
    bus = await connect(url, heartbeat=1)
    await bus.declare(only(plain("q")))
    loop = asyncio.get_running_loop()
    proxy.choke()
    began = loop.time()
    confirm = bus.publish("", "q", Message(b"unknown"))
    await eventually(lambda: bus.state is BusState.AWAY)
    assert loop.time() - began <= 2.0
    assert isinstance(await outcome(confirm), ConfirmTimeout)


async def test_a_flush_waits_for_a_broker_that_is_silent_until_the_connection_is_lost(vhost, connect, proxied):
    url, proxy = await proxied(vhost.amqp_url)
    bus = await connect(url, heartbeat=1)
    await bus.declare(only(plain("q")))
    taker = await Taker(bus).take("q")
    assert taker.intake is not None
    await send(bus, "", "q", [b"1"])
    [received] = await taker.has(1)
    assert await taker.intake.flush(received)
    proxy.choke()
    flushed = asyncio.create_task(taker.intake.flush(received))
    flushed.add_done_callback(lambda _: ended.append(bus.state))
    ended: list[BusState] = []
    await eventually(lambda: ended)
    assert ended == [BusState.AWAY]
    assert not flushed.result()
    assert not await taker.intake.flush(received)


async def test_a_connection_on_which_only_confirms_come_is_not_taken_for_dead(vhost, connect):
    bus = await connect(vhost.amqp_url, heartbeat=1)
    loop = asyncio.get_running_loop()
    end = loop.time() + 7.0  # seconds; aiormq, which sees none of the confirms, has a patience of six
    while loop.time() < end:
        await outcome(bus.publish("", "nothing", Message(b"")))
        await asyncio.sleep(0.02)
    assert bus.counters.connections_lost == 0


async def test_a_stream_in_single_bytes_gives_the_same(vhost, connect, proxied):
    url, _ = await proxied(vhost.amqp_url, piece=1)
    bus = await connect(url)
    await bus.declare(only(plain("q")))
    taker = await Taker(bus).take("q")
    bodies = [hashlib.shake_128(b"%d" % size).digest(size) for size in (0, 1, 500, 3000)]
    await asyncio.gather(*[bus.publish("", "q", Message(body, headers={"n": len(body)})) for body in bodies])
    await taker.has(4)
    assert taker.bodies == bodies
    assert [received.headers["n"] for received in taker.received] == [0, 1, 500, 3000]


async def test_a_connection_cut_at_any_moment_loses_nothing_confirmed_and_keeps_the_order(vhost, connect, proxied):
    url, proxy = await proxied(vhost.amqp_url)
    bus = await connect(url)
    steady = await connect(vhost.amqp_url, "steady")
    await steady.declare(only(partition("p")))
    await bus.declare(only(partition("p")))
    taker = await Taker(steady).take("p")
    confirmed, number = [], 0
    for _ in range(6):
        await eventually(lambda: bus.state is BusState.READY)
        cut = asyncio.get_running_loop().call_later(0.03, proxy.cut)
        while bus.state is BusState.READY:
            batch = []
            for _ in range(16):
                batch.append((number, bus.publish("", "p", Message(b"%d" % number))))
                number += 1
            confirmed += [each for each, confirm in batch if await outcome(confirm) is None]
        cut.cancel()
    await eventually(lambda: set(confirmed) <= {int(body) for body in taker.bodies})
    assert len(confirmed) > 100
    arrived = [int(body) for body in taker.bodies]
    assert arrived == sorted(set(arrived)), "in order, and none twice"


async def test_closing_a_bus_that_never_opened_ends_the_opening(vhost):
    bus = AmqpBus("amqp://guest:guest@127.0.0.1:1/")
    opening = asyncio.create_task(bus.open())
    await eventually(lambda: bus.counters.attempts_failed)
    await bus.close()
    with pytest.raises(BusAway, match="closed"):
        await opening


async def test_nothing_is_left_behind_when_a_bus_is_closed(vhost, connect):
    before = asyncio.all_tasks()
    bus = await connect(vhost.amqp_url)
    await bus.declare(only(own("mine")))
    await Taker(bus).take("mine")
    await bus.close()
    await eventually(lambda: asyncio.all_tasks() <= before)
    await eventually(lambda: not vhost.connections())
