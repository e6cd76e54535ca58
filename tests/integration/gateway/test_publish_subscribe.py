"""What clients do all day, in both dialects, on a whole Penstock."""

from __future__ import annotations

import asyncio
import json

import msgspec
import pytest

from tests.support.client import JSON, MSGPACK, Client
from tests.support.penstock import running, token

both = pytest.mark.parametrize("subprotocol", [JSON, MSGPACK])


@both
async def test_connected_says_who_is_there_and_for_how_long(subprotocol: str) -> None:
    async with running() as penstock:
        client = await penstock.open(subprotocols=[subprotocol])
        answer = await client.request("connect", token=token("ada", ttl=600), client={"name": "tests", "version": "1"})
        session, lasts = answer.pop("session"), answer.pop("expires_in")
        assert answer == {"type": "connected", "id": 1, "user": "ada", "heartbeat": 25}
        assert session.startswith(penstock.edges[0].gateway.boot_id)
        assert 595 < lasts <= 600
        other = await penstock.open(subprotocols=[subprotocol])
        assert (await other.request("connect", token=token("ada")))["session"] != session


async def test_without_a_subprotocol_json_is_spoken() -> None:
    async with running() as penstock:
        client = await penstock.connect()
        assert client.socket.subprotocol is None
        assert (await client.request("subscribe", topic="a"))["type"] == "subscribed"


async def test_the_first_subprotocol_that_we_speak_is_chosen() -> None:
    async with running() as penstock:
        client = await penstock.connect(subprotocols=["mqtt", MSGPACK, JSON])
        assert client.socket.subprotocol == MSGPACK


@both
async def test_what_a_client_publishes_reaches_every_subscriber_and_itself(subprotocol: str) -> None:
    async with running() as penstock:
        ada = await penstock.subscribed("orders.1", bearer=token("ada"), subprotocols=[subprotocol])
        grace = await penstock.subscribed("orders.*", bearer=token("grace"), subprotocols=[subprotocol])
        data = {"n": 1, "text": "ünïcode 😀", "list": [1, 2.5, None, True], "deep": {"a": {"b": []}}}
        ok = await ada.request("publish", topic="orders.1", data=data, key="k1")
        place = {"epoch": ok.pop("epoch"), "offset": 1}
        assert ok == {"type": "ok", "id": 3, "offset": 1}
        for client in (ada, grace):
            message = await client.message()
            assert message.pop("at") > 1_600_000_000_000
            expected = {"type": "message", "topic": "orders.1", "data": data, "key": "k1", "from": "ada"}
            assert message == expected | place


@pytest.mark.parametrize(("speaks", "hears"), [(JSON, MSGPACK), (MSGPACK, JSON)])
async def test_payloads_are_carried_from_one_dialect_into_the_other(speaks: str, hears: str) -> None:
    async with running() as penstock:
        listener = await penstock.subscribed("a", subprotocols=[hears])
        speaker = await penstock.connect(subprotocols=[speaks])
        for data in ({"n": [1, -1, 2**53, 1.5, "ü", None, False]}, [], "", 0, None, {"a": {}}):
            await speaker.request("publish", topic="a", data=data)
            message = await listener.message()
            assert message["data"] == data
            assert "encoding" not in message


async def test_bytes_of_a_msgpack_client_are_base64_for_json_clients() -> None:
    async with running() as penstock:
        listener = await penstock.subscribed("a", subprotocols=[JSON])
        speaker = await penstock.subscribed("a", subprotocols=[MSGPACK])
        await speaker.request("publish", topic="a", data={"raw": b"\x00\xff"})
        assert (await listener.message())["data"] == {"raw": "AP8="}
        assert (await speaker.message())["data"] == {"raw": b"\x00\xff"}


EVENTS = {
    "json": (b'{"n":1}', "application/json", {"data": {"n": 1}}, {"data": {"n": 1}}),
    "json, unsaid": (b"[1, 2]", None, {"data": [1, 2]}, {"data": [1, 2]}),
    "text": ("grüße".encode(), "text/plain", {"data": "grüße"}, {"data": "grüße"}),
    "empty text": (b"", "text/plain", {"data": ""}, {"data": ""}),
    "msgpack": (msgspec.msgpack.encode({"n": 1}), "application/msgpack", {"data": {"n": 1}}, {"data": {"n": 1}}),
    "bytes": (b"\x00\xff", "application/octet-stream", {"data": "AP8=", "encoding": "base64"}, {"data": b"\x00\xff"}),
}


@pytest.mark.parametrize("kind", EVENTS)
async def test_an_event(kind: str) -> None:
    body, content_type, as_json, as_msgpack = EVENTS[kind]
    async with running() as penstock:
        for subprotocol, expected in ((JSON, as_json), (MSGPACK, as_msgpack)):
            client = await penstock.subscribed("a", subprotocols=[subprotocol])
            properties = {"content_type": content_type, "message_id": subprotocol, "timestamp": 1_700_000_000}
            await penstock.emit("a", body=body, **properties)
            message = await client.message()
            assert (message.pop("at"), message.pop("key")) == (1_700_000_000_000, subprotocol)
            assert (message.pop("offset") > 0, bool(message.pop("epoch"))) == (True, True)
            assert message == {"type": "message", "topic": "a", **expected}


async def test_patterns_hear_what_they_match_and_nothing_else() -> None:
    patterns = ["a.*", "a.#", "*.b", "#", "a.b", "#.c"]
    topics = ["a", "a.b", "a.b.c", "b", "b.b", "c"]
    async with running() as penstock:
        clients = {pattern: await penstock.subscribed(pattern, "the.end") for pattern in patterns}
        for topic in [*topics, "the.end"]:
            await penstock.emit(topic, topic)
        heard = {pattern: await until_the_end(client) for pattern, client in clients.items()}
    assert heard == {
        "a.*": {"a.b"},
        "a.#": {"a", "a.b", "a.b.c"},
        "*.b": {"a.b", "b.b"},
        "#": set(topics),
        "a.b": {"a.b"},
        "#.c": {"a.b.c", "c"},
    }


async def test_a_client_hears_a_message_once_however_many_of_its_subscriptions_match() -> None:
    async with running() as penstock:
        client = await penstock.subscribed("a.b", "a.*", "#")
        await penstock.emit("a.b", 1)
        await penstock.emit("a.b", 2)
        assert [message["data"] for message in await client.messages(2)] == [1, 2]


async def test_who_has_unsubscribed_hears_no_more() -> None:
    async with running() as penstock:
        client = await penstock.subscribed("a", "b.*", "the.end")
        assert await client.request("unsubscribe", topic="a") == {"type": "ok", "id": 5}
        assert (await client.request("unsubscribe", topic="b.*"))["type"] == "ok"
        assert (await client.request("unsubscribe", topic="a"))["code"] == "not_found"
        for topic in ("a", "b.1", "the.end"):
            await penstock.emit(topic, topic)
        assert (await client.message())["topic"] == "the.end"
        assert (await client.request("subscribe", topic="a"))["type"] == "subscribed", "one may come back"
        await penstock.emit("a", 1)
        assert (await client.message())["topic"] == "a"


async def test_a_subscription_that_is_there_already_is_a_conflict() -> None:
    async with running() as penstock:
        client = await penstock.subscribed("a")
        assert (await client.request("subscribe", topic="a"))["code"] == "conflict"
        await penstock.emit("a", 1)
        assert (await client.message())["data"] == 1


@both
async def test_a_client_may_go_on_before_it_knows_that_it_is_let_in(subprotocol: str) -> None:
    async with running() as penstock:
        client = await penstock.open(subprotocols=[subprotocol])
        await client.send(
            {"type": "connect", "id": 1, "token": token()},
            {"type": "subscribe", "id": 2, "topic": "a"},
            {"type": "subscribe", "id": 3, "topic": "b"},
            {"type": "unsubscribe", "id": 4, "topic": "b"},
        )
        frames = [await client.next() for _ in range(4)]
        assert frames[0]["type"] == "connected"
        assert {frame["id"]: frame["type"] for frame in frames if frame["id"] in (1, 2, 4)} == {
            1: "connected",
            2: "subscribed",
            4: "ok",
        }
        await client.request("publish", topic="a", data=1)
        assert (await client.message())["data"] == 1


async def test_what_came_before_a_token_that_is_refused_is_not_done() -> None:
    async with running() as penstock, penstock.neighbour():
        listener = await penstock.subscribed("#", bearer=token("grace", subscribe=["#"]))
        client = await penstock.open()
        await client.send(
            {"type": "connect", "id": 1, "token": token(ttl=-60)},
            {"type": "subscribe", "id": 2, "topic": "a"},
            {"type": "publish", "id": 3, "topic": "a", "data": "never"},
        )
        assert await client.closed() == 4102
        await penstock.emit("the.end", None)
        assert "never" not in [message["data"] for message in await read_until(listener, "the.end")]


async def test_more_than_may_wait_for_connected_is_overloaded_and_the_rest_is_done() -> None:
    room = 21
    limits = {"max_subscriptions": room - 1, "max_pending_requests": room}
    async with running(gateway=limits) as penstock, penstock.neighbour():
        client = await penstock.open()
        early = [{"type": "unsubscribe", "id": number, "topic": "a"} for number in range(room + 5)]
        await client.send({"type": "connect", "id": 1000, "token": token()}, *early)
        refused = [await client.next() for _ in range(5)]
        assert [(frame["id"], frame["code"]) for frame in refused] == [
            (number, "overloaded") for number in range(room, room + 5)
        ]
        assert all(frame["retry_after"] > 0 for frame in refused)
        assert (await client.next())["type"] == "connected"
        assert [(await client.next())["id"] for _ in range(room)] == list(range(room))
        assert penstock.counters.too_many_pending == 5
        assert penstock.counters.errors["overloaded"] == 5


async def test_a_publisher_s_messages_keep_their_order_under_load() -> None:
    fast = {"publish_rate": 100_000, "publish_burst": 10_000}
    rates = {"connection_rate": 1e6, "connection_burst": 100_000, "user_rate": 1e6, "user_burst": 100_000}
    limits = {"frame_rate": 50_000, "frame_burst": 50_000, "max_pending_requests": 10_000}
    count, topics = 300, ["a", "b.1", "c.x.y"]
    async with running(topics=({"match": "#", **fast},), gateway=limits, **rates) as penstock:
        listener = await penstock.subscribed("#", bearer=token("listener"))
        publishers = [await penstock.connect(token(f"user{number}")) for number in range(4)]

        async def publish_all(client: Client) -> None:
            for number in range(count):
                frames = [
                    {"type": "publish", "id": number * 10 + place, "topic": topic, "data": number}
                    for place, topic in enumerate(topics)
                ]
                await client.send(*frames)

        async def hear_all() -> dict[tuple[str, str], list[int]]:
            heard: dict[tuple[str, str], list[int]] = {}
            for _ in range(count * len(topics) * len(publishers)):
                message = await listener.message()
                heard.setdefault((message["from"], message["topic"]), []).append(message["data"])
            return heard

        heard, *_ = await asyncio.gather(hear_all(), *map(publish_all, publishers))
    assert len(heard) == len(topics) * len(publishers)
    assert all(numbers == list(range(count)) for numbers in heard.values())


async def test_users_hear_nothing_of_one_another() -> None:
    async with running() as penstock:
        users = [f"user{number}" for number in range(20)]
        clients = {
            user: await penstock.subscribed(
                f"private.{user}", f"private.{user}.*", bearer=token(user, subscribe=[f"private.{user}.#"])
            )
            for user in users
        }
        for number in range(5):
            for user in users:
                await penstock.emit(f"private.{user}", [user, number])
                await penstock.emit(f"private.{user}.x", [user, number])
        for user, client in clients.items():
            messages = await client.messages(10)
            assert {message["data"][0] for message in messages} == {user}
            assert not client.others


async def test_a_subscription_hears_all_from_the_moment_it_was_answered() -> None:
    async with running() as penstock:
        stop = asyncio.Event()
        sent = 0

        async def keep_emitting() -> None:
            nonlocal sent
            while not stop.is_set():
                await penstock.emit("a", sent)
                sent += 1

        emitting = asyncio.create_task(keep_emitting())
        for _ in range(10):
            client = await penstock.subscribed("a", bearer=token(subscribe=["a"]))
            known = sent
            numbers = [message["data"] for message in await client.messages(30)]
            assert numbers == list(range(numbers[0], numbers[0] + 30))
            assert numbers[0] <= known + 1
        stop.set()
        await emitting


async def test_json_goes_out_byte_for_byte() -> None:
    body = b'{ "price": 1.10, "big": 123456789012345678901234567890, "e": 1E5, "twice": 1, "twice": 2 }'
    async with running() as penstock:
        client = await penstock.subscribed("a")
        await penstock.emit("a", body=body)
        assert body.decode() in str(await client.socket.recv())
        assert json.loads(body)


async def until_the_end(client: Client) -> set[str]:
    return {message["topic"] for message in await read_until(client, "the.end")}


async def read_until(client: Client, topic: str) -> list[dict[str, object]]:
    messages = []
    while (message := await client.message())["topic"] != topic:
        messages.append(message)
    return messages
