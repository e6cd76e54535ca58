"""Who hears topics through a pattern hears each from the moment of subscribing on, however its first messages come."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from typing import Any

import pytest

from gateway.discovering import LEEWAY
from tests.support.client import Client
from tests.support.eventually import eventually
from tests.support.penstock import Penstock, running

RULES = {"topics": [{"match": "short.#", "history": 2}, {"match": "#"}]}


@pytest.fixture(params=["memory", "rabbitmq"])
async def penstock(request: pytest.FixtureRequest) -> AsyncIterator[Penstock]:
    url = request.getfixturevalue("vhost").amqp_url if request.param == "rabbitmq" else None
    async with running(url, **RULES) as penstock:
        yield penstock


class Hold:
    """Keeps what the bus brings from the gateway, to give it out in another order, or never."""

    def __init__(self, penstock: Penstock) -> None:
        self._downlink = penstock.edges[0].gateway._downlink
        self._deliver = self._downlink._deliver
        self.held: list[Any] = []
        self._downlink._deliver = self.held.append

    async def emitted(self, penstock: Penstock, topic: str, *numbers: int) -> None:
        """Emit, and wait until all of it has come."""
        for number in numbers:
            await penstock.emit(topic, number)
        await eventually(lambda: [entry.offset for entry in self.held] == list(numbers))

    def give(self, *offsets: int) -> None:
        for offset in offsets:
            self._deliver(next(entry for entry in self.held if entry.offset == offset))
        self._downlink._deliver = self._deliver


async def data(client: Client, count: int) -> list[Any]:
    return [frame["data"] for frame in await client.messages(count)]


async def test_a_topics_first_message_is_heard_though_the_second_overtook_it(penstock: Penstock) -> None:
    client = await penstock.subscribed("orders.*")
    hold = Hold(penstock)
    await hold.emitted(penstock, "orders.1", 1, 2)
    hold.give(2, 1)
    assert await data(client, 2) == [1, 2]
    assert penstock.counters.discoveries_asked == 0, "no router was needed"


async def test_first_messages_that_the_bus_lost_are_heard_before_the_one_that_came(penstock: Penstock) -> None:
    client = await penstock.subscribed("orders.*")
    hold = Hold(penstock)
    await hold.emitted(penstock, "orders.1", 1, 2, 3)
    hold.give(3)
    assert await data(client, 3) == [1, 2, 3]


async def test_what_was_lost_and_is_not_kept_any_more_is_told(penstock: Penstock) -> None:
    client = await penstock.subscribed("short.*")
    hold = Hold(penstock)
    await hold.emitted(penstock, "short.1", 1, 2, 3, 4)
    hold.give(4)
    gap = await client.next(lambda frame: frame["type"] == "gap")
    assert (gap["topic"], gap["offset"], gap["cause"]) == ("short.1", 3, "trimmed")
    assert await data(client, 2) == [3, 4]


async def test_what_was_published_before_somebody_listened_is_no_news(penstock: Penstock) -> None:
    for number in (1, 2):
        await penstock.emit("orders.1", number)
    [desk] = penstock.desks
    await eventually(lambda: desk.store.logs.recent(60, time.monotonic()))
    published = time.monotonic()
    await eventually(lambda: time.monotonic() > published + 10 * LEEWAY)
    client = await penstock.subscribed("orders.*")
    await penstock.emit("orders.1", 3)
    assert await data(client, 1) == [3]
    assert penstock.counters.discoveries_asked == 1


async def test_who_subscribes_by_name_meanwhile_is_told_from_where_on_it_hears_the_topic(penstock: Penstock) -> None:
    by_pattern = await penstock.subscribed("orders.*")
    hold = Hold(penstock)
    await hold.emitted(penstock, "orders.1", 1, 2)
    hold.give(2)
    by_name = await penstock.connect()
    subscribed = await by_name.request("subscribe", topic="orders.1")
    assert await data(by_pattern, 2) == [1, 2]
    await penstock.emit("orders.1", 3)
    assert await data(by_pattern, 1) == [3]
    heard = list(range(subscribed["offset"] + 1, 4))
    assert await data(by_name, len(heard)) == heard


async def test_a_subscription_to_a_topic_by_its_name_takes_nothing_from_who_hears_it_through_a_pattern(
    penstock: Penstock,
) -> None:
    client = await penstock.subscribed("orders.*")
    hold = Hold(penstock)
    await hold.emitted(penstock, "orders.1", 1, 2)
    other = await penstock.subscribed("orders.1")
    hold.give(1, 2)
    assert await data(client, 2) == [1, 2]
    await penstock.emit("orders.1", 3)
    assert await data(client, 1) == await data(other, 1) == [3]


async def test_who_resumes_a_pattern_takes_nothing_from_who_hears_it_already(penstock: Penstock) -> None:
    stays = await penstock.subscribed("orders.*")
    comes = await penstock.connect()
    hold = Hold(penstock)
    await hold.emitted(penstock, "orders.1", 1, 2)
    answer = await comes.request("subscribe", topic="orders.#", from_={"at": int(time.time() * 1000) - 1000})
    assert answer["recovered"] is True
    hold.give(1, 2)
    assert await data(stays, 2) == [1, 2]
    assert await data(comes, 2) == [1, 2]
    await penstock.emit("orders.1", 3)
    assert await data(stays, 1) == await data(comes, 1) == [3]
