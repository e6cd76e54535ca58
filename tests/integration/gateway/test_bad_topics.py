"""Strings where a topic is due: refused by their grammar; none becomes a binding, a key or a line of the log."""

from __future__ import annotations

import pytest

from tests.support.penstock import CANARY, running

NEVER = {
    "empty": "",
    "a dot": ".",
    "a dot at the end": "a.",
    "a dot at the beginning": ".a",
    "an empty segment": "a..b",
    "201 bytes": "a" * 201,
    "600 characters": "a" * 600,
    "17 segments": ".".join("a" * 17),
    "a line break": "a\nb",
    "a NUL": "a\0b",
    "an escape": "a\x1b[31mb",
    "a C1 control character": "a\x9bb",
    "a line separator": "a\u2028b",
    "a space": "a b",
    "a slash": "a/b",
    "an umlaut": "straße",
    "a full stop of another script": "a\uff0eb",
    "an emoji": "😀",
}
WILDCARDS = {"a star": "*", "a hash": "#", "a star in it": "a.*.b", "a hash at the end": "a.#"}
HALF_WILD = {"a star in a word": "a*", "two stars": "**", "a hash in a word": "a.b#"}


@pytest.mark.parametrize("kind", NEVER | WILDCARDS | HALF_WILD)
async def test_publishing_on(kind: str) -> None:
    topic = (NEVER | WILDCARDS | HALF_WILD)[kind]
    async with running() as penstock, penstock.neighbour():
        client = await penstock.connect()
        asked = penstock.counters.requests
        answer = await client.request("publish", topic=topic, data=CANARY)
        assert (answer["type"], answer["code"]) == ("error", "bad_request")
        assert penstock.counters.errors == {"bad_request": 1}
        assert penstock.counters.requests <= asked + 1, "no router was asked, but by a probe"
        assert penstock.router.counters.denied == {}
        (line,) = penstock.said.events("client.bad_request")
        assert line.getMessage().isprintable()
        assert len(line.getMessage()) < 300
        assert (await client.request("publish", topic="a", data=1))["type"] == "ok", "the client may go on"


@pytest.mark.parametrize("kind", NEVER | HALF_WILD)
async def test_subscribing_to(kind: str) -> None:
    topic = (NEVER | HALF_WILD)[kind]
    async with running() as penstock, penstock.neighbour():
        client = await penstock.connect()
        answer = await client.request("subscribe", topic=topic)
        assert (answer["type"], answer["code"]) == ("error", "bad_request")
        assert penstock.counters.errors == {"bad_request": 1}
        assert penstock.router.counters.denied == {}
        (line,) = penstock.said.events("client.bad_request")
        assert line.getMessage().isprintable()
        assert (await client.request("subscribe", topic="a"))["type"] == "subscribed", "the client may go on"


@pytest.mark.parametrize("topic", ["", "a", "a\nb", "#"])
async def test_unsubscribing_from_what_was_not_subscribed(topic: str) -> None:
    async with running() as penstock, penstock.neighbour():
        client = await penstock.connect()
        assert (await client.request("unsubscribe", topic=topic))["code"] == "not_found"
        assert penstock.counters.errors == {"not_found": 1}


@pytest.mark.parametrize("topic", ["a", "A-Z_0~9:@=", ".".join("a" * 16), "a" * 200])
async def test_what_is_a_topic(topic: str) -> None:
    async with running() as penstock:
        client = await penstock.subscribed(topic)
        assert (await client.request("publish", topic=topic, data=1))["type"] == "ok"
        assert (await client.message())["topic"] == topic
