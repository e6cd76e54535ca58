"""Somebody deletes a part of the topology under a gateway that serves clients."""

from __future__ import annotations

import asyncio

import pika
import pytest

from gateway import binder
from shared.bus.topology import DELIVER, FRAMES, REPLIES, common
from tests.support.broker import Vhost
from tests.support.eventually import eventually
from tests.support.penstock import running


def delete(amqp_url: str, exchange: str) -> None:
    """Do as an operator might."""
    connection = pika.BlockingConnection(pika.URLParameters(amqp_url))
    connection.channel().exchange_delete(exchange)
    connection.close()


async def test_subscriptions_are_answered_after_the_exchange_of_deliveries_was_deleted(vhost: Vhost) -> None:
    async with running(vhost.amqp_url) as penstock:
        before = await penstock.subscribed("before")
        await asyncio.to_thread(delete, vhost.amqp_url, DELIVER)
        after = await penstock.connect()
        answer = await after.request("subscribe", topic="after")
        while answer["type"] == "error":
            assert answer["code"] in ("timeout", "unavailable"), answer
            answer = await after.request("subscribe", topic="after")
        await eventually(lambda: penstock.edges[0].gateway.readiness().status == 200)
        assert penstock.counters.bindings_refused > 0
        await penstock.emit("before", 1)
        await penstock.emit("after", 2)
        assert (await before.message())["data"] == 1, "what was bound before is bound again"
        assert (await after.message())["data"] == 2


@pytest.mark.parametrize("exchange", [FRAMES, REPLIES])
async def test_requests_are_answered_again_long_before_a_renewal_after_an_exchange_was_deleted(
    vhost: Vhost, exchange: str
) -> None:
    async with running(vhost.amqp_url) as penstock:
        client = await penstock.subscribed("a")
        await eventually(lambda: penstock.edges[0].gateway.readiness().status == 200)
        await asyncio.to_thread(delete, vhost.amqp_url, exchange)

        async def is_taken() -> bool:
            return bool((await client.request("publish", topic="a", data=1))["type"] == "ok")

        await eventually(is_taken, within=binder.RENEWAL - 10)
        assert (await client.message())["data"] == 1


@pytest.mark.parametrize("what", ["the exchange", "the bindings"])
async def test_topics_that_begin_while_nothing_is_bound_are_heard_through_patterns(vhost: Vhost, what: str) -> None:
    async with running(vhost.amqp_url) as penstock:
        client = await penstock.subscribed("new.*")
        await penstock.emit("new.1", 1)
        assert (await client.message())["topic"] == "new.1"
        await asyncio.to_thread(delete, vhost.amqp_url, DELIVER)
        if what == "the bindings":
            operator = await penstock.open_bus("operator")
            await operator.declare(common())
        await penstock.emit("new.2", 2)
        await penstock.emit("new.1", 3)
        heard = [(message["topic"], message["data"]) for message in await client.messages(2)]
        assert sorted(heard) == [("new.1", 3), ("new.2", 2)]
        assert penstock.counters.bindings_lost > 0


async def test_who_subscribed_before_hears_again_when_somebody_else_has_declared_the_exchange(
    vhost: Vhost, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(binder, "SWEEP", 0.1)
    monkeypatch.setattr(binder, "RENEWAL", 0.1)
    async with running(vhost.amqp_url, topics=[{"match": "#", "history": 0}]) as penstock:
        penstock.edges[0].gateway._binder._renew_at = 0.0
        client = await penstock.subscribed("a")
        operator = await penstock.open_bus("operator")
        await asyncio.to_thread(delete, vhost.amqp_url, DELIVER)
        await operator.declare(common())

        async def is_heard() -> bool:
            await penstock.emit("a", 1)
            try:
                async with asyncio.timeout(0.2):
                    return bool(await client.message())
            except TimeoutError:
                return False

        await eventually(is_heard)
