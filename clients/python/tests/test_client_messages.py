"""The client on a real socket: subscribing, receiving, publishing."""

import asyncio
import gc

import pytest

from penstock_client import Gap, Message, Receipt, State, errors


async def test_a_message_reaches_the_iterator(gateway, client):
    async with client() as c, c.subscribe("orders.*") as orders:
        await gateway.emit("orders.1", {"n": 1}, offset=5, epoch="e", key="k", **{"from": "alice"})
        message = await anext(orders)
        assert message == Message("orders.1", {"n": 1}, 1700000000000, 5, "e", "k", "alice")


@pytest.mark.parametrize("codec", ["json", "msgpack"])
async def test_both_dialects_carry_text_and_bytes(gateway, client, codec):
    async with client(codec=codec) as c, c.subscribe("#") as everything:
        receipt = await c.publish("orders.1", {"text": "grüße"})
        assert receipt == Receipt(1, "e")
        assert (await anext(everything)).data == {"text": "grüße"}
        binary = {"json": ("AP8=", {"encoding": "base64"}), "msgpack": (b"\x00\xff", {})}
        data, fields = binary[codec]
        await gateway.emit("orders.2", data, **fields)
        assert (await anext(everything)).data == b"\x00\xff"
    assert gateway.peers[0].json is (codec == "json")


async def test_a_plain_loop_subscribes_by_itself_and_unsubscribes_when_left(gateway, client, until):
    async with client() as c:
        emitting = asyncio.create_task(emit_when_subscribed(gateway, "orders.1"))
        async for message in c.subscribe("orders.*"):
            assert message.topic == "orders.1"
            break
        gc.collect()
        await until(lambda: gateway.peers[0].of("unsubscribe"), "unsubscribe")
        await emitting
        assert gateway.peers[0].topics == []


async def emit_when_subscribed(gateway, topic):
    await gateway.subscribed("orders.*")
    await gateway.emit(topic, 1)


async def test_entering_a_subscription_waits_for_the_gateway_and_leaving_unsubscribes(gateway, client, until):
    async with client() as c:
        async with c.subscribe("a"):
            assert gateway.peers[0].topics == ["a"]
        await until(lambda: gateway.peers[0].topics == [], "unsubscribe")


async def test_iterators_on_one_topic_share_the_wire(gateway, client, until):
    async with client() as c:
        async with c.subscribe("a") as first, c.subscribe("a") as second:
            await gateway.emit("a", 7)
            assert (await anext(first)).data == (await anext(second)).data == 7
        await until(lambda: gateway.peers[0].of("unsubscribe"), "unsubscribe")
        await c.publish("b", 1)
        assert gateway.peers[0].kinds() == ["connect", "subscribe", "unsubscribe", "publish"]


async def test_a_refused_subscription_raises_on_entering_and_on_iterating(gateway, client):
    async def refuse(peer, frame):
        await peer.send(type="error", id=frame["id"], code="forbidden", reason="no right to it")

    gateway.answers["subscribe"] = refuse
    async with client() as c:
        with pytest.raises(errors.SubscribeError, match="no right to it"):
            async with c.subscribe("secret"):
                pass
        with pytest.raises(errors.SubscribeError):
            await anext(c.subscribe("secret"))


async def test_a_slow_reader_ends_with_an_error_after_what_its_buffer_held(gateway, client, until):
    async with client() as c, c.subscribe("a", buffer=3) as slow, c.subscribe("a") as quick:
        for number in range(6):
            await gateway.emit("a", number)
        assert [(await anext(quick)).data for _ in range(6)] == list(range(6))
        assert [(await anext(slow)).data for _ in range(3)] == [0, 1, 2]
        with pytest.raises(errors.SlowConsumer):
            await anext(slow)
        assert c.counters.slow_consumers == 1
        assert c.counters.dropped == 1
        await gateway.emit("a", 6)
        assert (await anext(quick)).data == 6


async def test_a_slow_reader_that_may_lose_the_oldest_is_told_how_many(gateway, client):
    async with client() as c, c.subscribe("a", buffer=2, overflow="drop_oldest") as slow, c.subscribe("a") as quick:
        for number in range(5):
            await gateway.emit("a", number)
        for _ in range(5):
            await anext(quick)
        assert await anext(slow) == Gap("a", "dropped", missed=3)
        assert [(await anext(slow)).data for _ in range(2)] == [3, 4]
        assert slow.dropped == c.counters.dropped == 3


async def test_a_burst_far_larger_than_the_buffer_does_not_overrun_a_reader_that_keeps_up(gateway, client):
    count = 3000
    async with client() as c, c.subscribe("a", buffer=200) as messages:
        emitting = asyncio.create_task(emit_many(gateway, count))
        for number in range(count):
            assert (await anext(messages)).data == number
        await emitting


async def emit_many(gateway, count):
    for number in range(count):
        await gateway.emit("a", number)


async def test_a_gap_comes_out_as_a_value(gateway, client):
    async with client() as c, c.subscribe("orders.*") as orders:
        await gateway.say(type="gap", topic="orders.1", epoch="e", offset=9, cause="trimmed")
        match await anext(orders):
            case Gap(topic, cause, offset=offset):
                assert (topic, cause, offset) == ("orders.1", "trimmed", 9)
            case other:
                pytest.fail(f"{other!r} is no gap")


async def test_every_publish_has_a_key_of_its_own_unless_it_is_given(gateway, client):
    async with client() as c:
        await asyncio.gather(*(c.publish("a", number) for number in range(20)))
        await c.publish("a", 1, key="mine")
    keys = [frame["key"] for frame in gateway.peers[0].of("publish")]
    assert len(set(keys)) == 21
    assert keys[-1] == "mine"


async def test_a_refused_publish_raises_by_code_with_the_time_to_wait(gateway, client):
    async def refuse(peer, frame):
        await peer.send(type="error", id=frame["id"], code="rate_limited", reason="20 a second", retry_after=0.5)

    gateway.answers["publish"] = refuse
    async with client() as c:
        with pytest.raises(errors.RateLimited, match="20 a second") as caught:
            await c.publish("a", 1, key="k", timeout=0.4)
    assert (caught.value.retry_after, caught.value.key, caught.value.topic) == (0.5, "k", "a")


async def silent(peer, frame):
    """Answer nothing."""


async def test_an_unanswered_publish_has_an_unknown_outcome(gateway, client):
    gateway.answers["publish"] = silent
    async with client() as c:
        with pytest.raises(errors.OutcomeUnknown) as caught:
            await c.publish("a", 1, key="k", timeout=0.05)
    assert caught.value.key == "k"


async def test_a_publish_in_flight_when_the_connection_drops_is_sent_again_as_it_was(gateway, client, until, at_once):
    gateway.answers["publish"] = silent
    async with client() as c:
        publishing = [asyncio.create_task(c.publish("a", number)) for number in range(3)]
        await until(lambda: len(gateway.peers[0].of("publish")) == 3, "the publishes")
        gateway.answers.clear()
        gateway.drop_everyone()
        await asyncio.gather(*publishing)
    first, second = (peer.of("publish") for peer in gateway.peers)
    assert [(frame["key"], frame["data"]) for frame in first] == [(frame["key"], frame["data"]) for frame in second]


async def test_a_publish_refused_for_a_moment_is_repeated_within_its_time(gateway, client):
    async def refuse_once(peer, frame):
        gateway.answers.clear()
        await peer.send(type="error", id=frame["id"], code="rate_limited", reason="20 a second", retry_after=0.01)

    gateway.answers["publish"] = refuse_once
    async with client() as c:
        assert await c.publish("a", 1, key="k") == Receipt(1, "e")
    assert [frame["key"] for frame in gateway.peers[0].of("publish")] == ["k", "k"]


async def test_data_that_became_unsendable_meanwhile_fails_its_publish_and_nothing_else(gateway, client, until):
    async with client() as c:
        data = {"n": 1}
        gateway.drop_everyone()
        await until(lambda: c.state == "waiting", "the pause")
        publishing = asyncio.create_task(c.publish("a", data))
        await asyncio.sleep(0)
        data["n"] = object()
        with pytest.raises(errors.InvalidArgument):
            await publishing
        await c.publish("a", 2)


async def test_publishes_in_flight_are_bounded_and_the_next_one_waits_for_its_turn(gateway, client, until):
    held = []

    async def hold(peer, frame):
        held.append((peer, frame["id"]))

    gateway.answers["publish"] = hold
    async with client(max_in_flight=2) as c:
        publishing = [asyncio.create_task(c.publish("a", number)) for number in range(3)]
        await until(lambda: len(held) == 2, "two publishes")
        with pytest.raises(errors.Unavailable, match="not sent"):
            await c.publish("a", 9, timeout=0.05)
        assert len(held) == 2
        peer, number = held[0]
        await peer.send(type="ok", id=number)
        await until(lambda: len(held) == 3, "the third publish")
        for peer, number in held[1:]:
            await peer.send(type="ok", id=number)
        assert len(await asyncio.gather(*publishing)) == 3


async def test_what_cannot_be_sent_is_refused_here_and_harms_nothing(gateway, client):
    async with client(max_send_size=1000) as c:
        with pytest.raises(errors.InvalidArgument, match="JSON"):
            await c.publish("a", object())
        with pytest.raises(errors.TooLarge, match="max_send_size"):
            await c.publish("a", "x" * 1000)
        with pytest.raises(errors.InvalidArgument):
            await c.publish("a.*", 1)
        with pytest.raises(errors.InvalidArgument):
            c.subscribe("a..b")
        assert await c.publish("a", 1) == Receipt(1, "e")
    assert gateway.peers[0].kinds() == ["connect", "publish"]


async def test_requests_that_pile_up_travel_together(gateway, client):
    seen = []

    async def count(peer, frame):
        seen.append(frame["id"])
        await gateway.answer(peer, frame)

    gateway.answers["publish"] = count
    async with client() as c:
        await asyncio.gather(*(c.publish("a", "x") for _ in range(250)))
        assert max(gateway.peers[0].batches) == 128
        await asyncio.gather(*(c.publish("a", "x" * 6000) for _ in range(50)))
    assert seen == sorted(seen)
    assert len(seen) == 300


async def test_a_client_used_outside_its_block_says_so(gateway, client):
    c = client()
    with pytest.raises(errors.Misuse, match="async with"):
        c.subscribe("a")
    with pytest.raises(errors.Misuse, match="async with"):
        await c.publish("a", 1)
    async with c:
        assert c.state is State.CONNECTED
        with pytest.raises(errors.Misuse):
            await c.__aenter__()
    assert c.state == "closed"
    with pytest.raises(errors.ClientClosed):
        await c.publish("a", 1)
    with pytest.raises(errors.ClientClosed):
        await anext(c.subscribe("a"))


async def test_leaving_the_client_ends_its_iterators_quietly(gateway, client):
    async with client() as c:
        entered = c.subscribe("a")
        reading = asyncio.create_task(collect(entered))
        await gateway.subscribed("a")
        await gateway.emit("a", 1)
        await c.publish("b", 1)
    assert await reading == [1]


async def collect(subscription):
    return [item.data async for item in subscription]
