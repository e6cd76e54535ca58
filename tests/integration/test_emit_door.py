"""The emit door: events of back ends that know nothing of Penstock, by plain AMQP and by HTTP."""

from __future__ import annotations

import asyncio
import contextlib
import io
from collections.abc import AsyncIterator, Iterable
from typing import Any

import aiohttp
import msgspec
import pika
import pytest
from pika.exceptions import AMQPError, ChannelClosedByBroker
from yarl import URL

from shared.bus.port import Received, Source
from shared.bus.topology import DEAD
from tests.support.back_end import Event, emit, publish
from tests.support.broker import Broker, Vhost
from tests.support.client import JSON, MSGPACK
from tests.support.eventually import eventually
from tests.support.penstock import API_KEY, CANARY, Penstock, running, token

HUGE = b'"' + CANARY.encode() + b"x" * (20 * 2**20) + b'"'
REFUSED = 406
"""PRECONDITION_FAILED (AMQP 0-9-1, section 1.2): what RabbitMQ 4 says of a body beyond 16 MiB."""


async def dead_letters(penstock: Penstock) -> list[Received]:
    """What is in ``penstock.dead``, and what will be."""
    letters: list[Received] = []
    bus = await penstock.open_bus("undertaker")
    intake = await bus.consume(
        [Source(DEAD)], lambda each: (letters.append(each), intake.ack(each))[1], prefetch=100
    )  # fmt: skip
    return letters


@pytest.mark.parametrize("confirms", [True, False])
async def test_what_plain_pika_publishes_arrives_in_order_in_both_dialects(vhost: Vhost, confirms: bool) -> None:
    async with running(vhost.amqp_url) as penstock:
        clients = [await penstock.subscribed("orders.#", subprotocols=[each]) for each in (JSON, MSGPACK)]
        events: list[Event] = [(f"orders.{number % 5}", str(number).encode(), {}) for number in range(200)]
        with contextlib.closing(await asyncio.to_thread(publish, vhost.amqp_url, *events, confirms=confirms)):
            for client in clients:
                by_topic: dict[str, list[int]] = {}
                for message in await client.messages(200):
                    by_topic.setdefault(message["topic"], []).append(message["data"])
                assert by_topic == {f"orders.{place}": list(range(place, 200, 5)) for place in range(5)}


async def test_what_amqp_says_of_an_event_is_carried_to_the_client(vhost: Vhost) -> None:
    async with running(vhost.amqp_url) as penstock:
        json, msgpack = [await penstock.subscribed("a", subprotocols=[each]) for each in (JSON, MSGPACK)]
        properties = {"timestamp": 1_700_000_000, "headers": {"CC": ["b"], "x": {"deep": [1]}}}
        for offset, (content_type, body, as_json, as_msgpack) in enumerate([
            ("application/json", b'{"n":1.50}', {"data": {"n": 1.5}}, {"data": {"n": 1.5}}),
            ("text/plain", "grüße".encode(), {"data": "grüße"}, {"data": "grüße"}),
            ("application/msgpack", msgspec.msgpack.encode([b"\xff"]), {"data": ["/w=="]}, {"data": [b"\xff"]}),
            ("application/octet-stream", b"\xff", {"data": "/w==", "encoding": "base64"}, {"data": b"\xff"}),
        ], start=1):  # fmt: skip
            more = {"content_type": content_type, "message_id": f"m{offset}"}
            await asyncio.to_thread(emit, vhost.amqp_url, ("a", body, properties | more))
            common = {"type": "message", "topic": "a", "at": 1_700_000_000_000, "key": f"m{offset}", "offset": offset}
            for client, expected in ((json, as_json), (msgpack, as_msgpack)):
                message = await client.message()
                assert message.pop("epoch")
                assert message == common | expected


async def test_events_that_were_confirmed_wait_for_a_router(vhost: Vhost) -> None:
    async with running(vhost.amqp_url):
        pass  # it has declared what is durable
    await asyncio.to_thread(emit, vhost.amqp_url, *(("a", b"1", {}) for _ in range(20)))
    async with running(vhost.amqp_url) as penstock:
        await eventually(lambda: penstock.router.counters.published == 20)
        assert not penstock.router.counters.dead


MSGPACK_TYPE = {"content_type": "application/msgpack"}
PICTURE = {"content_type": "image/png"}

BAD: dict[str, tuple[Event, str]] = {
    "broken JSON": (("a", b'{"n":' + CANARY.encode(), {}), "bad_payload"),
    "JSON, and something behind it": (("a", b"1 " + CANARY.encode(), {}), "bad_payload"),
    "no body where JSON is due": (("a", b"", {}), "bad_payload"),
    "JSON, 10,000 deep": (("a", b"[" * 10_000 + b"]" * 10_000, {}), "bad_payload"),
    "text that is not UTF-8": (("a", CANARY.encode() + b"\xff", {"content_type": "text/plain"}), "bad_payload"),
    "msgpack of 2^32 - 1 items": (("a", b"\xdd\xff\xff\xff\xff", MSGPACK_TYPE), "bad_payload"),
    "a type that clients cannot be given": (("a", CANARY.encode(), PICTURE), "unknown_content_type"),
    "an empty routing key": (("", b'"canary-3f9c1d"', {}), "empty_topic"),
    "a routing key with wildcards": (("a.*", b"1", {}), "invalid_topic"),
    "a routing key with control characters": (("a\n\x1b[31m", b"1", {}), "invalid_topic"),
    "a routing key of 255 bytes": (("a" * 255, b"1", {}), "invalid_topic"),
    "200 KB": (("a", b'"' + CANARY.encode() + b"x" * 200_000 + b'"', {}), "too_large"),
}  # fmt: skip


@pytest.fixture
async def over_both(request: pytest.FixtureRequest) -> AsyncIterator[Penstock]:
    """On the memory bus, or on RabbitMQ."""
    url = request.getfixturevalue("vhost").amqp_url if request.param == "rabbitmq" else None
    async with running(url) as penstock, penstock.neighbour():
        yield penstock


async def send(penstock: Penstock, events: Iterable[Event]) -> None:
    """By pika where there is a broker."""
    if penstock.amqp_url:
        await asyncio.to_thread(emit, penstock.amqp_url, *events)
    else:
        for topic, body, properties in events:
            await penstock.emit(topic, body=body, **properties)


@pytest.mark.parametrize("over_both", ["memory", "rabbitmq"], indirect=True)
async def test_a_bad_event_is_a_dead_letter_with_its_reason_and_its_neighbours_arrive(over_both: Penstock) -> None:
    penstock, before, after = over_both, ("a", b'"before"', {}), ("a", b'"after"', {})
    letters = await dead_letters(penstock)
    client = await penstock.subscribed("a")
    for kind, (event, reason) in BAD.items():
        letters.clear()
        buried = penstock.router.counters.dead[reason]
        await send(penstock, [before, event, after])
        assert [message["data"] for message in await client.messages(2)] == ["before", "after"], kind
        await eventually(lambda: letters)
        (letter,) = letters
        assert (letter.headers["x-penstock-reason"], letter.body) == (reason, event[1]), kind
        assert letter.headers["x-penstock-origin-routing-key"] == event[0]
        assert penstock.router.counters.dead[reason] == buried + 1
        assert penstock.said.events(f"dead.{reason}")[-1].getMessage().isprintable()
    assert not penstock.router.counters.faults


@pytest.mark.parametrize("over_both", ["memory", "rabbitmq"], indirect=True)
async def test_an_event_of_20_mib_is_dead_or_refused_by_the_broker_itself(
    over_both: Penstock, request: pytest.FixtureRequest
) -> None:
    penstock = over_both
    letters = await dead_letters(penstock)
    client = await penstock.subscribed("a")
    refused = None
    try:
        await send(penstock, [("a", HUGE, {})])
    except ChannelClosedByBroker as error:
        refused = error.reply_code
    await send(penstock, [("a", b'"after"', {})])
    assert (await client.message())["data"] == "after"
    if penstock.amqp_url and _version(request) >= (4, 0):
        assert refused == REFUSED
        assert not letters
    else:
        assert refused is None
        await eventually(lambda: letters)
        assert letters[0].headers["x-penstock-reason"] == "too_large"
        assert len(letters[0].body) == len(HUGE)
        assert penstock.router.counters.dead == {"too_large": 1}
        assert penstock.said.events("dead.too_large")


async def test_a_back_end_that_breaks_off_in_the_middle_harms_nobody(vhost: Vhost) -> None:
    async with running(vhost.amqp_url) as penstock, penstock.neighbour():

        def break_off() -> None:
            connection = pika.BlockingConnection(pika.URLParameters(vhost.amqp_url))
            channel = connection.channel()
            with contextlib.suppress(AMQPError):
                channel.basic_publish("no.such.exchange", "a", b"1")
                connection.process_data_events(1)
            with contextlib.suppress(AMQPError):
                connection.close()

        client = await penstock.subscribed("a")
        await asyncio.to_thread(break_off)
        await asyncio.to_thread(emit, vhost.amqp_url, ("a", b"1", {}))
        assert (await client.message())["data"] == 1


def _version(request: pytest.FixtureRequest) -> tuple[int, ...]:
    broker: Broker = request.getfixturevalue("broker")
    return broker.version


KEY = {"Authorization": f"Bearer {API_KEY}"}
POSTS: dict[str, tuple[str, dict[str, str], bytes, int, str | None]] = {
    "good": ("a", KEY, b'{"n":1}', 202, None),
    "good, by the other header": ("a", {"X-API-Key": API_KEY}, b"1", 202, None),
    "without a key": ("a", {}, b"1", 401, "unauthenticated"),
    "with a token in place of a key": ("a", {"Authorization": f"Bearer {token()}"}, b"1", 403, "forbidden"),
    "with a wrong key": ("a", {"X-API-Key": CANARY}, b"1", 403, "forbidden"),
    "with half a key": ("a", {"X-API-Key": API_KEY[:-1]}, b"1", 403, "forbidden"),
    "with broken JSON": ("a", KEY, b'{"n":' + CANARY.encode(), 400, "bad_request"),
    "without a body": ("a", KEY, b"", 400, "bad_request"),
    "10,000 deep": ("a", KEY, b"[" * 10_000 + b"]" * 10_000, 400, "bad_request"),
    "on a pattern": ("a.*", KEY, b"1", 400, "bad_request"),
    "on no topic": ("", KEY, b"1", 400, "bad_request"),
    "on what is no topic": ("a%0Ab", KEY, b"1", 400, "bad_request"),
    "of 200 KB": ("a", KEY, b'"' + CANARY.encode() + b"x" * 200_000 + b'"', 413, "too_large"),
    "of 20 MiB": ("a", KEY, HUGE, 413, "too_large"),
    "of another type": ("a", KEY | {"Content-Type": "image/png"}, CANARY.encode(), 415, "bad_request"),
    "compressed": ("a", KEY | {"Content-Encoding": "gzip"}, b"1", 415, "bad_request"),
}


@pytest.mark.parametrize("kind", POSTS)
async def test_a_post(kind: str) -> None:
    topic, headers, body, status, code = POSTS[kind]
    async with running() as penstock, penstock.neighbour():
        client = await penstock.subscribed("#", bearer=token(subscribe=["#"]))
        answered = await post(penstock, topic, body, **headers)
        assert answered[0] == status
        assert penstock.port.http_answers == {str(status): 1}
        if code is None:
            assert answered[1] == {"topic": topic, "status": "accepted"}
            heard = await client.next(lambda frame: frame.get("topic") == "a")
            assert heard["data"] == msgspec.json.decode(body)
            assert penstock.counters.events_emitted == 1
        else:
            assert answered[1]["code"] == code
            assert answered[1]["reason"]
            assert penstock.said.events("http.refused")
            assert penstock.counters.events_emitted == 0


async def test_a_post_over_rabbitmq_arrives_with_its_type_and_its_key(vhost: Vhost) -> None:
    async with running(vhost.amqp_url) as penstock:
        client = await penstock.subscribed("a")
        headers = KEY | {"Content-Type": "text/plain; charset=utf-8", "Idempotency-Key": "k1"}
        assert (await post(penstock, "a", "grüße".encode(), **headers))[0] == 202
        message = await client.message()
        assert (message["data"], message["key"]) == ("grüße", "k1")
        assert penstock.port.http_answers == {"202": 1}


async def post(penstock: Penstock, topic: str, body: bytes, **headers: str) -> tuple[int, Any]:
    url = f"{penstock.edges[0].http}/api/events/{topic}"
    json = {"Content-Type": "application/json"} | headers
    async with (
        aiohttp.ClientSession(skip_auto_headers=["Accept-Encoding"]) as session,
        session.post(URL(url, encoded=True), data=io.BytesIO(body), headers=json) as answer,
    ):
        return answer.status, await answer.json()
