"""What is behind the gateway is slow, full or gone: clients are held back, refused or told, never forgotten."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest

from shared.bus import topology
from shared.errors import PublishRefused
from tests.support.broker import Broker, Vhost
from tests.support.client import Client, Frame, websocket_frame
from tests.support.eventually import eventually
from tests.support.penstock import Penstock, running, token

IMPATIENT = 0.4
"""Seconds that routers have for an answer here."""

UNHURRIED: dict[str, Any] = {
    "topics": [{"match": "#", "publish_rate": 1e6, "publish_burst": 10**6}],
    **{"user_rate": 1e6, "user_burst": 10**6, "connection_rate": 1e6, "connection_burst": 10**6},
}
"""A router's settings without limits that these tests would meet."""

EAGER = {"frame_rate": 1e5, "frame_burst": 100_000, "max_pending_requests": 10_000}
"""A gateway's, likewise."""


@pytest.fixture(params=["memory", "rabbitmq"])
async def penstock(request: pytest.FixtureRequest) -> AsyncIterator[Penstock]:
    """Both buses, with little patience."""
    url = request.getfixturevalue("vhost").amqp_url if request.param == "rabbitmq" else None
    async with running(url, gateway={"request_timeout": IMPATIENT}) as penstock:
        yield penstock


async def answers(client: Client, numbers: range) -> list[Frame]:
    return [await client.answer(number) for number in numbers]


async def test_without_a_router_requests_time_out_and_late_answers_are_dropped(penstock: Penstock) -> None:
    client = await penstock.subscribed("orders.*")
    await penstock.router.stop()
    numbers = range(100, 110)
    for number in numbers:
        await client.send({"type": "publish", "id": number, "topic": "orders.new", "data": number})
    assert {(answer["type"], answer["code"]) for answer in await answers(client, numbers)} == {("error", "timeout")}
    assert (await client.request("subscribe", topic="more"))["code"] == "timeout"
    assert (await client.request("unsubscribe", topic="more"))["code"] == "not_found", "it did not come to be"
    newcomer = await penstock.open()
    assert (await newcomer.request("connect", token=token()))["code"] == "timeout"
    assert await newcomer.closed() == 4004
    counters = penstock.counters
    assert (counters.request_timeouts, counters.late_replies) == (12, 0)

    await penstock.add_router()
    # What was asked is done after all, in order, as its outcome was unknown; only its answer is too late.
    assert [frame["data"] for frame in await client.messages(10)] == list(numbers)
    await eventually(lambda: counters.late_replies == 12)
    assert (await client.request("publish", topic="orders.new", data=1, id=100))["type"] == "ok"
    assert {frame["type"] for frame in client.others} <= {"message"}, "nothing was answered twice"


async def test_a_full_window_holds_back_whoever_asks_for_more_and_forgets_nothing() -> None:
    limits = EAGER | {"uplink_window": 1, "uplink_high_water": 1_000, "request_timeout": 60}
    async with running(gateway=limits, **UNHURRIED) as penstock:
        edge = penstock.edges[0]
        client = await penstock.connect(token("eager"))
        raw = await penstock.raw(receive_buffer=4096)
        await raw.upgrade()
        await raw.write(websocket_frame(msgspec.json.encode({"type": "connect", "id": 0, "token": token()})))
        await raw.frame()
        release = hold_confirms(edge.bus)

        frames = iter(range(1, 100_000))
        written = await write_until_held_back(raw.sock, lambda: publish_frame(next(frames)))
        # All that was read is in the window and before it; the rest waits in the kernel and with the client.
        assert penstock.counters.reads_paused == 1
        assert penstock.counters.requests_refused == 0
        taken = penstock.counters.frames_received
        assert 250 < taken < 1_000 < len(written), "stopped between low water and high water"
        answering = asyncio.create_task(client.request("unsubscribe", topic="whatever"))
        assert (await answering)["code"] == "not_found", "another client is read as ever"

        release()
        seen: Counter[int] = Counter()
        whole = len(written) - 1  # the last one may be written in part
        while len(seen) < whole:
            opcode, payload = await raw.frame()
            answer = msgspec.json.decode(payload)
            if answer["type"] != "ping":
                assert (opcode, answer["type"]) == (1, "ok"), answer
                seen[answer["id"]] += 1
        assert seen == Counter(range(1, whole + 1)), "every request has one answer"


async def test_past_the_high_water_mark_requests_are_overloaded_at_once() -> None:
    limits = EAGER | {"uplink_window": 1, "uplink_high_water": 100, "request_timeout": 60}
    async with running(gateway=limits, **UNHURRIED) as penstock, penstock.neighbour():
        client = await penstock.connect(token("eager"))
        release = hold_confirms(penstock.edges[0].bus)
        for first in range(1000, 2024, 128):
            some = range(first, first + 128)
            await client.send(*[{"type": "publish", "id": n, "topic": "a", "data": n} for n in some])
        refused = [await client.error() for _ in range(20)]
        assert {answer["code"] for answer in refused} == {"overloaded"}
        assert all(answer["retry_after"] > 0 for answer in refused)
        release()
        every = refused + [await client.next(lambda frame: "id" in frame) for _ in range(1024 - 20)]
        assert sorted(answer["id"] for answer in every) == list(range(1000, 2024)), "every request has one answer"
        codes = Counter(answer.get("code", "ok") for answer in every)
        assert set(codes) == {"ok", "overloaded"}
        assert penstock.counters.requests_refused >= codes["overloaded"], "and perhaps what the gateway asked itself"
        assert (await client.request("publish", topic="a", data=1))["type"] == "ok"


def hold_confirms(bus: Any) -> Any:
    """Have the uplink on `bus` wait for its confirms until what is returned is called."""
    publish, held = bus.publish, []

    def holding(exchange: str, *more: Any, **options: Any) -> asyncio.Future[None]:
        sent = publish(exchange, *more, **options)
        if exchange != topology.FRAMES:
            return sent
        confirm: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        held.append((sent, confirm))
        return confirm

    def release() -> None:
        bus.publish = publish
        for sent, confirm in held:
            sent.add_done_callback(lambda _, confirm=confirm: confirm.set_result(None))

    bus.publish = holding
    return release


def publish_frame(number: int) -> bytes:
    data = {"type": "publish", "id": number, "topic": "a", "data": "x" * 4000}
    return websocket_frame(msgspec.json.encode(data))


async def write_until_held_back(sock: Any, make: Any) -> list[int]:
    """Write frames until the socket takes no more; returns how many bytes of each it took."""
    taken: list[int] = []
    quiet = 0
    while quiet < 10:
        frame = make()
        size = 0
        while size < len(frame) and quiet < 10:
            try:
                size += sock.send(frame[size:])
                quiet = 0
            except BlockingIOError:
                quiet += 1
                await asyncio.sleep(0.02)
        taken.append(size)
    return taken


async def test_a_full_partition_overloads_and_what_it_took_is_delivered_later(broker: Broker, vhost: Vhost) -> None:
    """A policy makes the bound small; the routes' own bound is kept by the contract of the bus."""
    async with running(vhost.amqp_url, gateway={"request_timeout": IMPATIENT}) as penstock:
        topic = "orders.new"
        client = await penstock.subscribed(topic)
        publisher = await penstock.connect(token("bob"))
        await penstock.router.stop()
        bound: dict[str, Any] = {"max-length": 20}
        policy = {"pattern": "^penstock[.]route[.]", "definition": bound, "apply-to": "queues"}
        await asyncio.to_thread(broker.management.put, "policies", vhost.name, "small", **policy)

        taken = await emit_until_refused(penstock, topic)
        assert len(taken) >= bound["max-length"]

        # Events and clients' publishes may have partitions of their own for one topic; this one fills up as well.
        numbers = range(1000, 1000 + 2 * bound["max-length"])
        for number in numbers:
            await publisher.send({"type": "publish", "id": number, "topic": topic, "data": "more"})
            await asyncio.sleep(0.01)  # a batch each
        told = [await publisher.answer(number) for number in numbers]
        assert {answer["code"] for answer in told} == {"timeout", "overloaded"}
        assert all(answer["retry_after"] > 0 for answer in told if answer["code"] == "overloaded")
        assert penstock.counters.batches_refused >= 1

        await penstock.add_router()
        heard = [frame["data"] for frame in await client.messages(len(taken))]
        while [each for each in heard if each != "more"] != taken:
            heard.append((await client.message())["data"])
        published = await eventually(lambda: ok(publisher, topic))
        assert published["type"] == "ok"


async def emit_until_refused(penstock: Penstock, topic: str) -> list[int]:
    taken: list[int] = []
    for number in range(10_000):
        try:
            await penstock.emit(topic, number)
        except PublishRefused:
            return taken
        taken.append(number)
    raise AssertionError("the queue has no bound")


async def ok(client: Client, topic: str) -> Frame | None:
    answer = await client.request("publish", topic=topic, data="more")
    return answer if answer["type"] == "ok" else None
