"""Exchanges: topic, hash, slots with one copy per gateway, replies, control."""

import pytest

from shared.bus import topology
from shared.bus.port import Message
from shared.bus.topology import Binding, Exchange, ExchangeKind, Topology
from shared.errors import Unroutable
from tests.contract.bus.harness import Taker, gone, outcome, send
from tests.contract.bus.shapes import only, own, plain


async def gateway(harness, name, slots):
    bus = await harness.bus(name)
    await bus.declare(topology.gateway(name))
    await bus.bind(topology.gateway_queue(name), topology.DELIVER, slots)
    return (
        await Taker(bus).take(topology.gateway_queue(name)),
        await Taker(bus).take(topology.replies_queue(name)),
    )


@pytest.fixture
async def router(bus):
    await bus.declare(topology.common())
    return bus


async def test_each_gateway_gets_one_copy_of_a_batch_for_many_slots(harness, router):
    one, _ = await gateway(harness, "one", ["1", "2", "3"])
    two, _ = await gateway(harness, "two", ["3", "any"])
    three, _ = await gateway(harness, "three", ["4"])
    headers = {topology.CC_HEADER: ["2", "3", topology.ANY_SLOT], "kept": 1}
    await router.publish(topology.DELIVER, "1", Message(b"batch", headers=headers))
    await router.publish(topology.DELIVER, "4", Message(b"other"))
    await three.has(1)
    await one.has(1)
    await two.has(1)
    assert (one.bodies, two.bodies, three.bodies) == ([b"batch"], [b"batch"], [b"other"])
    for taker in (one, two):
        assert taker.received[0].headers == {"kept": 1}
        assert taker.received[0].routing_key == "1"


async def test_a_slot_that_is_bound_is_heard_at_once_and_one_that_is_not_any_more_is_not(harness, router):
    taker, _ = await gateway(harness, "one", ["1"])
    queue = topology.gateway_queue("one")
    await taker.bus.bind(queue, topology.DELIVER, [str(slot) for slot in range(2, 100)])
    for slot in ("2", "50", "99"):
        await send(router, topology.DELIVER, slot, [slot.encode()])
    await taker.bus.unbind(queue, topology.DELIVER, ["50", "99"])
    await send(router, topology.DELIVER, "50", [b"not heard"])
    await send(router, topology.DELIVER, "1", [b"1"])
    await taker.has(4)
    assert taker.bodies == [b"2", b"50", b"99", b"1"]


async def test_replies_reach_the_gateway_they_are_for_and_no_other(harness, router):
    _, one = await gateway(harness, "one", [])
    _, two = await gateway(harness, "two", [])
    for name in ("one", "two", "one"):
        await router.publish(topology.REPLIES, name, Message(name.encode()), mandatory=True)
    await one.has(2)
    await two.has(1)
    assert (one.bodies, two.bodies) == ([b"one", b"one"], [b"two"])


async def test_a_reply_to_a_gateway_that_is_gone_is_unroutable(harness, router):
    _, one = await gateway(harness, "one", [])
    await harness.kill(one.bus)
    await gone(router, topology.replies_queue("one"))
    assert isinstance(await outcome(router.publish(topology.REPLIES, "one", Message(b""), mandatory=True)), Unroutable)


async def test_control_reaches_every_gateway(harness, router):
    _, one = await gateway(harness, "one", [])
    _, two = await gateway(harness, "two", [])
    await send(router, topology.CONTROL, "", [b"kick"])
    await one.has(1)
    await two.has(1)
    assert (one.bodies, two.bodies) == ([b"kick"], [b"kick"])
    assert one.received[0].exchange == topology.CONTROL


async def test_frames_reach_the_partition_they_name(router):
    await send(router, topology.FRAMES, "7", [b"batch"])
    taker = await Taker(router).take(*[topology.route_queue(number) for number in range(16)])
    [received] = await taker.has(1)
    assert received.queue == topology.route_queue(7)


async def test_an_event_reaches_one_partition_and_whoever_else_listens(router):
    await router.declare(only(own("listener")))
    await router.bind("listener", topology.EVENTS, ["orders.*", "#.7"])
    listener = await Taker(router).take("listener")
    taker = await Taker(router).take(*[topology.route_queue(number) for number in range(16)])
    for _ in range(3):
        await router.publish(topology.EVENTS, "orders.7", Message(b"event"), mandatory=True)
    await taker.has(3)
    await listener.has(3)
    assert len({received.queue for received in taker.received}) == 1
    assert {received.routing_key for received in taker.received} == {"orders.7"}
    assert {received.exchange for received in taker.received} == {topology.EVENTS}
    assert len(listener.received) == 3


@pytest.mark.parametrize(
    ("pattern", "heard"),
    [
        ("a.*", [b"a.b"]),
        ("a.#", [b"a", b"a.b", b"a.b.c"]),
        ("#", [b"a", b"a.b", b"a.b.c", b"b", b""]),
        ("*", [b"a", b"b"]),
        ("#.c", [b"a.b.c"]),
        ("a", [b"a"]),
        ("*.*.#", [b"a.b", b"a.b.c"]),
    ],
)
async def test_a_topic_exchange_matches_as_amqp_says(bus, pattern, heard):
    await bus.declare(Topology((Exchange("t", ExchangeKind.TOPIC),), (plain("q"), plain("end"))))
    await bus.bind("q", "t", [pattern])
    keys = ["a", "a.b", "a.b.c", "b", ""]
    if pattern == "*" or pattern == "#":
        keys = keys[:5] if pattern == "#" else keys[:4]  # whether "" is one empty word or none, brokers disagree
    for key in keys:
        await send(bus, "t", key, [key.encode()])
    taker = await Taker(bus).take("q")
    await taker.has(len(heard))
    assert taker.bodies == heard


async def test_exchanges_may_lead_to_each_other_in_a_circle(bus):
    await bus.declare(
        Topology(
            (Exchange("a", ExchangeKind.FANOUT), Exchange("b", ExchangeKind.FANOUT)),
            (plain("q"),),
            (Binding("a", "b", "", to_exchange=True), Binding("b", "a", "", to_exchange=True), Binding("b", "q", "")),
        )
    )
    await send(bus, "a", "", [b"once"])
    taker = await Taker(bus).take("q")
    await taker.has(1)
    assert taker.bodies == [b"once"]
