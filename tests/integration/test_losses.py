"""Topics that begin while a gateway is deaf: whoever listens to them through a pattern gets them all the same."""

from __future__ import annotations

import urllib.parse
from typing import Any

import pytest

from gateway.dropped import DroppedWatch
from router import inquiries
from shared.bus import topology
from shared.bus.port import BusState
from tests.support.client import Client
from tests.support.eventually import eventually
from tests.support.fault_proxy import FaultProxy
from tests.support.penstock import Edge, Penstock, running

NEW = [f"new.{number}" for number in range(8)]
DEGRADED = 4004
PATIENT = {"gateway": {"heartbeat": 3600}}


async def heard(client: Client, count: int) -> list[tuple[str, int]]:
    return sorted([(frame["topic"], frame["offset"]) for frame in await client.messages(count)])


def server_of(vhost: Any) -> tuple[str, int]:
    url = urllib.parse.urlsplit(vhost.amqp_url)
    return url.hostname or "", url.port or 5672


async def deaf(penstock: Penstock, edge: Edge, proxy: FaultProxy, *topics: str) -> None:
    """Have an event on each of `topics` while a gateway, it alone, is cut off from RabbitMQ."""
    proxy.closed = True
    proxy.reset()
    await eventually(lambda: edge.bus.state is BusState.AWAY)
    for topic in topics:
        await penstock.emit(topic, 1)
    proxy.closed = False
    await eventually(lambda: edge.bus.state is BusState.READY, 60)


async def behind(penstock: Penstock, proxy: FaultProxy) -> Edge:
    """Start a gateway whose way to RabbitMQ is `proxy`."""
    direct = penstock.amqp_url
    assert direct is not None
    host, port = proxy.servers[0]
    penstock.amqp_url = direct.replace(f"{host}:{port}", f"127.0.0.1:{proxy.port}")
    try:
        return await penstock.add_gateway()
    finally:
        penstock.amqp_url = direct


async def test_topics_that_began_while_the_broker_was_away_are_heard_through_patterns(vhost: Any) -> None:
    async with running(vhost.amqp_url, gateways=0, **PATIENT) as penstock, FaultProxy(server_of(vhost)) as proxy:
        edge = await behind(penstock, proxy)
        client = await penstock.subscribed("new.*", edge=edge)
        other = await penstock.subscribed("other.*", edge=edge)
        await penstock.emit("other.1", 1)
        await other.message()
        await deaf(penstock, edge, proxy, *NEW, "other.1")
        assert await heard(client, len(NEW)) == [(topic, 1) for topic in NEW]
        assert await heard(other, 1) == [("other.1", 2)]
        await penstock.emit(NEW[0], 2)
        assert await heard(client, 1) == [(NEW[0], 2)]


async def test_where_too_much_has_grown_clients_are_sent_to_resume(
    vhost: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inquiries, "MAX_HEADS_OF_A_GATEWAY", 3)
    async with running(vhost.amqp_url, gateways=0, **PATIENT) as penstock, FaultProxy(server_of(vhost)) as proxy:
        edge = await behind(penstock, proxy)
        client = await penstock.subscribed("new.*", edge=edge)
        other = await penstock.subscribed("other.*", edge=edge)
        await deaf(penstock, edge, proxy, *NEW, "other.1")
        assert await client.closed() == DEGRADED
        assert await heard(other, 1) == [("other.1", 1)]
        assert edge.counters.sent_back == 1


@pytest.mark.parametrize("kind", ["memory", "rabbitmq"])
async def test_what_the_broker_dropped_for_a_gateway_that_is_too_slow_comes_out_of_the_logs(
    kind: str, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = request.getfixturevalue("vhost").amqp_url if kind == "rabbitmq" else None
    monkeypatch.setattr(topology, "GATEWAY_MESSAGES", 2)
    monkeypatch.setattr("gateway.downlink.PREFETCH", 1)
    monkeypatch.setattr("gateway.healing.LOOK", 3600.0)
    async with running(url) as penstock:
        client = await penstock.subscribed("new.*", "old")
        await penstock.emit("old", 1)
        await client.message()
        downlink = penstock.edges[0].gateway._downlink
        acknowledge = downlink._acknowledge
        monkeypatch.setattr(downlink, "_acknowledge", lambda: None)
        for topic in [*NEW[:3], "old", *NEW[3:]]:
            await penstock.emit(topic, 1)
        await eventually(lambda: penstock.counters.deliveries_dropped)
        acknowledge()
        monkeypatch.undo()
        assert await heard(client, 1 + len(NEW)) == sorted([("old", 2), *((topic, 1) for topic in NEW)])


async def test_a_loss_is_told_again_after_the_last_one(vhost: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.dropped.PAUSE", 0.01)
    monkeypatch.setattr(topology, "GATEWAY_MESSAGES", 2)
    told: list[int] = []
    async with running(vhost.amqp_url, gateways=0) as penstock:
        bus = await penstock.open_bus("gateway")
        await bus.declare(topology.common())
        await bus.declare(topology.gateway("g"))
        watch = DroppedWatch(bus, "g", lambda: told.append(len(told)))
        await watch.start()
        await bus.bind(topology.gateway_queue("g"), topology.DELIVER, [topology.ANY_SLOT])
        for number in range(3):
            await penstock.emit(f"t.{number}", 1)
        await eventually(lambda: told)
        seen = len(told)
        for number in range(6):
            await penstock.emit(f"u.{number}", 1)
        await eventually(lambda: len(told) > seen)
        await watch.stop()
