"""Real processes: a gateway that is killed leaves no ghosts, one that is stopped for a while comes back."""

from __future__ import annotations

import asyncio
import json
import signal

import pytest

from penstock.cli.exits import Exit
from router.tokens import MAX_NAME
from shared.store.roll import LISTED_BYTES
from tests.support.client import open_socket
from tests.support.eventually import wait_until
from tests.support.penstock import API_KEY, SECRET, token
from tests.support.ports import free_port

LEASE, LINGER = 4, 1
"""Seconds; shorter than in earnest."""


class Fleet:
    """A router and two gateways over RabbitMQ and a store."""

    def __init__(self, penstock, amqp_url, store_url, **settings):
        self.penstock = penstock
        self.settings = settings | {
            "PENSTOCK_AMQP_URL": amqp_url,
            "PENSTOCK_STORE_URL": store_url,
            "PENSTOCK_AUTH__SECRET": SECRET,
            "PENSTOCK_TOPICS": json.dumps([{"match": "room.#", "presence": True}]),
            "PENSTOCK_PRESENCE_LEASE": str(LEASE),
            "PENSTOCK_PRESENCE_LINGER": str(LINGER),
            "PENSTOCK_METRICS_PORT": "0",
        }
        self.router = penstock.start("router", **self.settings)
        self.ports = [free_port(), free_port()]
        self.gateways = [penstock.start("gateway", "--port", str(port), **self.settings) for port in self.ports]
        for gateway, port in zip(self.gateways, self.ports, strict=True):
            gateway.answers(port, "/readyz")

    async def connected(self, user, number):
        client = await open_socket(f"ws://127.0.0.1:{self.ports[number]}/ws")
        answer = await client.request("connect", token=token(user))
        assert answer["type"] == "connected", answer
        return client

    async def client(self, user, number):
        client = await self.connected(user, number)
        await client.request("subscribe", topic="room.1", presence=True)
        return client

    def sessions(self, *options):
        code, out, err = self.penstock.run("sessions", "--json", *options, **self.settings)
        assert code == Exit.OK, err
        return json.loads(out)

    def counts(self, *options):
        """How many are connected, by the store and by a gateway, and how many of them are listed, at most."""
        over_http = ("--url", f"http://127.0.0.1:{self.ports[0]}")
        answers = [self.sessions("--limit", "1000", *options, *way) for way in ((), over_http)]
        return [answer["count"] for answer in answers], max(len(answer["sessions"]) for answer in answers)


@pytest.fixture
def fleet(penstock, vhost, store_url):
    return Fleet(penstock, vhost.amqp_url, store_url)


async def news(client):
    frame = await client.next(lambda frame: frame["type"] in ("joined", "left"))
    return frame["type"], frame["member"]["user"]


async def members(client):
    answer = await client.request("presence", topic="room.1")
    return answer["count"], sorted(member["user"] for member in answer["members"])


async def test_a_gateway_that_is_killed_leaves_no_ghosts_and_one_that_stood_still_comes_back(fleet):
    watcher = await fleet.client("watcher", 0)
    ann = await fleet.client("ann", 1)
    assert [await news(watcher), await news(watcher)] == [("joined", "watcher"), ("joined", "ann")]
    wait_until(lambda: fleet.sessions()["count"] == 2)
    [session] = fleet.sessions("--user", "ann")["sessions"]
    assert (session["user"], session["address"]) == ("ann", "127.0.0.1")

    fleet.gateways[1].tell(signal.SIGSTOP)
    assert await news(watcher) == ("left", "ann")
    assert await members(watcher) == (1, ["watcher"])
    fleet.gateways[1].tell(signal.SIGCONT)
    assert await news(watcher) == ("joined", "ann")
    assert await members(watcher) == (2, ["ann", "watcher"])

    fleet.gateways[1].tell(signal.SIGKILL)
    assert await news(watcher) == ("left", "ann")
    assert await members(watcher) == (1, ["watcher"])
    assert [each["user"] for each in fleet.sessions()["sessions"]] == ["watcher"]
    await ann.leave()
    await watcher.leave()


async def test_the_count_of_a_users_sessions_is_exact_though_they_are_too_many_to_be_listed(
    penstock, vhost, store_url
):
    user = "u" * MAX_NAME
    many = LISTED_BYTES // MAX_NAME - 80  # beside the name each takes some bytes more
    settings = {"PENSTOCK_API_KEYS": API_KEY, "PENSTOCK_GATEWAY__MAX_PER_USER": str(many)}
    fleet = Fleet(penstock, vhost.amqp_url, store_url, **settings)
    clients = [await fleet.connected("ann", 0), await fleet.connected(user, 1)]
    for _ in range(0, many, 48):
        clients += await asyncio.gather(*[fleet.connected(user, 0) for _ in range(48)])
    assert len(clients) > many
    wait_until(lambda: fleet.sessions()["count"] == len(clients))
    counts, listed = fleet.counts("--user", user)
    assert counts == [len(clients) - 1] * 2
    assert listed < len(clients) - 1
    for client in clients:
        await client.leave()
