"""Who may come in, and who may do what: nothing but a good token opens anything."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hashlib
import hmac
import json
import time
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from websockets.exceptions import ConnectionClosed

from gateway.journal import ORIGIN_LENGTH
from tests.support.client import Raw
from tests.support.eventually import eventually
from tests.support.penstock import CANARY, SECRET, Penstock, running, token


def unsigned() -> str:
    """A token of the algorithm ``none`` (RFC 7519, section 6)."""

    def part(data: dict[str, Any]) -> str:
        return base64.urlsafe_b64encode(json.dumps(data).encode()).decode().rstrip("=")

    claims = {"sub": CANARY, "exp": int(time.time()) + 60, "penstock": {"subscribe": ["#"]}}
    return f"{part({'alg': 'none', 'typ': 'JWT'})}.{part(claims)}."


def private_key(algorithm: str) -> Any:
    match algorithm:
        case "RS256":
            return rsa.generate_private_key(65537, 2048)
        case "ES256":
            return ec.generate_private_key(ec.SECP256R1())
    return ed25519.Ed25519PrivateKey.generate()


BAD = {
    "no token": (lambda: "", 4101),
    "no JWT": (lambda: CANARY, 4101),
    "of a wrong key": (lambda: token(key="another key, as long as the right one is"), 4101),
    "that ran out": (lambda: token(ttl=-60), 4102),
    "of the algorithm none": (unsigned, 4101),
    "whose signature was cut off": (lambda: token().rpartition(".")[0] + ".", 4101),
    "for another HMAC": (lambda: token(algorithm="HS512", key=SECRET + SECRET), 4101),
    "for RS256": (lambda: token(algorithm="RS256", key=private_key("RS256")), 4101),
    "for ES256": (lambda: token(algorithm="ES256", key=private_key("ES256")), 4101),
    "for EdDSA": (lambda: token(algorithm="EdDSA", key=private_key("EdDSA")), 4101),
    "of the future": (lambda: token(nbf=int(time.time()) + 600), 4101),
    "without a user": (lambda: token(sub=""), 4101),
    "with rights that are no patterns": (lambda: token(subscribe=[f"a..{CANARY}"]), 4101),
}


@pytest.mark.parametrize("kind", BAD)
async def test_a_token(kind: str) -> None:
    bad, code = BAD[kind]
    async with running() as penstock, penstock.neighbour():
        client = await penstock.open()
        answer = await client.request("connect", token=bad())
        assert (answer["type"], answer["code"]) == ("error", "unauthenticated")
        assert await client.closed() == code
        assert penstock.router.counters.denied == {"unauthenticated": 1}
        assert penstock.counters.closed == {str(code): 1}
        assert penstock.counters.errors == {"unauthenticated": 1}
        assert penstock.said.events("request.unauthenticated")
        assert penstock.said.events(f"closed.{code}")
        assert penstock.counters.sessions == 1, "the neighbour's"


async def test_a_public_key_is_no_secret_to_sign_with(tmp_path: Path) -> None:
    public = private_key("RS256").public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    (tmp_path / "key.pem").write_bytes(public)
    signed = token().rpartition(".")[0]
    forged = base64.urlsafe_b64encode(hmac.new(public, signed.encode(), hashlib.sha256).digest()).decode().rstrip("=")
    async with running(auth={"public_key_file": tmp_path / "key.pem"}) as penstock:
        client = await penstock.open()
        assert (await client.request("connect", token=f"{signed}.{forged}"))["code"] == "unauthenticated"
        assert await client.closed() == 4101


async def test_nobody_is_anybody_before_connect() -> None:
    async with running() as penstock, penstock.neighbour():
        client = await penstock.open()
        for kind, fields in {
            "subscribe": {"topic": "neighbour.news"},
            "publish": {"topic": "neighbour.news", "data": CANARY},
            "unsubscribe": {"topic": "neighbour.news"},
            "refresh": {"token": token()},
        }.items():
            assert (await client.request(kind, **fields))["code"] == "unauthenticated"
        assert penstock.counters.errors == {"unauthenticated": 4}
        assert penstock.said.events("client.unauthenticated")


async def test_a_client_that_connects_and_says_nothing_is_closed_with_4100() -> None:
    async with running(gateway={"connect_timeout": 0.2}) as penstock, penstock.neighbour():
        raw = await penstock.raw()
        await raw.upgrade()
        assert await raw.closed() == 4100
        assert penstock.counters.closed == {"4100": 1}
        assert penstock.said.events("closed.4100")


async def test_a_client_that_says_much_but_not_who_it_is_is_closed_with_4100() -> None:
    async with running(gateway={"connect_timeout": 0.2}) as penstock, penstock.neighbour():
        client = await penstock.open()
        ended = asyncio.create_task(client.closed())
        while not ended.done():
            with contextlib.suppress(ConnectionClosed):
                await client.send({"type": "pong"})
            await asyncio.sleep(0.02)
        assert ended.result() == 4100


async def test_the_token_may_come_in_the_authorization_header() -> None:
    async with running() as penstock:
        client = await penstock.open(headers={"Authorization": f"Bearer {token('grace')}"})
        assert (await client.request("connect"))["user"] == "grace"


async def test_a_second_connect_is_a_conflict_and_changes_nothing() -> None:
    async with running() as penstock:
        client = await penstock.connect(token("ada"))
        answer = await client.request("connect", token=token("grace"))
        assert answer["code"] == "conflict"
        assert (await client.request("subscribe", topic="a"))["type"] == "subscribed"
        assert (await client.request("publish", topic="a", data=1))["type"] == "ok"
        assert (await client.message())["from"] == "ada"


ADA = ["orders.*", "chat.ada.#"]


@pytest.mark.parametrize("wanted", ["orders.1", "orders.*", "chat.ada", "chat.ada.#", "chat.ada.*.x"])
async def test_what_a_right_covers_may_be_heard(wanted: str) -> None:
    async with running() as penstock:
        client = await penstock.connect(token(subscribe=ADA))
        assert (await client.request("subscribe", topic=wanted))["type"] == "subscribed"


@pytest.mark.parametrize(
    "wanted", ["bills.1", "orders", "orders.1.2", "orders.#", "*.1", "#", "*.*", "chat.#", "chat.*", "chat.*.#"]
)
async def test_what_no_right_covers_entirely_is_forbidden(wanted: str) -> None:
    async with running() as penstock, penstock.neighbour():
        client = await penstock.connect(token(subscribe=ADA))
        answer = await client.request("subscribe", topic=wanted)
        assert answer["code"] == "forbidden"
        await forbidden_and_told(penstock)
        # Nothing of it is heard, and the client may go on.
        await penstock.emit("bills.1", CANARY)
        await penstock.emit("chat.grace", CANARY)
        await penstock.emit("orders.1.2", CANARY)
        assert (await client.request("subscribe", topic="orders.1"))["type"] == "subscribed"
        await penstock.emit("orders.1", "mine")
        assert (await client.message())["data"] == "mine"


@pytest.mark.parametrize("topic", ["bills.1", "orders", "orders.1.2", "neighbour.news"])
async def test_publishing_without_the_right_is_forbidden_and_reaches_nobody(topic: str) -> None:
    async with running() as penstock, penstock.neighbour():
        listener = await penstock.subscribed("#", bearer=token("grace"))
        client = await penstock.connect(token(publish=["orders.*"]))
        answer = await client.request("publish", topic=topic, data=CANARY)
        assert answer["code"] == "forbidden"
        await forbidden_and_told(penstock)
        assert (await client.request("publish", topic="orders.1", data="mine"))["type"] == "ok"
        heard = await listener.next(lambda frame: frame["type"] == "message" and frame.get("from") == "ada")
        assert heard["data"] == "mine"


async def test_a_token_without_rights_may_do_nothing() -> None:
    async with running() as penstock, penstock.neighbour():
        client = await penstock.connect(token(penstock={}))
        assert (await client.request("subscribe", topic="a"))["code"] == "forbidden"
        assert (await client.request("publish", topic="a", data=CANARY))["code"] == "forbidden"


async def test_a_connection_ends_with_its_token() -> None:
    async with running(auth={"secret": SECRET, "leeway": 0}) as penstock, penstock.neighbour():
        client = await penstock.connect(token(ttl=1.0))
        assert await client.closed() == 4102
        assert penstock.counters.closed == {"4102": 1}
        assert penstock.said.events("closed.4102")


async def test_a_refresh_lets_a_connection_live_on() -> None:
    async with running(auth={"secret": SECRET, "leeway": 0}) as penstock:
        client = await penstock.subscribed("a", bearer=token(ttl=1.0))
        answer = await client.request("refresh", token=token(ttl=3600))
        assert answer["type"] == "ok"
        assert 3590 < answer["expires_in"] <= 3600
        short = await penstock.connect(token("grace", ttl=1.0))
        assert await short.closed() == 4102, "the same second has passed for both"
        await penstock.emit("a", 1)
        assert (await client.message())["data"] == 1


async def test_a_narrower_token_ends_the_subscriptions_it_does_not_cover() -> None:
    async with running() as penstock, penstock.neighbour():
        client = await penstock.subscribed("orders.*", "chat.1")
        answer = await client.request("refresh", token=token(subscribe=["chat.*"], publish=[]))
        assert answer["type"] == "ok"
        lost = await client.error()
        assert lost["code"] == "forbidden"
        assert "orders.*" in lost["reason"]
        assert "id" not in lost
        await penstock.emit("orders.1", CANARY)
        await penstock.emit("chat.1", "still")
        assert (await client.message())["topic"] == "chat.1"
        assert (await client.request("publish", topic="chat.1", data=1))["code"] == "forbidden"
        assert (await client.request("subscribe", topic="orders.*"))["code"] == "forbidden"


@pytest.mark.parametrize("bad", [lambda: CANARY, lambda: token(ttl=-60), lambda: token("grace")])
async def test_a_bad_refresh_is_refused_and_the_old_token_counts(bad: Any) -> None:
    async with running() as penstock, penstock.neighbour():
        client = await penstock.subscribed("a")
        answer = await client.request("refresh", token=bad())
        assert answer["code"] in ("unauthenticated", "forbidden")
        await penstock.emit("a", 1)
        assert (await client.message())["data"] == 1
        assert not penstock.counters.closed


class TestOrigins:
    """Cross-site WebSocket hijacking: pages of others have no business here."""

    ALLOWED = ("https://app.example.com",)

    async def status(self, penstock: Penstock, *origins: str | None) -> int:
        raw = await penstock.raw()
        headers = b"".join(b"Origin: " + origin.encode() + b"\r\n" for origin in origins if origin is not None)
        await raw.write(Raw.HANDSHAKE + headers + b"\r\n")
        return int((await raw.read()).split(b" ")[1])

    @pytest.mark.parametrize("origin", [None, "https://app.example.com", "https://APP.example.com:443"])
    async def test_those_that_are_listed_and_clients_that_are_no_browsers_may_connect(self, origin: str | None) -> None:
        async with running(environment="production", allowed_origins=self.ALLOWED, api_keys=()) as penstock:
            assert await self.status(penstock, origin) == 101

    @pytest.mark.parametrize(
        "origin",
        [
            "null",
            "",
            "https://example.com",
            "http://app.example.com",
            "https://app.example.com.evil.net",
            "https://app.example.com:8443",
            "https://evilapp.example.com",
            "https://app.example.com@evil.net",
            "https://app.example.com/",
            "http://localhost:3000",
            "chrome-extension://abcdef",
            "*",
        ],
    )
    async def test_all_others_are_refused_with_403(self, origin: str) -> None:
        options: dict[str, Any] = {"environment": "production", "allowed_origins": self.ALLOWED, "api_keys": ()}
        async with running(**options) as penstock, penstock.neighbour():
            assert await self.status(penstock, origin) == 403
            assert penstock.counters.handshakes_refused == 1
            (line,) = penstock.said.events("handshake.refused")
            assert line.origin == origin, "the operator learns whom to allow, or to look for"
            assert penstock.counters.connections == 1, "the neighbour's"

    async def test_of_a_long_origin_the_log_has_the_beginning(self) -> None:
        options: dict[str, Any] = {"environment": "production", "allowed_origins": self.ALLOWED, "api_keys": ()}
        async with running(**options) as penstock:
            assert await self.status(penstock, "https://" + "a" * 5_000) == 403
            (line,) = penstock.said.events("handshake.refused")
            assert line.origin == ("https://" + "a" * 5_000)[:ORIGIN_LENGTH]

    async def test_two_origins_are_none_that_is_allowed(self) -> None:
        async with running(environment="production", allowed_origins=self.ALLOWED, api_keys=()) as penstock:
            assert await self.status(penstock, *self.ALLOWED, "https://evil.net") == 403

    async def test_null_must_be_allowed_by_name(self) -> None:
        async with running(environment="production", allowed_origins=("null",), api_keys=()) as penstock:
            assert await self.status(penstock, "null") == 101


async def forbidden_and_told(penstock: Penstock) -> None:
    await eventually(lambda: penstock.router.counters.denied == {"forbidden": 1})
    assert penstock.counters.errors == {"forbidden": 1}
    assert penstock.said.events("request.forbidden")
    assert penstock.said.events("client.forbidden")
