"""How many, how much and how fast: every bound has its answer, and whoever keeps within feels nothing."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest
from websockets.exceptions import InvalidStatus

from tests.support.client import Client, Frame
from tests.support.eventually import eventually
from tests.support.penstock import Penstock, running, token

LOOPBACK = ("127.0.0.0/8",)

RATES = {"connection_rate": 1000, "connection_burst": 1000, "user_rate": 1000, "user_burst": 1000}
TOPIC = {"match": "#", "publish_rate": 1000, "publish_burst": 1000}
"""More than any test here sends."""
SLOW = 5.0
"""Messages a second."""


class TestConnections:
    """In all, unauthenticated, of a user, from an address."""

    async def test_when_the_gateway_is_full_handshakes_get_503_and_when_to_come_again(self) -> None:
        async with running(gateway={"max_connections": 3}) as penstock, penstock.neighbour():
            _, second = await penstock.connect(), await penstock.connect()
            with pytest.raises(InvalidStatus) as refused:
                await penstock.connect()
            assert refused.value.response.status_code == 503
            assert int(refused.value.response.headers["Retry-After"]) > 0
            assert penstock.counters.handshakes_refused == 1
            assert penstock.said.events("handshake.refused")
            await second.leave()
            await eventually(lambda: penstock.counters.connections == 2)
            await penstock.connect()

    async def test_a_crowd_that_does_not_say_who_it_is_keeps_nobody_out_for_long(self) -> None:
        limits = {"max_unauthenticated": 2, "connect_timeout": 0.3}
        async with running(gateway=limits) as penstock, penstock.neighbour():
            crowd = [await penstock.open() for _ in range(2)]
            with pytest.raises(InvalidStatus) as refused:
                await penstock.connect()
            assert refused.value.response.status_code == 503
            assert [await client.closed() for client in crowd] == [4100, 4100]
            await eventually(lambda: penstock.counters.connections == 1)
            await penstock.connect()

    async def test_a_user_who_has_too_many_is_closed_with_4104(self) -> None:
        async with running(gateway={"max_per_user": 2}) as penstock, penstock.neighbour():
            first = await penstock.subscribed("a", bearer=token("ada"))
            await penstock.connect(token("ada"))
            third = await penstock.open()
            await third.send(
                {"type": "connect", "id": 1, "token": token("ada")}, {"type": "subscribe", "id": 2, "topic": "a"}
            )
            assert await third.closed() == 4104
            assert "connected" not in [frame["type"] for frame in third.others]
            assert penstock.counters.closed == {"4104": 1}
            assert penstock.said.events("closed.4104")
            await penstock.connect(token("grace"))
            await penstock.emit("a", 1)
            assert (await first.message())["data"] == 1, "those who were there stay, with all they hear"
            await first.leave()
            await eventually(lambda: penstock.counters.sessions == 3)
            await penstock.connect(token("ada"))

    async def test_an_address_that_has_too_many_is_closed_with_4104(self) -> None:
        async with running(gateway={"max_per_address": 3}) as penstock, penstock.neighbour():
            _, second = await penstock.connect(), await penstock.connect()
            assert await (await penstock.open()).closed() == 4104
            assert penstock.counters.closed == {"4104": 1}
            assert penstock.said.events("closed.4104")
            await second.leave()
            await eventually(lambda: penstock.counters.connections == 2)
            await penstock.connect()

    async def test_a_crowd_from_one_address_is_told_so_by_503_when_too_many_are_being_told(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("gateway.reception.MAX_FAREWELLS", 0)
        async with running(gateway={"max_per_address": 1}) as penstock:
            await penstock.connect()
            with pytest.raises(InvalidStatus) as refused:
                await penstock.open()
            assert refused.value.response.status_code == 503

    async def test_a_forged_x_forwarded_for_gives_no_further_address(self) -> None:
        async with running(gateway={"max_per_address": 2}) as penstock:
            for number in range(2):
                await penstock.connect(headers={"X-Forwarded-For": f"192.0.2.{number}"})
            forged = await penstock.open(headers={"X-Forwarded-For": "198.51.100.9, 203.0.113.7"})
            assert await forged.closed() == 4104

    async def test_behind_a_trusted_proxy_each_client_has_its_own_address(self) -> None:
        async with running(gateway={"max_per_address": 1}, trusted_proxies=LOOPBACK) as penstock:
            for number in range(3):
                await penstock.connect(headers={"X-Forwarded-For": f"192.0.2.{number}"})
            again = await penstock.open(headers={"X-Forwarded-For": "192.0.2.1"})
            assert await again.closed() == 4104
            assert penstock.said.events("closed.4104")[0].address == "192.0.2.1"  # type: ignore[attr-defined]

    @pytest.mark.parametrize("forged", ["192.0.2.{}, 198.51.100.1", "127.0.0.1, 192.0.2.{}, 198.51.100.1, 127.0.0.2"])
    async def test_what_a_client_wrote_before_the_proxy_s_own_word_is_not_believed(self, forged: str) -> None:
        async with running(gateway={"max_per_address": 2}, trusted_proxies=LOOPBACK) as penstock:
            for number in range(2):
                await penstock.connect(headers={"X-Forwarded-For": forged.format(number)})
            third = await penstock.open(headers={"X-Forwarded-For": forged.format(3)})
            assert await third.closed() == 4104

    async def test_the_many_addresses_of_one_ipv6_network_are_one(self) -> None:
        async with running(gateway={"max_per_address": 2}, trusted_proxies=LOOPBACK) as penstock:
            for number in range(2):
                await penstock.connect(headers={"X-Forwarded-For": f"2001:db8:1:1::{number}"})
            third = await penstock.open(headers={"X-Forwarded-For": "2001:db8:1:1:ffff::3"})
            assert await third.closed() == 4104
            await penstock.connect(headers={"X-Forwarded-For": "2001:db8:1:2::3"})

    async def test_those_who_come_and_go_are_counted_as_gone(self) -> None:
        limits = {"max_connections": 4, "max_per_user": 4, "max_per_address": 4, "max_unauthenticated": 4}
        async with running(gateway=limits) as penstock:
            for _ in range(10):
                clients = [await penstock.subscribed("a") for _ in range(3)] + [await penstock.open()]
                for client in clients:
                    await client.leave()
                await eventually(lambda: penstock.counters.connections == 0)
            assert penstock.counters.sessions == 0
            assert penstock.counters.accepted == 40


class TestSubscriptions:
    """128 of one connection."""

    async def test_the_129th_is_forbidden_and_one_may_be_exchanged_for_another(self) -> None:
        async with running() as penstock, penstock.neighbour():
            client = await penstock.connect()
            await client.send(*({"type": "subscribe", "id": 1000 + n, "topic": f"a.{n}"} for n in range(128)))
            answers = [await client.answer(1000 + number) for number in range(128)]
            assert {answer["type"] for answer in answers} == {"subscribed"}
            refused = await client.request("subscribe", topic="one.more")
            assert refused["code"] == "forbidden"
            assert "128" in refused["reason"]
            assert penstock.counters.too_many_subscriptions == 1
            assert penstock.counters.errors == {"forbidden": 1}
            await penstock.emit("a.127", 1)
            assert (await client.message())["topic"] == "a.127"
            await client.request("unsubscribe", topic="a.5")
            assert (await client.request("subscribe", topic="one.more"))["type"] == "subscribed"

    async def test_a_hundred_thousand_subscriptions_one_after_the_other_leave_nothing_behind(self) -> None:
        """In small: each round takes a subscription, and gives it back."""
        limits = {"frame_rate": 100_000, "frame_burst": 100_000}
        async with running(gateway=limits) as penstock, penstock.neighbour():
            client = await penstock.connect()
            for start in range(0, 1000, 50):
                await client.send(
                    *({"type": "subscribe", "id": n, "topic": f"t.{n}"} for n in range(start, start + 50))
                )
                for number in range(start, start + 50):
                    assert (await client.answer(number))["type"] == "subscribed"
                await client.send(
                    *({"type": "unsubscribe", "id": n, "topic": f"t.{n}"} for n in range(start, start + 50))
                )
                for number in range(start, start + 50):
                    assert (await client.answer(number))["type"] == "ok"
            await client.request("subscribe", topic="one.more")
            await penstock.emit("t.1", "not for me")
            await penstock.emit("one.more", "for me")
            assert (await client.message())["data"] == "for me"


class TestRates:
    """What one may publish in a second, and when to try again."""

    async def publish(self, client: Client, count: int, topic: str = "a") -> list[Frame]:
        """Publish so many at once, and return the answers."""
        await client.send(*({"type": "publish", "id": 500 + n, "topic": topic, "data": n} for n in range(count)))
        return [await client.answer(500 + number) for number in range(count)]

    async def limited(self, penstock: Penstock, answers: list[Frame], burst: int) -> float:
        """Check that `burst` were done and the others limited; return how long one has to wait."""
        types = [answer["type"] for answer in answers]
        assert types == ["ok"] * burst + ["error"] * (len(answers) - burst)
        refused = answers[burst:]
        assert {answer["code"] for answer in refused} == {"rate_limited"}
        assert all(0 < answer["retry_after"] <= 1 / SLOW + 0.01 for answer in refused)
        assert penstock.router.counters.denied == {"rate_limited": len(refused)}
        assert penstock.said.events("request.rate_limited")
        return float(refused[-1]["retry_after"])

    async def test_of_a_connection(self) -> None:
        rates = RATES | {"connection_rate": SLOW, "connection_burst": 3}
        async with running(**rates, topics=(TOPIC,)) as penstock, penstock.neighbour():
            client = await penstock.connect()
            wait = await self.limited(penstock, await self.publish(client, 6), 3)
            other = await penstock.connect()
            assert {answer["type"] for answer in await self.publish(other, 3)} == {"ok"}, "another connection may"
            await self.may_go_on_after(client, wait)

    async def test_of_a_user(self) -> None:
        rates = RATES | {"user_rate": SLOW, "user_burst": 3}
        async with running(**rates, topics=(TOPIC,)) as penstock, penstock.neighbour():
            client = await penstock.connect()
            wait = await self.limited(penstock, await self.publish(client, 6), 3)
            again = await penstock.connect()
            assert (await again.request("publish", topic="b", data=1))["code"] == "rate_limited"
            grace = await penstock.connect(token("grace"))
            assert {answer["type"] for answer in await self.publish(grace, 3)} == {"ok"}, "another user may"
            await self.may_go_on_after(client, wait)

    async def test_of_a_user_on_a_topic(self) -> None:
        topics: Any = ({"match": "slow.*", "publish_rate": SLOW, "publish_burst": 3}, TOPIC)
        async with running(**RATES, topics=topics) as penstock, penstock.neighbour():
            client = await penstock.connect()
            wait = await self.limited(penstock, await self.publish(client, 6, "slow.1"), 3)
            assert {answer["type"] for answer in await self.publish(client, 3, "slow.2")} == {"ok"}, "another topic"
            assert {answer["type"] for answer in await self.publish(client, 9, "fast")} == {"ok"}, "another rule"
            await self.may_go_on_after(client, wait, "slow.1")

    async def test_what_is_refused_reaches_nobody(self) -> None:
        rates = RATES | {"user_rate": SLOW, "user_burst": 3}
        async with running(**rates, topics=(TOPIC,)) as penstock:
            listener = await penstock.subscribed("a", "the.end", bearer=token("grace"))
            await self.publish(await penstock.connect(), 6)
            await penstock.emit("the.end", None)
            assert [(await listener.message())["data"] for _ in range(4)] == [0, 1, 2, None]

    async def test_coming_back_and_subscribing_count_against_no_rate(self) -> None:
        rates = RATES | {"user_rate": SLOW, "user_burst": 1, "connection_rate": 1.0, "connection_burst": 1}
        async with running(**rates) as penstock:
            for _ in range(10):
                client = await penstock.subscribed(*(f"a.{number}" for number in range(10)))
                await client.leave()
            assert not penstock.router.counters.denied

    async def test_events_of_back_ends_are_not_limited(self) -> None:
        rates = RATES | {"user_rate": SLOW, "user_burst": 1}
        async with running(**rates, topics=({"match": "#", "publish_rate": 1.0, "publish_burst": 1},)) as penstock:
            client = await penstock.subscribed("a")
            for number in range(50):
                await penstock.emit("a", number)
            assert [message["data"] for message in await client.messages(50)] == list(range(50))

    async def may_go_on_after(self, client: Client, wait: float, topic: str = "a") -> None:
        """Try until it works; it does after what was said, and not before."""
        began = time.monotonic()
        while (answer := await client.request("publish", topic=topic, data=1))["type"] != "ok":
            assert answer["retry_after"] <= wait
            await asyncio.sleep(0.02)
        assert time.monotonic() - began < wait + 1.0


async def test_more_requests_than_may_wait_for_an_answer_are_overloaded() -> None:
    limits = {"max_subscriptions": 20, "max_pending_requests": 21}
    async with running(gateway=limits) as penstock, penstock.neighbour():
        client = await penstock.connect()
        await client.send(*({"type": "publish", "id": n, "topic": "a", "data": n} for n in range(30)))
        answers = [await client.answer(number) for number in range(30)]
        assert [answer["type"] for answer in answers] == ["ok"] * 21 + ["error"] * 9
        assert {answer["code"] for answer in answers[21:]} == {"overloaded"}
        assert all(answer["retry_after"] > 0 for answer in answers[21:])
        assert penstock.counters.too_many_pending == 9
        assert penstock.said.events("client.overloaded")
        assert (await client.request("publish", topic="a", data=1))["type"] == "ok"


class TestBytes:
    """Who has not said who it is may send little; who has, may send what it likes in its time."""

    LARGE = "x" * 60_000

    async def test_a_client_that_is_not_known_yet_may_not_send_large_messages(self) -> None:
        async with running() as penstock, penstock.neighbour():
            client = await penstock.open()
            await client.send({"type": "publish", "id": 1, "topic": "a", "data": self.LARGE})
            assert await client.closed() == 4107

    async def test_one_message_with_connect_and_all_subscriptions_is_taken_and_then_a_large_publish(self) -> None:
        async with running() as penstock, penstock.neighbour():
            client = await penstock.open()
            topics = [f"{number:03}." + "long" * 40 for number in range(127)]
            subscribes = [{"type": "subscribe", "id": number, "topic": t} for number, t in enumerate(topics, 2)]
            await client.send({"type": "connect", "id": 1, "token": token()}, *subscribes)
            for number in range(1, 129):
                assert (await client.answer(number))["type"] in ("connected", "subscribed")
            answer = await client.request("publish", id=200, topic=topics[0], data=self.LARGE)
            assert answer["type"] == "ok"
            assert (await client.message())["data"] == self.LARGE
            assert penstock.counters.rate_limited == 0

    async def test_a_client_that_sends_more_bytes_than_it_may_is_told_so_and_stays(self) -> None:
        limits = {"max_subscriptions": 4, "max_frame_bytes": 64 * 1024}
        async with running(gateway=limits) as penstock, penstock.neighbour():
            client = await penstock.connect()
            for number in range(30):
                await client.send({"type": "unsubscribe", "id": number, "topic": "a", "more": self.LARGE})
            limited = await client.next(lambda frame: frame.get("code") == "rate_limited")
            assert limited["retry_after"] > 0
            assert penstock.counters.frames_received < 30, "what is refused is not even read"
            assert (await client.request("unsubscribe", id=99, topic="a"))["id"] == 99
            assert penstock.counters.closed == {}
