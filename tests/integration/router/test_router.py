"""A router between a real RabbitMQ, a gateway and back ends that know nothing of it."""

from __future__ import annotations

import asyncio
import contextlib
import functools

import msgspec
import pika
import pytest

from router import outlet
from shared.bus import topology
from shared.bus.port import Received, Source
from shared.envelopes import (
    ConnectRequest,
    Granted,
    ProbeRequest,
    Published,
    RefreshRequest,
    Refused,
    SubscribeRequest,
    read_grant,
)
from shared.topics import PARTITIONS
from tests.support.back_end import emit
from tests.support.back_end import publish as publish_events
from tests.support.eventually import eventually
from tests.unit.router.builders import fresh_token, grant, publish
from tests.unit.router.edge import Edge, waiting

ADA = (grant(expires=2**40),)


async def dead_letters(edge: Edge) -> list[Received]:
    """Everything that is in ``penstock.dead``, or will be."""
    letters: list[Received] = []
    intake = await edge.bus.consume(
        [Source(topology.DEAD)], lambda each: (letters.append(each), intake.ack(each)), prefetch=100
    )
    return letters


async def test_a_client_connects_subscribes_publishes_and_refreshes(edge, start):
    await start()
    await edge.ask(
        ConnectRequest(1, 1, fresh_token(penstock={"subscribe": ["orders.#"], "publish": ["orders.*"]}), "::1")
    )
    await eventually(lambda: edge.replies)
    granted = edge.replies.pop()
    assert isinstance(granted, Granted)
    mine = (read_grant(granted.grant),)
    await edge.ask(
        SubscribeRequest(1, 2, 0, "orders.*"),
        SubscribeRequest(1, 3, 0, "#"),
        publish("orders.1", b'{"n":1}', id=4),
        publish("chat.1", id=5),
        RefreshRequest(1, 6, 0, fresh_token(penstock={}), ("orders.*",)),
        ProbeRequest(1, 7),
        grants=mine,
    )
    await eventually(lambda: len(edge.replies) == 6)
    answers = {reply.id: reply for reply in edge.replies}
    assert [answers[number].code for number in (3, 5)] == ["forbidden", "forbidden"]
    [entry] = edge.entries
    assert answers[4] == Published(1, 4, entry.epoch, 1)
    assert answers[6].lost == ("orders.*",)
    assert (entry.topic, entry.payload, entry.sender, entry.offset) == ("orders.1", b'{"n":1}', "ada", 1)


@pytest.mark.parametrize("confirms", [True, False])
async def test_an_event_of_any_amqp_client_is_delivered(vhost, edge, start, confirms):
    await start()
    trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    properties = {
        "content_type": "text/plain",
        "message_id": "m1",
        "timestamp": 1_600_000_000,
        "headers": {"traceparent": trace, "CC": ["penstock.dead"], "x-other": {"deep": [1]}},
    }
    event = ("orders.1", b"hello", properties)
    publisher = await asyncio.to_thread(publish_events, vhost.amqp_url, event, confirms=confirms)
    with contextlib.closing(publisher):  # it stays: what was not confirmed may be forgotten with its channel
        await eventually(lambda: edge.entries)
    entry = edge.entries[0]
    assert (entry.topic, entry.payload, entry.key, entry.at, entry.trace) == (
        "orders.1",
        b"hello",
        "m1",
        1_600_000_000_000,
        trace,
    )


async def test_what_waited_for_a_router_is_done_when_one_comes(vhost, edge, start):
    topics = [f"topic-{number}" for number in range(100)]
    await asyncio.gather(*(edge.emit(topic, str(number).encode()) for number in range(20) for topic in topics))
    router, _ = await start()
    await eventually(lambda: len(edge.entries) == 2000)
    await eventually(lambda: not router.counters.in_hand)
    assert (router.counters.faults, router.counters.redelivered) == (0, 0)
    assert await waiting(edge.bus) == 0


async def test_bad_events_are_dead_with_their_reason_and_their_neighbours_are_delivered(vhost, edge, start):
    await start()
    letters = await dead_letters(edge)
    events = [
        ("orders.1", b"1", {}),
        ("orders.1", b'{"broken":', {"message_id": "m1"}),
        ("orders.1", b"2", {}),
        ("", b"1", {}),
        ("not a topic", b"1", {}),
        ("orders.1", b"1", {"content_type": "image/png"}),
        ("orders.1", b'"' + b"x" * 200_000 + b'"', {}),
        ("orders.1", b"[" * 10_000, {}),
        ("orders.1", b"\xdd\xff\xff\xff\xff", {"content_type": "application/msgpack"}),
        ("orders.1", b"3", {}),
    ]
    await asyncio.to_thread(emit, vhost.amqp_url, *events)
    await eventually(lambda: edge.payloads == [b"1", b"2", b"3"] and len(letters) == 7)
    reasons = sorted(letter.headers["x-penstock-reason"] for letter in letters)
    assert reasons == [
        "bad_payload",
        "bad_payload",
        "bad_payload",
        "empty_topic",
        "invalid_topic",
        "too_large",
        "unknown_content_type",
    ]
    broken = next(letter for letter in letters if letter.message_id == "m1")
    assert broken.body == b'{"broken":'
    assert broken.headers["x-penstock-origin-exchange"] == topology.EVENTS
    assert broken.headers["x-penstock-origin-routing-key"] == "orders.1"
    assert broken.headers["x-penstock-attempts"] == 1
    assert broken.headers["x-penstock-router"] == "router"
    assert await waiting(edge.bus) == 0


async def test_an_event_of_20_mib_harms_nobody(vhost, edge, start):
    await start()
    letters = await dead_letters(edge)
    huge = b'"' + b"x" * (20 * 2**20) + b'"'
    refused = []

    def emit_huge():
        try:
            emit(vhost.amqp_url, ("orders.1", huge, {}))
        except pika.exceptions.ChannelClosedByBroker as error:  # RabbitMQ 4 takes 16 MiB by default
            refused.append(error.reply_code)

    await asyncio.to_thread(emit, vhost.amqp_url, ("orders.1", b"1", {}))
    await asyncio.to_thread(emit_huge)
    await asyncio.to_thread(emit, vhost.amqp_url, ("orders.1", b"2", {}))
    await eventually(lambda: edge.payloads == [b"1", b"2"])
    await eventually(lambda: refused or letters)
    assert refused == [406] or letters[0].headers["x-penstock-reason"] == "too_large"


async def test_a_batch_of_which_a_part_is_unreadable_loses_that_part_only(edge, start):
    await start()
    letters = await dead_letters(edge)
    await edge.send(msgspec.msgpack.encode([1, edge.name, [], [[4, 1, 1], [99, "odd"], [4, 1, 2]]]))
    await edge.send(b"\xc1")
    await eventually(lambda: len(edge.replies) == 2 and len(letters) == 2)
    assert {letter.headers["x-penstock-reason"] for letter in letters} == {"unreadable_request", "unreadable_batch"}


async def test_a_router_that_dies_between_delivery_and_acknowledgement_has_its_messages_done_again(
    vhost, edge, start, monkeypatch
):
    router, _ = await start("first")
    monkeypatch.setattr(router._intake._consumption, "ack_all", lambda *_, **__: None)
    await edge.ask(publish("orders.1", b"1"), grants=ADA)
    await eventually(lambda: edge.payloads == [b"1"] and not router.counters.in_hand)
    successor, _ = await start("second")
    await eventually(lambda: asyncio.to_thread(vhost.close_connections, named="first consumes"))
    await eventually(lambda: successor.counters.redelivered + router.counters.redelivered == 1)
    await eventually(lambda: edge.payloads == [b"1", b"1"])
    await eventually(lambda: len(edge.replies) == 2)
    first, again = edge.entries
    assert first == again, "a gateway that has it drops it, by its offset"
    assert edge.replies == [Published(1, 1, first.epoch, 1)] * 2


async def test_a_connection_that_is_cut_again_and_again_loses_nothing_and_keeps_the_order(vhost, edge, start):
    await start("first")
    numbers = [str(number).encode() for number in range(400)]
    for place, number in enumerate(numbers):
        if place % 100 == 50:
            name = "first publishes" if place < 200 else "first consumes"
            cut = functools.partial(asyncio.to_thread, vhost.close_connections, named=name)
            await eventually(cut)
        await edge.emit("orders.1", number, message_id=f"m{place}")
    await eventually(lambda: set(edge.payloads) >= set(numbers), within=30)
    first_seen = list(dict.fromkeys(edge.payloads))
    assert first_seen == numbers
    assert {(entry.offset, entry.payload) for entry in edge.entries} == set(enumerate(numbers, 1)), "each has one place"
    assert await waiting(edge.bus) == 0


async def test_events_wait_for_a_store_that_is_away_in_their_order_and_all_else_goes_on(edge, start, store):
    router, _ = await start(topics=[{"match": "live.#", "history": 0}])
    letters = await dead_letters(edge)
    numbers = [str(number).encode() for number in range(300)]
    store.away = True
    for number in numbers[:100]:
        await edge.emit("orders.1", number)
    await eventually(lambda: router.counters.spilled == 100)
    for number in range(50):
        await edge.emit(f"live.{number}")
    await edge.ask(ProbeRequest(1, 1), publish("orders.1", id=2), publish("live.1", id=3), grants=ADA)
    await eventually(lambda: len(edge.entries) == 51 and len(edge.replies) == 3)
    refused = [reply for reply in edge.replies if isinstance(reply, Refused)]
    assert [(reply.id, reply.code, reply.retry_after) for reply in refused] == [(2, "unavailable", 2.0)]
    for number in numbers[100:]:  # more than the prefetch
        await edge.emit("orders.1", number)
    await eventually(lambda: router.counters.spilled == 300)
    assert not router.healthy
    store.away = False
    await eventually(lambda: len(edge.entries) == 351)
    logged = [(entry.offset, entry.payload) for entry in edge.entries if entry.topic == "orders.1"]
    assert logged == list(enumerate(numbers, 1))
    await eventually(lambda: not router.counters.in_hand)
    assert router.healthy
    assert (router.counters.redelivered, letters, await waiting(edge.bus)) == (0, [], 0)


async def test_a_router_that_stops_while_events_wait_leaves_them_to_the_next_one_in_their_order(edge, start, store):
    router, bus = await start("first", prefetch=32)
    store.away = True
    for number in range(100):
        await edge.emit("orders.1", b"%d" % number)
    await eventually(lambda: router.counters.spilled == 100)
    successor, _ = await start("second", prefetch=32)
    stopping = asyncio.create_task(router.stop())
    for number in range(100, 200):
        await edge.emit("orders.1", b"%d" % number)
    await stopping
    await bus.close()
    await eventually(lambda: successor.counters.spilled == 100)
    store.away = False
    await eventually(lambda: len(edge.entries) == 200)
    assert edge.payloads == [b"%d" % number for number in range(200)]
    await eventually(lambda: not successor.counters.in_hand)


async def test_a_router_that_outranks_another_gets_its_partition_though_events_wait_there(broker, edge, start, store):
    await start("first", prefetch=32)
    store.away = True
    counts = {f"orders.{place}": 50 if place % 2 else 5 for place in range(24)}
    for topic, count in counts.items():
        await asyncio.gather(*(edge.emit(topic, b"%d" % number) for number in range(count)))
    second, _ = await start("second", prefetch=32)
    for place in range(PARTITIONS):
        await edge.ask(ProbeRequest(1, place), partition=place)
    await eventually(lambda: len(edge.replies) == PARTITIONS)
    store.away = False
    await eventually(lambda: len(edge.entries) == sum(counts.values()))
    if broker.version >= (4, 0):
        assert second.counters.events > 0
    for topic, count in counts.items():
        heard = [entry.payload for entry in edge.entries if entry.topic == topic]
        assert heard == [b"%d" % number for number in range(count)]


async def test_routers_share_the_partitions_and_one_that_stops_leaves_nothing_behind(broker, edge, start):
    first, first_bus = await start("first")
    second, _ = await start("second")
    topics = [f"topic-{number}" for number in range(40)]
    for number in range(10):
        await asyncio.gather(*(edge.emit(topic, str(number).encode()) for topic in topics))
    await eventually(lambda: len(edge.entries) == 400)
    if broker.version >= (4, 0):
        assert first.counters.events > 0
        assert second.counters.events > 0
    await first.stop()
    await first_bus.close()
    for number in range(10, 20):
        await asyncio.gather(*(edge.emit(topic, str(number).encode()) for topic in topics))
    await eventually(lambda: len(edge.entries) >= 800)
    assert len(edge.entries) == 800
    assert first.counters.redelivered + second.counters.redelivered == 0
    for topic in topics:
        heard = [entry.payload for entry in edge.entries if entry.topic == topic]
        assert heard == [str(number).encode() for number in range(20)]


async def test_dead_letters_for_which_there_is_no_room_stay_with_the_broker_and_stop_nobody(
    broker, vhost, edge, start, monkeypatch
):
    monkeypatch.setattr(outlet, "RETRY_CAP", 0.05)
    await asyncio.to_thread(
        broker.management.put,
        "operator-policies",
        vhost.name,
        "full",
        pattern="^penstock\\.dead$",
        definition={"max-length": 1},
        **{"apply-to": "queues"},
    )
    router, _ = await start()

    async def emit_until_refused():
        await edge.emit("orders.1", b"{")
        return router.counters.dead_rejected

    await eventually(emit_until_refused)
    await edge.emit("orders.1", b"1")
    await edge.ask(ProbeRequest(1, 1))
    await eventually(lambda: edge.payloads == [b"1"] and edge.replies)
    # The broker tries again by itself; until there is room it keeps them where they came from.
    rejected = router.counters.dead_rejected
    await eventually(lambda: asyncio.to_thread(lambda: held_letters(vhost) == rejected))


async def test_dead_letters_whose_queue_was_deleted_stay_with_the_broker(broker, vhost, edge, start):
    router, _ = await start()
    await asyncio.to_thread(broker.management.delete, "queues", vhost.name, topology.DEAD)
    await edge.emit("orders.1", b"{")
    await edge.emit("orders.1", b"1")
    await eventually(lambda: edge.payloads == [b"1"] and router.counters.dead_rejected == 1)
    await eventually(lambda: asyncio.to_thread(lambda: held_letters(vhost) == 1))


def held_letters(vhost) -> int:
    """How many dead letters wait in the queues that they came from."""
    return sum(queue.get("messages_dlx", 0) for queue in vhost.queues() if queue["name"] != topology.DEAD)


async def test_a_token_that_proves_nothing_opens_nothing(edge, start):
    await start()
    bad = ["", "a.b.c", fresh_token(exp=5), fresh_token(secret="another secret of more than thirty-two bytes")]
    await edge.ask(*(ConnectRequest(1, place, text, "::1") for place, text in enumerate(bad)))
    await eventually(lambda: len(edge.replies) == len(bad))
    assert all(isinstance(reply, Refused) and reply.code == "unauthenticated" for reply in edge.replies)
    assert [reply.close for reply in edge.replies] == [4101, 4101, 4102, 4101]


@pytest.mark.parametrize(
    "odd", [(b"2", {"content_type": b"\xff" * 200}), (b"{", {"message_id": b"\xff" * 200})], ids=["type", "id"]
)
async def test_an_event_with_long_properties_that_are_no_text_is_dead_alone(vhost, edge, start, odd):
    await asyncio.to_thread(emit, vhost.amqp_url, ("a", b"1", {}), ("a", *odd), ("a", b"3", {}))
    router, _ = await start()
    letters = await dead_letters(edge)
    await eventually(lambda: edge.payloads == [b"1", b"3"] and letters)
    await eventually(lambda: not router.counters.in_hand)
    assert [(letter.body, "x-penstock-reason" in letter.headers) for letter in letters] == [(odd[0], True)]
    assert (router.counters.redelivered, await waiting(edge.bus)) == (0, 0)
    assert edge.payloads == [b"1", b"3"]
