"""Brokers that stop, die and raise alarms."""

import asyncio

import pytest

from shared.bus import topology
from shared.bus.port import BusState, Message
from shared.errors import BusBlocked
from tests.contract.bus.harness import Taker, outcome, send
from tests.contract.bus.shapes import only, own, plain
from tests.support.eventually import eventually

pytestmark = pytest.mark.timeout(180)

BACK_WITHIN = 60.0  # seconds; a broker needs some to start, and the bus at most the cap of its backoff


@pytest.mark.parametrize("end", ["stop", "kill"])
async def test_after_a_restart_all_is_back_and_every_confirmed_message_with_it(own_broker, connect, end, caplog):
    router = await connect(own_broker.amqp_url, "router")
    gateway = await connect(own_broker.amqp_url, "gateway")
    await router.declare(topology.common())
    await gateway.declare(topology.gateway("g"))
    await gateway.bind(topology.gateway_queue("g"), topology.DELIVER, ["1", "2"])
    replies = await Taker(gateway).take(topology.replies_queue("g"), topology.gateway_queue("g"))
    await router.declare(only(plain("kept")))
    confirmed: list[bytes] = []

    async def publish() -> None:
        for number in range(100_000):
            body = b"%d" % number
            if await outcome(gateway.publish("", "kept", Message(body))) is None:
                confirmed.append(body)
            elif gateway.state is not BusState.READY:
                return

    publishing = asyncio.create_task(publish())
    await eventually(lambda: len(confirmed) > 50)
    await asyncio.to_thread(getattr(own_broker, end))
    await publishing
    await eventually(lambda: router.state is BusState.AWAY and gateway.state is BusState.AWAY)
    await eventually(lambda: gateway.counters.attempts_failed >= 4)
    said = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert len(said) == len(set(said)), "a line per change and per cause, not per attempt"
    await asyncio.to_thread(own_broker.start)
    await eventually(lambda: {router.state, gateway.state} == {BusState.READY}, BACK_WITHIN)

    kept = await Taker(router).take("kept")
    await eventually(lambda: set(confirmed) <= set(kept.bodies))
    in_order = list(dict.fromkeys(kept.bodies))
    assert in_order == sorted(in_order, key=int)
    await send(router, topology.REPLIES, "g", [b"reply"])
    await send(router, topology.DELIVER, "2", [b"delivery"])
    await replies.has(2)
    assert replies.bodies == [b"reply", b"delivery"]
    assert (gateway.counters.reconnections, gateway.counters.connections_lost) == (1, 1)


@pytest.mark.parametrize("end", ["stop", "kill"])
async def test_after_a_restart_each_topic_comes_through_the_partition_that_it_came_through_before(
    own_broker, connect, end
):
    bus = await connect(own_broker.amqp_url)
    await bus.declare(topology.common())
    taker = await Taker(bus).take(*(topology.route_queue(number) for number in range(topology.PARTITIONS)))
    topics = [f"orders.{number}" for number in range(100)]

    async def spread() -> dict[str, str]:
        taker.received.clear()
        await asyncio.gather(*[bus.publish(topology.EVENTS, topic, Message(b"")) for topic in topics])
        return {received.routing_key: received.queue for received in await taker.has(len(topics))}

    before = await spread()
    assert len(set(before.values())) > topology.PARTITIONS // 2
    await asyncio.to_thread(getattr(own_broker, end))
    await eventually(lambda: bus.state is BusState.AWAY)
    await asyncio.to_thread(own_broker.start)
    await eventually(lambda: bus.state is BusState.READY, BACK_WITHIN)
    assert await spread() == before


async def test_an_alarm_holds_publishers_back_while_deliveries_flow(own_broker, connect):
    bus = await connect(own_broker.amqp_url)
    await bus.declare(only(plain("q"), own("mine")))
    await send(bus, "", "q", [b"%d" % number for number in range(50)])
    taker = await Taker(bus, acks=False).take("q", prefetch=1)
    told = []
    bus.watch(lambda state, cause: told.append((state, cause)))
    await asyncio.to_thread(own_broker.block)
    # The broker tells a connection only when it publishes; that message waits until the alarm is over. The alarm takes
    # a while to reach the connection, and what is published before that is taken as always.
    firsts: list[asyncio.Future[None]] = []

    def is_blocked() -> bool:
        if bus.state is not BusState.BLOCKED and all(each.done() for each in firsts):
            firsts.append(bus.publish("", "mine", Message(b"first")))
        return bus.state is BusState.BLOCKED

    await eventually(is_blocked)
    assert "memory" in told[0][1]
    refused = bus.publish("", "mine", Message(b"refused"))
    assert isinstance(refused.exception(), BusBlocked)
    for number in range(1, 50):
        taker.ack(taker.received[-1])
        await taker.has(number + 1)
    assert await bus.depth("mine") is not None, "orders are carried out, too"
    await asyncio.to_thread(own_broker.unblock)
    await eventually(lambda: bus.state is BusState.READY)
    await outcome(firsts[-1])
    await bus.publish("", "mine", Message(b"last"))
    mine = await Taker(bus).take("mine")
    await mine.has(len(firsts) + 1)
    assert mine.bodies == [*([b"first"] * len(firsts)), b"last"]
    assert [state for state, _ in told] == [BusState.BLOCKED, BusState.READY]
    assert bus.counters.connections_lost == 0
