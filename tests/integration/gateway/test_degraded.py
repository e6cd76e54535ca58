"""The broker goes, falls silent or holds publishers back, while clients are connected; and it comes back."""

from __future__ import annotations

import asyncio
import logging
import urllib.error
import urllib.request

import pika
import pytest

from gateway import downlink, probe
from shared import health
from shared.bus import topology
from shared.bus.port import BusState
from shared.envelopes import VERSION, DeliveryBatch, Encoding, Entry, pack
from shared.topics import slot
from tests.support.broker import OwnBroker
from tests.support.client import Client, Frame
from tests.support.eventually import eventually
from tests.support.penstock import Penstock, running, token

DEGRADED = 4004
PATIENT = {"heartbeat": 3600}
"""A client of ours answers pings only while it reads, and a broker can take long to stop and start."""
LINES = 20
"""Warnings and errors of one gateway and one router in an outage; far fewer than attempts, frames or clients."""


async def hears(client: Client, kind: str) -> Frame:
    return await client.next(lambda frame: frame["type"] == kind)


async def refused_at_once(client: Client, penstock: Penstock) -> None:
    """Everything that needs a router is refused without waiting for one."""
    timeouts = penstock.counters.request_timeouts
    for kind, more in (("publish", {"data": 1}), ("subscribe", {})):
        answer = await client.request(kind, topic="while.away", **more)
        assert (answer["type"], answer["code"]) == ("error", "unavailable")
        assert answer["retry_after"] > 0
    assert penstock.counters.request_timeouts == timeouts


def troubles(penstock: Penstock) -> list[str]:
    """What an operator finds in the log."""
    return [record.getMessage() for record in penstock.said.records if record.levelno >= logging.WARNING]


async def status(penstock: Penstock, path: str = "/readyz") -> int:
    def ask() -> int:
        try:
            with urllib.request.urlopen(penstock.edges[0].http + path, timeout=5) as answer:
                return int(answer.status)
        except urllib.error.HTTPError as refused:
            refused.close()
            return refused.code

    return await asyncio.to_thread(ask)


def is_ready(penstock: Penstock) -> bool:
    """Whether all have their connections back: gateways, routers, and the back end that `emit` is."""
    parts = [*penstock.edges, *penstock.desks]
    buses = [part.bus for part in parts] + [bus for bus in [penstock._back_end] if bus]
    return all(bus.state is BusState.READY for bus in buses)


async def everyone_hears_in_order(clients: list[Client], penstock: Penstock, first: int) -> None:
    await eventually(lambda: is_ready(penstock))
    for number in range(first, first + 20):
        await penstock.emit("orders.new", number)
    for client in clients:
        assert [frame["data"] for frame in await client.messages(20)] == list(range(first, first + 20))


async def test_a_broker_that_dies_or_stops_is_sat_out_with_everything_kept(own_broker: OwnBroker) -> None:
    async with running(own_broker.amqp_url, gateway=PATIENT) as penstock:
        by_name = await penstock.subscribed("orders.new")
        by_pattern = await penstock.subscribed("orders.*")
        publisher = await penstock.connect(token("bob"))
        clients = [by_name, by_pattern]
        await everyone_hears_in_order(clients, penstock, 0)

        # Killed, with requests in flight: each has an answer, whatever it is.
        numbers = range(1000, 1030)
        killing = asyncio.create_task(asyncio.to_thread(own_broker.kill))
        for number in numbers:
            await publisher.send({"type": "publish", "id": number, "topic": "in.flight", "data": number})
            await asyncio.sleep(0.03)  # spread over the moment of death
        answers = [await publisher.answer(number) for number in numbers]
        assert {answer.get("code", "ok") for answer in answers} <= {"ok", "timeout", "unavailable"}
        await killing
        for client in (*clients, publisher):
            assert "stays subscribed" in (await hears(client, "degraded"))["reason"]
        await refused_at_once(publisher, penstock)

        newcomer = await penstock.open()
        answer = await newcomer.request("connect", token=token())
        assert (answer["type"], answer["code"]) == ("error", "unavailable")
        assert answer["retry_after"] > 0
        assert await newcomer.closed() == DEGRADED

        await asyncio.to_thread(own_broker.start)
        for client in (*clients, publisher):
            await hears(client, "restored")
        await everyone_hears_in_order(clients, penstock, 100)
        later = await penstock.subscribed("orders.#")
        assert (await publisher.request("publish", topic="orders.new", data=1))["type"] == "ok"
        for client in (*clients, later):
            assert (await client.message())["data"] == 1

        # Stopped in order: clients are told so (320), and come to the same.
        await asyncio.to_thread(own_broker.stop)
        for client in (*clients, later):
            await hears(client, "degraded")
        await asyncio.to_thread(own_broker.start)
        for client in (*clients, later):
            await hears(client, "restored")
        await everyone_hears_in_order([*clients, later], penstock, 200)

        assert penstock.counters.degradations == 2
        assert penstock.counters.connections == 4, "the others are still here"
        assert penstock.counters.closed.total() == 1, "nobody was sent away but the newcomer"
        assert len(troubles(penstock)) <= 2 * LINES, troubles(penstock)


async def test_an_alarm_refuses_publishes_at_once_and_lets_deliveries_pass(own_broker: OwnBroker) -> None:
    async with running(own_broker.amqp_url, gateway=PATIENT) as penstock:
        listener = await penstock.subscribed("orders.new")
        publisher = await penstock.connect(token("bob"))
        # While nobody here can read, more is queued than a gateway takes at once; then comes the alarm.
        deliver(own_broker.amqp_url, "orders.new", 3 * downlink.PREFETCH)
        own_broker.block()
        # The broker tells a connection when it publishes; that message waits until the alarm is over.
        await publisher.send({"type": "publish", "id": 1000, "topic": "orders.new", "data": "too late"})
        await hears(publisher, "degraded")
        await hears(listener, "degraded")
        assert penstock.edges[0].bus.state is BusState.BLOCKED
        await refused_at_once(publisher, penstock)
        heard = [frame["data"] for frame in await listener.messages(3 * downlink.PREFETCH)]
        assert heard == list(range(3 * downlink.PREFETCH))
        assert (await publisher.answer(1000))["code"] == "timeout"

        await asyncio.to_thread(own_broker.unblock)
        await hears(publisher, "restored")
        await eventually(lambda: is_ready(penstock))
        assert (await publisher.request("publish", topic="orders.new", data="again"))["type"] == "ok"
        assert [frame["data"] for frame in await listener.messages(2)] == ["too late", "again"]
        assert penstock.counters.connections == 2
        assert len(troubles(penstock)) <= LINES, troubles(penstock)


def deliver(url: str, topic: str, count: int) -> None:
    """Put deliveries into gateways' queues, as a router does."""
    connection = pika.BlockingConnection(pika.URLParameters(url))
    channel = connection.channel()
    channel.confirm_delivery()
    for number in range(count):
        batch = DeliveryBatch(VERSION, [Entry(topic, b"%d" % number, Encoding.JSON, 0)])
        channel.basic_publish(topology.DELIVER, str(slot(topic)), pack(batch))
    connection.close()


async def test_a_broker_that_falls_silent_is_noticed_and_come_back_to(
    own_broker: OwnBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(probe, "EVERY", 0.2)
    monkeypatch.setattr(health, "PROBE_MAX_AGE", 1.0)
    heartbeat = 2
    async with running(f"{own_broker.amqp_url}?heartbeat={heartbeat}", gateway=PATIENT) as penstock:
        listener = await penstock.subscribed("orders.*")
        publisher = await penstock.connect(token("bob"))
        await eventually(lambda: status_is(penstock, 200))

        await asyncio.to_thread(own_broker.freeze)
        began = asyncio.get_running_loop().time()
        await publisher.send({"type": "publish", "id": 1000, "topic": "orders.new", "data": "frozen"})
        assert (await publisher.answer(1000))["code"] == "timeout", "sent, and nobody can say what became of it"
        await hears(publisher, "degraded")
        assert asyncio.get_running_loop().time() - began <= 2 * heartbeat + 1
        await refused_at_once(publisher, penstock)
        await eventually(lambda: status_is(penstock, 503))
        assert await status(penstock, "/healthz") == 200

        await asyncio.to_thread(own_broker.thaw)
        await hears(publisher, "restored")
        await hears(listener, "restored")
        await eventually(lambda: status_is(penstock, 200))
        await eventually(lambda: is_ready(penstock))
        # What was sent into the silence may have been taken; then it comes before what follows.
        await penstock.emit("orders.new", "again")
        heard = [(await listener.message())["data"]]
        if heard == ["frozen"]:
            heard.append((await listener.message())["data"])
        assert heard[-1] == "again"
        assert penstock.counters.connections == 2
        assert len(troubles(penstock)) <= LINES, troubles(penstock)


async def status_is(penstock: Penstock, wanted: int) -> bool:
    return await status(penstock) == wanted
