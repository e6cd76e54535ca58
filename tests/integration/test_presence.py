"""Who is there, who comes and who goes: over any gateway, without flicker and without ghosts."""

from __future__ import annotations

from collections.abc import AsyncIterator
from time import monotonic
from typing import Any

import pytest

from tests.support.client import Client
from tests.support.eventually import eventually
from tests.support.penstock import Edge, Penstock, running, token

LINGER, LEASE = 1.0, 3.0
"""Seconds; shorter than in earnest."""

RULES: dict[str, Any] = {
    "topics": [
        {"match": "room.#", "presence": True},
        {"match": "fleeting.#", "presence": True, "history": 0},
        {"match": "hall.#", "presence": True, "presence_listed": 3},
    ],
    "presence_linger": LINGER,
    "presence_lease": LEASE,
}


@pytest.fixture(params=["memory", "rabbitmq"])
async def penstock(request: pytest.FixtureRequest) -> AsyncIterator[Penstock]:
    url = request.getfixturevalue("vhost").amqp_url if request.param == "rabbitmq" else None
    async with running(url, gateways=2, **RULES) as penstock:
        yield penstock


def bearer(user: str, **info: Any) -> str:
    rights = {"subscribe": ["#"], "publish": ["#"], **({"info": info} if info else {})}
    return token(user, penstock=rights)


async def there(penstock: Penstock, user: str, topic: str = "room.1", edge: Edge | None = None, **more: Any) -> Client:
    client = await penstock.connect(bearer(user, **more), edge)
    answer = await client.request("subscribe", topic=topic)
    assert answer["type"] == "subscribed", answer
    return client


async def watching(penstock: Penstock, topic: str = "room.1", edge: Edge | None = None) -> Client:
    """A client that is there, has been told of itself, and is told of others."""
    client = await penstock.connect(bearer("watcher"), edge)
    answer = await client.request("subscribe", topic=topic, presence=True)
    assert answer["type"] == "subscribed", answer
    assert await news(client) == ("joined", "watcher")
    return client


async def news(client: Client) -> tuple[str, str]:
    frame = await client.next(lambda frame: frame["type"] in ("joined", "left"))
    return frame["type"], frame["member"]["user"]


async def members(client: Client, topic: str = "room.1") -> list[str]:
    answer = await client.request("presence", topic=topic)
    assert answer["type"] == "result", answer
    assert answer["count"] == len(answer["members"])
    return sorted(member["user"] for member in answer["members"])


@pytest.mark.parametrize("topic", ["room.1", "fleeting.1"])
async def test_joining_and_leaving_is_told_across_gateways_with_user_info_and_session(
    penstock: Penstock, topic: str
) -> None:
    watcher = await watching(penstock, topic)
    ann = await there(penstock, "ann", topic, penstock.edges[1], name="Ann", age=7)
    joined = await watcher.next(lambda frame: frame["type"] == "joined")
    assert (joined["topic"], joined["member"]["user"]) == (topic, "ann")
    assert joined["member"]["info"] == {"name": "Ann", "age": 7}
    assert joined["member"]["session"].startswith(penstock.edges[1].gateway.boot_id)
    assert await members(watcher, topic) == ["ann", "watcher"]
    await ann.leave()
    left = await watcher.next(lambda frame: frame["type"] == "left")
    assert left == {"type": "left", "topic": topic, "member": joined["member"]}
    assert await members(watcher, topic) == ["watcher"]


async def test_who_comes_back_in_time_to_any_gateway_has_never_left(penstock: Penstock) -> None:
    watcher = await watching(penstock)
    ann = await there(penstock, "ann")
    assert await news(watcher) == ("joined", "ann")
    for edge in (penstock.edges[1], penstock.edges[0]):
        await ann.leave()
        assert await members(watcher) == ["ann", "watcher"], "not yet gone"
        ann = await there(penstock, "ann", edge=edge)
    bob = await there(penstock, "bob")
    assert await news(watcher) == ("joined", "bob"), "and nothing of ann"
    await bob.leave()
    assert await news(watcher) == ("left", "bob"), "in whose time ann's was over"
    assert await members(watcher) == ["ann", "watcher"]


async def test_a_user_joins_with_the_first_session_and_leaves_with_the_last(penstock: Penstock) -> None:
    watcher = await watching(penstock)
    one, two = await there(penstock, "ann"), await there(penstock, "ann", edge=penstock.edges[1])
    bob = await there(penstock, "bob")
    assert [await news(watcher), await news(watcher)] == [("joined", "ann"), ("joined", "bob")]
    await one.leave()
    await bob.leave()
    assert await news(watcher) == ("left", "bob")
    await two.leave()
    assert await news(watcher) == ("left", "ann")


async def test_an_unsubscribe_leaves_as_well_and_is_told_no_more(penstock: Penstock) -> None:
    watcher = await watching(penstock)
    ann = await penstock.connect(bearer("ann"), penstock.edges[1])
    assert (await ann.request("subscribe", topic="room.1", presence=True))["type"] == "subscribed"
    assert await news(watcher) == await news(ann) == ("joined", "ann")
    assert (await ann.request("unsubscribe", topic="room.1"))["type"] == "ok"
    assert await news(watcher) == ("left", "ann")
    await there(penstock, "bob", edge=penstock.edges[1])
    assert await news(watcher) == ("joined", "bob")
    assert (await ann.request("unsubscribe", topic="room.1"))["code"] == "not_found"
    assert not [frame for frame in ann.others if frame["type"] in ("joined", "left")]


async def test_who_did_not_ask_is_told_nothing(penstock: Penstock) -> None:
    quiet = await there(penstock, "quiet")
    watcher = await watching(penstock)
    await there(penstock, "ann")
    assert await news(watcher) == ("joined", "ann")
    assert await members(quiet) == ["ann", "quiet", "watcher"]
    assert not [frame for frame in quiet.others if frame["type"] == "joined"]


async def test_a_gateway_that_died_leaves_no_ghosts(penstock: Penstock) -> None:
    watcher = await watching(penstock)
    await there(penstock, "ann", edge=penstock.edges[1])
    assert await news(watcher) == ("joined", "ann")
    began = monotonic()
    await kill(penstock.edges[1])
    assert await news(watcher) == ("left", "ann")
    assert monotonic() - began < LEASE * 1.5, "as 30 s are to the 20 s of a lease in earnest"
    assert await members(watcher) == ["watcher"]


async def test_who_left_a_gateway_that_died_then_is_told_of_once(penstock: Penstock) -> None:
    watcher = await watching(penstock)
    ann = await there(penstock, "ann", edge=penstock.edges[1])
    assert await news(watcher) == ("joined", "ann")
    await ann.leave()
    await eventually(lambda: reported(penstock.edges[1]))
    await kill(penstock.edges[1])
    assert await news(watcher) == ("left", "ann")
    await there(penstock, "bob")
    assert await news(watcher) == ("joined", "bob")


async def test_who_comes_from_a_gateway_that_died_has_never_left(penstock: Penstock) -> None:
    watcher = await watching(penstock)
    await there(penstock, "ann", edge=penstock.edges[1])
    await there(penstock, "eve", edge=penstock.edges[1])
    assert [await news(watcher), await news(watcher)] == [("joined", "ann"), ("joined", "eve")]
    await kill(penstock.edges[1])
    await there(penstock, "ann")
    assert await news(watcher) == ("left", "eve")
    assert await members(watcher) == ["ann", "watcher"]


async def test_a_gateway_that_was_held_for_dead_reports_everyone_when_it_comes_back(penstock: Penstock) -> None:
    watcher = await watching(penstock)
    edge = penstock.edges[1]
    await there(penstock, "ann", edge=edge)
    assert await news(watcher) == ("joined", "ann")
    await eventually(lambda: has_lease(edge))
    edge.gateway._presence._timer.cancel()  # type: ignore[union-attr]  # as SIGSTOP would, for all that routers see
    assert await news(watcher) == ("left", "ann")
    edge.gateway._presence.start()
    assert await news(watcher) == ("joined", "ann")
    assert await members(watcher) == ["ann", "watcher"]

    async def noticed() -> bool:
        return edge.counters.leases_lost == 1

    await eventually(noticed)


async def test_after_the_store_has_lost_everything_gateways_report_everyone(penstock: Penstock) -> None:
    watcher = await watching(penstock)
    await there(penstock, "ann", edge=penstock.edges[1])
    assert await news(watcher) == ("joined", "ann")
    await penstock.desks[0].store.close()  # a memory store forgets everything, and goes on

    async def all_there() -> bool:
        return await members(watcher) == ["ann", "watcher"]

    await eventually(all_there)


async def test_the_list_is_capped_and_the_count_is_exact(penstock: Penstock) -> None:
    for number in range(5):
        await there(penstock, f"user-{number}", "hall.1", penstock.edges[number % 2])
    asker = await penstock.connect(bearer("asker", name="Ask"))

    async def all_counted() -> bool:
        answer = await asker.request("presence", topic="hall.1")
        assert len(answer["members"]) <= 3
        assert answer["topic"] == "hall.1"
        return bool(answer["count"] == 5 and len(answer["members"]) == 3)

    await eventually(all_counted)


async def test_presence_needs_the_right_to_subscribe(penstock: Penstock) -> None:
    client = await penstock.connect(token(subscribe=["room.2"]))
    for request, options in (("presence", {}), ("subscribe", {"presence": True})):
        answer = await client.request(request, topic="room.1", **options)
        assert (answer["type"], answer["code"]) == ("error", "forbidden")
        assert "room.1" in answer["reason"]
    assert (await client.request("presence", topic="room.2"))["count"] == 0


async def test_presence_is_of_one_topic_whose_rule_has_it(penstock: Penstock) -> None:
    client = await penstock.connect()
    for request, options in (("presence", {}), ("subscribe", {"presence": True})):
        answer = await client.request(request, topic="room.*", **options)
        assert (answer["type"], answer["code"]) == ("error", "bad_request")
        assert "pattern" in answer["reason"]
        answer = await client.request(request, topic="plain.1", **options)
        assert (answer["type"], answer["code"]) == ("error", "not_found")
        assert "presence" in answer["reason"]
    assert (await client.request("subscribe", topic="room.*"))["type"] == "subscribed"
    assert (await client.request("presence", topic="room.1"))["count"] == 0, "a pattern makes no member"


async def kill(edge: Edge) -> None:
    """Have a gateway vanish as kill -9 does: it says nothing more, to anybody."""
    edge.gateway._presence._timer.cancel()  # type: ignore[union-attr]
    await edge.bus.close()


async def reported(edge: Edge) -> bool:
    return edge.gateway._presence._reports.is_done


async def has_lease(edge: Edge) -> bool:
    return bool(edge.gateway._presence._lease)
