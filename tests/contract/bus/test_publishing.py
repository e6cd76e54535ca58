"""What a publisher is told, and what arrives."""

import asyncio
import hashlib

import pytest

from shared.bus.port import BusState, Message
from shared.bus.topology import Exchange, ExchangeKind, Topology
from shared.errors import BusAway, ConfirmTimeout, Unroutable
from tests.contract.bus.harness import Taker, outcome, send, settled
from tests.contract.bus.shapes import only, plain
from tests.support.eventually import eventually


async def test_messages_of_one_bus_reach_a_queue_in_the_order_of_the_calls(bus):
    await bus.declare(only(plain("q")))
    bodies = [b"%d" % number for number in range(500)]
    taker = await Taker(bus).take("q")
    await send(bus, "", "q", bodies)
    await taker.has(500)
    assert taker.bodies == bodies


async def test_a_handler_is_never_called_from_within_publish(bus):
    await bus.declare(only(plain("q")))
    taker = await Taker(bus).take("q")
    confirm = bus.publish("", "q", Message(b""))
    assert not taker.received
    assert not confirm.done()
    await confirm
    await taker.has(1)


async def test_properties_and_headers_arrive_as_they_were_sent(bus):
    await bus.declare(only(plain("q")))
    taker = await Taker(bus).take("q")
    headers = {
        "text": "größer",
        "empty": "",
        "no": False,
        "small": -1,
        "large": 2**62,
        "float": 0.1,
        "nothing": None,
        "bytes": b"\x00\xff",
        "list": ["a", "b"],
        "table": {"in": {"deeper": [1, "x"]}},
    }
    message = Message(b"\x00\xff", "application/json", "id-1", 1_700_000_000, headers)
    await bus.publish("", "q", message)
    [received] = await taker.has(1)
    assert received.body == b"\x00\xff"
    assert (received.queue, received.exchange, received.routing_key) == ("q", "", "q")
    assert (received.content_type, received.message_id, received.timestamp) == (
        "application/json",
        "id-1",
        1_700_000_000,
    )
    assert received.headers == headers
    assert type(received.headers["no"]) is bool
    assert not received.redelivered


async def test_a_message_without_properties_arrives_without(bus):
    await bus.declare(only(plain("q")))
    taker = await Taker(bus).take("q")
    await bus.publish("", "q", Message(b""))
    [received] = await taker.has(1)
    assert (received.content_type, received.message_id, received.timestamp) == (None, None, None)
    assert not received.headers
    assert received.body == b""


@pytest.mark.parametrize("size", [131_072 - 8, 131_072 - 7, 131_072, 200 * 1024, 1_500_000])
async def test_big_bodies_arrive_bit_identical(bus, size):
    await bus.declare(only(plain("q")))
    taker = await Taker(bus).take("q")
    body = hashlib.shake_128(b"seed").digest(size)
    await send(bus, "", "q", [body, b"small", body])
    await taker.has(3)
    assert taker.bodies == [body, b"small", body]


async def test_a_mandatory_message_without_a_queue_is_unroutable(bus):
    await bus.declare(Topology(exchanges=(Exchange("x", ExchangeKind.DIRECT),)))
    assert isinstance(await outcome(bus.publish("x", "nowhere", Message(b""), mandatory=True)), Unroutable)
    assert bus.counters.unroutable == 1
    await bus.publish("x", "nowhere", Message(b""))  # without mandatory, nobody minds


async def test_returned_messages_are_told_apart_even_where_their_ids_repeat(bus):
    await bus.declare(Topology((Exchange("x", ExchangeKind.DIRECT),), (plain("q"),)))
    await bus.bind("q", "x", ["somewhere"])
    keys = ["somewhere", "nowhere"] * 20
    confirms = [bus.publish("x", key, Message(b"", message_id="same"), mandatory=True) for key in keys]
    errors = [await outcome(confirm) for confirm in confirms]
    assert [type(error) for error in errors] == [type(None), Unroutable] * 20
    taker = await Taker(bus).take("q")
    await taker.has(20)
    assert {received.message_id for received in taker.received} == {"same"}


async def test_publishing_to_an_exchange_that_is_missing_fails_only_that_call(bus):
    await bus.declare(only(plain("q")))
    before = [bus.publish("", "q", Message(b"before %d" % number)) for number in range(5)]
    await asyncio.gather(*before)
    confirms = []
    for number in range(30):
        exchange = "missing" if number == 10 else ""
        confirms.append(bus.publish(exchange, "q", Message(b"%d" % number)))
    errors = [await outcome(confirm) for confirm in confirms]
    assert isinstance(errors[10], Unroutable)
    assert errors[11:] == [None] * 19
    # What was sent before it may have been taken without a confirm, or, on RabbitMQ 3.10, forgotten with its channel.
    # That is told, and never anything worse.
    assert all(error is None or isinstance(error, ConfirmTimeout) for error in errors[:10])
    uncertain = {b"%d" % number for number in range(10) if errors[number] is not None}
    taker = await Taker(bus).take("q")
    await eventually(lambda: taker.bodies[-1:] == [b"29"])
    wanted = [b"before %d" % number for number in range(5)] + [b"%d" % number for number in range(30) if number != 10]
    assert [body for body in wanted if body in taker.bodies] == taker.bodies
    assert set(wanted) - set(taker.bodies) <= uncertain
    assert bus.state is BusState.READY


async def test_several_missing_exchanges_in_a_row_fail_by_name(bus):
    await bus.declare(only(plain("q")))
    confirms = [bus.publish(f"missing{number}", "q", Message(b"")) for number in range(3)]
    confirms.append(bus.publish("", "q", Message(b"last")))
    errors = [await outcome(confirm) for confirm in confirms]
    assert [type(error) for error in errors] == [Unroutable, Unroutable, Unroutable, type(None)]
    assert [f"missing{number}" in str(errors[number]) for number in range(3)] == [True, True, True]


@pytest.mark.parametrize(
    "message", [Message(b"", message_id="x" * 256), Message(b"", content_type="ü" * 128)], ids=["id", "type"]
)
async def test_a_property_that_no_frame_can_hold_is_the_callers_mistake(bus, message):
    with pytest.raises(ValueError, match="255 bytes"):
        bus.publish("", "q", message)
    with pytest.raises(ValueError, match="255 bytes"):
        bus.publish("", "k" * 256, Message(b""))


async def test_a_publish_fails_at_once_while_the_bus_is_away(harness, bus):
    await bus.declare(only(plain("q")))
    await harness.cut(bus)
    confirm = bus.publish("", "q", Message(b""))
    assert confirm.done()
    assert isinstance(confirm.exception(), BusAway)
    assert bus.counters.refused_away == 1


async def test_a_confirm_that_did_not_come_before_the_connection_broke_is_unknown(harness, bus):
    await bus.declare(only(plain("q")))
    confirms = [bus.publish("", "q", Message(b"")) for _ in range(50)]
    await harness.cut(bus)
    errors = [await outcome(confirm) for confirm in confirms]
    assert all(error is None or isinstance(error, ConfirmTimeout) for error in errors)
    assert isinstance(errors[-1], ConfirmTimeout)


async def test_close_waits_for_the_confirms_that_are_outstanding(harness, bus):
    await bus.declare(only(plain("q")))
    confirms = [bus.publish("", "q", Message(b"")) for _ in range(50)]
    await bus.close()
    assert [await outcome(confirm) for confirm in confirms] == [None] * 50
    await settled(await harness.bus(), "q", 50)


async def test_a_publisher_that_gave_up_harms_nobody(bus):
    await bus.declare(only(plain("q")))
    confirms = [bus.publish("", "q", Message(b"")) for _ in range(10)]
    confirms[3].cancel()
    await asyncio.gather(*confirms[:3], *confirms[4:])
    assert bus.counters.confirmed == 10
