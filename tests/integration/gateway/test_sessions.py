"""``GET /api/sessions``: who is connected, for who has an API key."""

from __future__ import annotations

import asyncio
import json
import urllib.error
import urllib.request
from typing import Any

import pytest

from shared.store import memory_presence
from tests.integration.gateway.port import KEY, ask, open_port
from tests.integration.gateway.test_http import request
from tests.support.eventually import eventually
from tests.support.penstock import API_KEY, Penstock, running, token


async def test_sessions_are_listed_with_the_count_that_a_router_tells() -> None:
    async with open_port() as port:
        answer = await ask(port, request("GET", "/api/sessions?user=bob&limit=1", X_API_Key=KEY))
        assert (answer.status, answer.json["count"]) == (200, 7)
        assert answer.json["sessions"] == [
            {"session": "boot.1", "user": "bob", "gateway": "boot", "address": "::1", "since": 1_700_000_000_000}
        ]


@pytest.mark.parametrize(("headers", "status"), [({}, 401), ({"X_API_Key": "another"}, 403)])
async def test_who_has_no_key_learns_nothing(headers: dict[str, str], status: int) -> None:
    async with open_port() as port:
        answer = await ask(port, request("GET", "/api/sessions", **headers))
        assert answer.status == status
        assert "count" not in answer.json


@pytest.mark.parametrize("limit", ["0", "1001", "-1", "x", "", "1" * 5000, "%C2%B2"])
async def test_a_limit_that_cannot_be_is_refused(limit: str) -> None:
    async with open_port() as port:
        answer = await ask(port, request("GET", f"/api/sessions?limit={limit}", X_API_Key=KEY))
        assert answer.status == 400
        assert "1 to 1000" in answer.json["reason"]


async def test_only_get_is_possible_and_without_a_router_it_is_said_when_to_come_again() -> None:
    async with open_port() as port:
        assert (await ask(port, request("POST", "/api/sessions", X_API_Key=KEY))).status == 405
        port.is_ready = False
        answer = await ask(port, request("GET", "/api/sessions", X_API_Key=KEY))
        assert (answer.status, answer.json["code"], answer.headers["retry-after"]) == (503, "unavailable", "2")


async def found(penstock: Penstock, query: str = "") -> Any:
    def fetch() -> Any:
        url = f"{penstock.edges[0].http}/api/sessions{query}"
        with urllib.request.urlopen(urllib.request.Request(url, headers={"X-API-Key": API_KEY})) as answer:
            return json.loads(answer.read())

    return await asyncio.to_thread(fetch)


@pytest.mark.parametrize("bus", ["memory", "rabbitmq"])
async def test_who_is_connected_to_any_gateway_is_listed_until_they_leave(
    bus: str, request: pytest.FixtureRequest
) -> None:
    url = request.getfixturevalue("vhost").amqp_url if bus == "rabbitmq" else None
    async with running(url, gateways=2) as penstock:
        await penstock.open()  # who has not said who they are is nobody
        ann = await penstock.connect(token("ann"), penstock.edges[1])
        for edge in penstock.edges:
            await penstock.connect(token("bob"), edge)

        async def all_there() -> bool:
            return bool((await found(penstock))["count"] == 3)

        await eventually(all_there)
        listed = (await found(penstock))["sessions"]
        assert sorted(each["user"] for each in listed) == ["ann", "bob", "bob"]
        assert {each["gateway"] for each in listed} == {edge.gateway.boot_id for edge in penstock.edges}
        assert len((await found(penstock, "?limit=1"))["sessions"]) == 1
        assert [each["address"] for each in (await found(penstock, "?user=ann"))["sessions"]] == ["127.0.0.1"]
        assert (await found(penstock, "?user=bob"))["count"] == 2
        await ann.leave()

        async def ann_has_left() -> bool:
            return bool((await found(penstock, "?user=ann"))["count"] == 0)

        await eventually(ann_has_left)
        assert (await found(penstock))["count"] == 2


async def test_the_count_is_exact_where_one_user_has_more_sessions_than_are_listed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(memory_presence, "LISTED_BYTES", 100)  # two or three, of each gateway
    async with running(gateways=2) as penstock:
        for edge in penstock.edges:
            for user in ("ann", *["bob"] * 5):
                await penstock.connect(token(user), edge)

        async def all_there() -> bool:
            return bool((await found(penstock))["count"] == 12)

        await eventually(all_there)
        answer = await found(penstock, "?user=bob")
        assert answer["count"] == 10
        assert 2 <= len(answer["sessions"]) < 10
