"""A client that comes back gets all that it missed, in order and once, or is told that it does not."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.support.client import Client
from tests.support.eventually import eventually
from tests.support.penstock import Penstock, running, token

RULES = {"topics": [{"match": "short.#", "history": 3}, {"match": "fleeting.#", "history": 0}, {"match": "#"}]}
SOON_OVER = {"topics": [{"match": "#", "history_ttl": 1}]}
LONG_AGO = 400_000
"""Milliseconds; longer than any rule keeps anything."""

MISSED, FILLING = 40, "x" * 4_000


@pytest.fixture(params=["memory", "rabbitmq"])
async def penstock(request: pytest.FixtureRequest) -> AsyncIterator[Penstock]:
    url = request.getfixturevalue("vhost").amqp_url if request.param == "rabbitmq" else None
    async with running(url, gateways=2, **RULES) as penstock:
        yield penstock


def place(frame: dict[str, Any]) -> dict[str, Any]:
    return {"epoch": frame["epoch"], "offset": frame["offset"]}


async def emit(penstock: Penstock, topic: str, *numbers: int) -> None:
    for number in numbers:
        await penstock.emit(topic, number)


async def data(client: Client, count: int) -> list[Any]:
    return [frame["data"] for frame in await client.messages(count)]


async def test_who_comes_back_to_any_gateway_gets_what_was_missed_and_then_what_is_live(penstock: Penstock) -> None:
    first = await penstock.connect()
    subscribed = await first.request("subscribe", topic="orders.1")
    assert subscribed["offset"] == 0
    await emit(penstock, "orders.1", 1, 2)
    seen = (await first.messages(2))[-1]
    assert seen["offset"] == 2
    await first.leave()
    await emit(penstock, "orders.1", 3, 4)
    for edge in penstock.edges:
        again = await penstock.connect(edge=edge)
        answer = await again.request("subscribe", topic="orders.1", from_=place(seen))
        assert answer["recovered"] is True
        assert place(answer) == place(seen), "what follows comes after this"
        assert await data(again, 2) == [3, 4]
        await emit(penstock, "orders.1", 5)
        assert (await again.message())["offset"] >= 5


async def test_who_comes_back_to_several_topics_at_once_gets_all_of_each_and_then_what_is_live(
    penstock: Penstock,
) -> None:
    """More than an outbox takes at a time, so that what was missed of all of them waits for the client to read."""
    topics = [f"orders.{number}" for number in range(4)]
    first = await penstock.connect()
    places = {topic: place(await first.request("subscribe", topic=topic)) for topic in topics}
    await first.leave()
    for number in range(MISSED):
        for topic in topics:
            await penstock.emit(topic, [number, FILLING])
    again = await penstock.connect()
    await again.send(
        *({"type": "subscribe", "id": 100 + n, "topic": topic, "from": places[topic]} for n, topic in enumerate(topics))
    )
    missed = await again.messages(MISSED * len(topics))
    for topic in topics:
        assert [frame["data"][0] for frame in missed if frame["topic"] == topic] == list(range(MISSED))
        await emit(penstock, topic, MISSED)
    assert {frame["topic"] for frame in await again.messages(len(topics))} == set(topics)


@pytest.mark.parametrize("pattern", ["orders.1", "orders.*"])
async def test_who_comes_from_a_faster_gateway_is_told_nothing_twice(penstock: Penstock, pattern: str) -> None:
    slow = penstock.edges[1]
    stays = await penstock.subscribed(pattern, edge=slow)
    first = await penstock.subscribed(pattern)
    await emit(penstock, "orders.1", 1)
    assert (await stays.message())["data"] == 1
    late: list[Any] = []
    deliver, slow.gateway._downlink._deliver = slow.gateway._downlink._deliver, late.append
    await emit(penstock, "orders.1", 2)
    seen = (await first.messages(2))[-1]
    again = await penstock.connect(edge=slow)
    since = place(seen) if pattern == "orders.1" else {"at": seen["at"], "topics": {"orders.1": place(seen)}}
    assert (await again.request("subscribe", topic=pattern, from_=since))["recovered"] is True
    for entry in late:
        deliver(entry)
    slow.gateway._downlink._deliver = deliver
    await emit(penstock, "orders.1", 3)
    assert await data(stays, 2) == [2, 3]
    assert await data(again, 1) == [3], "it had the second one already"


async def test_a_position_taken_before_any_message_is_good_for_resuming(penstock: Penstock) -> None:
    first = await penstock.connect()
    subscribed = await first.request("subscribe", topic="quiet")
    await first.leave()
    await emit(penstock, "quiet", 1)
    again = await penstock.connect()
    answer = await again.request("subscribe", topic="quiet", from_=place(subscribed))
    assert answer["recovered"] is True
    assert await data(again, 1) == [1]


async def test_who_was_away_too_long_is_told_so_and_gets_what_is_kept(penstock: Penstock) -> None:
    first = await penstock.connect()
    subscribed = await first.request("subscribe", topic="short.a")
    await first.leave()
    await emit(penstock, "short.a", *range(1, 8))
    again = await penstock.connect()
    answer = await again.request("subscribe", topic="short.a", from_=place(subscribed))
    assert answer["recovered"] is False
    gap = await again.next(lambda frame: frame["type"] == "gap")
    assert (gap["topic"], gap["offset"], gap["cause"]) == ("short.a", 5, "trimmed")
    assert await data(again, 3) == [5, 6, 7]


async def test_a_place_in_a_log_that_is_gone_is_a_gap(penstock: Penstock) -> None:
    await emit(penstock, "orders.1", 1, 2)
    client = await penstock.connect()
    answer = await client.request("subscribe", topic="orders.1", from_={"epoch": "another", "offset": 1})
    assert answer["recovered"] is False
    gap = await client.next(lambda frame: frame["type"] == "gap")
    assert (gap["offset"], gap["cause"]) == (1, "epoch_changed")
    await emit(penstock, "orders.1", 3)
    assert await data(client, 3) == [1, 2, 3], "all that the new log has is news"


async def test_a_pattern_is_told_when_the_store_has_lost_what_it_may_have_missed(penstock: Penstock) -> None:
    stays = await penstock.subscribed("orders.*")
    await emit(penstock, "orders.1", 1)
    seen = await stays.message()
    await emit(penstock, "orders.1", 2)
    assert await data(stays, 1) == [2]
    store = penstock.desks[0].store
    store.logs.clear()
    store._born = time.monotonic()
    await emit(penstock, "orders.1", 3)
    await emit(penstock, "orders.2", 4)
    again = await penstock.connect()
    since = {"at": seen["at"], "topics": {"orders.1": place(seen)}}
    answer = await again.request("subscribe", topic="orders.*", from_=since)
    assert answer["recovered"] is False
    gap = await again.next(lambda frame: frame["type"] == "gap")
    assert (gap["topic"], gap["offset"], gap["cause"]) == ("orders.1", 1, "epoch_changed")
    assert sorted(await data(again, 2)) == [3, 4], "all that the logs have since is news"
    await again.leave()
    back = await penstock.connect()
    answer = await back.request("subscribe", topic="orders.*", from_={"at": answer["at"]})
    assert answer["recovered"] is True
    assert sorted(await data(back, 2)) == [3, 4]


async def test_nothing_is_missed_of_a_pattern_on_which_nothing_was_published_however_short_its_history_is() -> None:
    async with running(None, **SOON_OVER) as penstock:
        first = await penstock.subscribed("orders.*")
        await emit(penstock, "orders.1", 1)
        seen = await first.message()
        await first.leave()
        reader = await penstock.connect()

        async def is_over() -> bool:
            return not (await reader.request("history", topic="orders.1"))["messages"]

        await eventually(is_over)
        since = {"at": seen["at"] - LONG_AGO, "topics": {"orders.1": place(seen)}}
        again = await penstock.connect()
        answer = await again.request("subscribe", topic="orders.*", from_=since)
        assert answer["recovered"] is True
        await emit(penstock, "orders.1", 2)
        assert await data(again, 1) == [2]


async def test_what_was_published_and_is_kept_no_more_is_a_gap_on_its_topic() -> None:
    async with running(None, **SOON_OVER) as penstock:
        first = await penstock.connect()
        at = (await first.request("subscribe", topic="orders.*"))["at"]
        await first.leave()
        await emit(penstock, "orders.1", 1)

        async def is_over() -> bool:
            return not (await again.request("history", topic="orders.1"))["messages"]

        again = await penstock.connect()
        await eventually(is_over)
        answer = await again.request("subscribe", topic="orders.*", from_={"at": at - LONG_AGO})
        assert answer["recovered"] is False
        gap = await again.next(lambda frame: frame["type"] == "gap")
        assert (gap["topic"], gap["offset"], gap["cause"]) == ("orders.1", 2, "trimmed")


async def test_a_tail_is_the_last_messages(penstock: Penstock) -> None:
    await emit(penstock, "orders.1", 1, 2, 3)
    client = await penstock.connect()
    answer = await client.request("subscribe", topic="orders.1", tail=2)
    assert "recovered" not in answer
    assert answer["offset"] == 1
    assert await data(client, 2) == [2, 3]


async def test_a_history_is_read_forwards_and_backwards(penstock: Penstock) -> None:
    await emit(penstock, "orders.1", *range(1, 8))
    client = await penstock.connect()
    last = await client.request("history", topic="orders.1", limit=2)
    assert [message["data"] for message in last["messages"]] == [6, 7]
    assert last["offset"] == 7
    before = await client.request("history", topic="orders.1", limit=2, before=6)
    assert [message["offset"] for message in before["messages"]] == [4, 5]
    after = await client.request("history", topic="orders.1", limit=2, after=1)
    assert [message["offset"] for message in after["messages"]] == [2, 3]
    nothing = await client.request("history", topic="fleeting.a")
    assert (nothing["type"], nothing["code"]) == ("error", "not_found")
    stranger = await penstock.connect(token(subscribe=["other"]))
    assert (await stranger.request("history", topic="orders.1"))["code"] == "forbidden"


async def test_a_pattern_resumes_with_the_topics_that_appeared_meanwhile(penstock: Penstock) -> None:
    first = await penstock.subscribed("orders.*")
    await emit(penstock, "orders.1", 1)
    seen = await first.message()
    await first.leave()
    await emit(penstock, "orders.1", 2)
    await emit(penstock, "orders.2", 1, 2)
    await emit(penstock, "other.1", 1)
    again = await penstock.connect(edge=penstock.edges[1])
    since = {"at": seen["at"], "topics": {"orders.1": place(seen)}}
    answer = await again.request("subscribe", topic="orders.*", from_=since)
    assert answer["recovered"] is True, answer
    missed = await again.messages(3)
    assert sorted((frame["topic"], frame["data"]) for frame in missed) == [
        ("orders.1", 2),
        ("orders.2", 1),
        ("orders.2", 2),
    ]
    await emit(penstock, "orders.2", 3)
    assert (await again.message())["data"] == 3


@pytest.mark.parametrize("ago", [0, 3600])
async def test_a_pattern_resumes_with_events_that_say_they_happened_earlier(penstock: Penstock, ago: int) -> None:
    first = await penstock.subscribed("orders.*")
    await emit(penstock, "orders.1", 1)
    seen = await first.message()
    await first.leave()
    await penstock.emit("orders.2", 2, timestamp=seen["at"] // 1000 - ago)  # AMQP has whole seconds
    again = await penstock.connect(edge=penstock.edges[1])
    since = {"at": seen["at"], "topics": {"orders.1": place(seen)}}
    assert (await again.request("subscribe", topic="orders.*", from_=since))["recovered"] is True
    assert await data(again, 1) == [2]


async def test_a_publish_that_is_repeated_with_its_key_has_one_effect_and_the_same_answer(penstock: Penstock) -> None:
    listener = await penstock.subscribed("orders.1")
    answers = []
    for edge in (*penstock.edges, penstock.edges[0]):
        client = await penstock.connect(edge=edge)
        answers.append(await client.request("publish", topic="orders.1", data=1, key="k", id=7))
    assert answers[0] == answers[1] == answers[2]
    assert answers[0]["offset"] == 1
    await emit(penstock, "orders.1", 2)
    assert await data(listener, 2) == [1, 2]


async def test_an_event_that_is_repeated_with_its_message_id_has_one_effect(penstock: Penstock) -> None:
    listener = await penstock.subscribed("orders.1")
    for _ in range(2):
        await penstock.emit("orders.1", 1, message_id="m")
    await emit(penstock, "orders.1", 2)
    assert await data(listener, 2) == [1, 2]


async def test_topics_without_history_have_no_offsets_and_recover_nothing(penstock: Penstock) -> None:
    client = await penstock.connect()
    answer = await client.request("subscribe", topic="fleeting.a", from_={"epoch": "e", "offset": 1})
    assert answer["recovered"] is False
    await emit(penstock, "fleeting.a", 1)
    message = await client.message()
    assert "offset" not in message
    assert "epoch" not in message


async def test_subscribing_while_messages_flow_loses_and_doubles_nothing(penstock: Penstock) -> None:
    total = 200
    watcher = await penstock.connect()
    start = place(await watcher.request("subscribe", topic="flow"))

    async def flow() -> None:
        for number in range(1, total + 1):
            await penstock.emit("flow", number)

    flowing = asyncio.create_task(flow())
    clients = []
    for round_ in range(10):
        await eventually(lambda at_least=round_ * total // 12: penstock.router.counters.published >= at_least)
        client = await penstock.connect(edge=penstock.edges[round_ % 2])
        answer = await client.request("subscribe", topic="flow", from_=start)
        assert answer["recovered"] is True
        clients.append(client)
    for client in (watcher, *clients):
        assert await data(client, total) == list(range(1, total + 1))
    await flowing
