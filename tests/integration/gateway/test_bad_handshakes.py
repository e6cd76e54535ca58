"""Handshakes that never end, or should never have begun."""

from __future__ import annotations

import asyncio
import json

import pytest

from tests.support.client import Raw, websocket_frame
from tests.support.eventually import eventually
from tests.support.penstock import CANARY, Penstock, running, token

SOON = {"handshake_timeout": 0.3}


async def status(raw: Raw) -> int:
    return int((await raw.read_all()).split(b" ", 2)[1])


@pytest.mark.parametrize(
    "sent", [b"G", b"GET /ws HTTP/1.1\r\n", Raw.HANDSHAKE, Raw.HANDSHAKE + b"Cookie: " + CANARY.encode()]
)
async def test_a_handshake_that_never_ends_is_closed_with_408(sent: bytes) -> None:
    async with running(gateway=SOON) as penstock, penstock.neighbour():
        raw = await penstock.raw()
        await raw.write(sent)
        assert await status(raw) == 408
        assert penstock.port.heads_timed_out == 1
        assert penstock.said.events("head.timed_out")


async def test_a_handshake_that_comes_drop_by_drop_gets_no_more_time() -> None:
    async with running(gateway=SOON) as penstock, penstock.neighbour():
        raw = await penstock.raw()
        ended = asyncio.create_task(status(raw))
        await raw.write(Raw.HANDSHAKE)
        while not ended.done():
            await raw.write(b"X-Slow: loris\r\n")
            await asyncio.sleep(0.02)
        assert ended.result() == 408


async def test_a_client_that_connects_and_says_nothing_at_all_is_dropped() -> None:
    async with running(gateway=SOON) as penstock, penstock.neighbour():
        raw = await penstock.raw()
        assert await raw.read_all() == b""
        assert penstock.port.heads_timed_out == 1
        assert penstock.said.events("head.timed_out")


async def test_a_crowd_that_never_ends_its_handshake_makes_room_for_who_does() -> None:
    async with running(gateway={"max_handshakes": 50}) as penstock, penstock.neighbour():
        for _ in range(200):
            await (await penstock.raw()).write(b"GET /ws HT")
        await penstock.connect()
        assert penstock.port.heads_evicted >= 150
        assert penstock.port.heads_waiting <= 50
        assert penstock.said.events("head.evicted")


BAD = {
    "of another path": (Raw.HANDSHAKE.replace(b"/ws", b"/elsewhere"), 404),
    "without a key": (Raw.HANDSHAKE.replace(b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n", b""), 400),
    "with a key that is none": (Raw.HANDSHAKE.replace(b"dGhlIHNhbXBsZSBub25jZQ==", CANARY.encode()), 400),
    "of version 8": (Raw.HANDSHAKE.replace(b"Version: 13", b"Version: 8"), 400),
    "by POST": (Raw.HANDSHAKE.replace(b"GET", b"POST"), 405),
    "of HTTP/1.0": (Raw.HANDSHAKE.replace(b"HTTP/1.1", b"HTTP/1.0"), 505),
    "that offers other subprotocols": (Raw.HANDSHAKE + b"Sec-WebSocket-Protocol: mqtt, graphql-ws\r\n", 400),
    "that does not want to upgrade": (Raw.HANDSHAKE.replace(b"Connection: Upgrade", b"Connection: close"), 426),
    "with a header that is none": (Raw.HANDSHAKE + b"no colon here\r\n", 400),
    "with a NUL in a header": (Raw.HANDSHAKE + b"X: a\0b\r\n", 400),
}


@pytest.mark.parametrize("kind", BAD)
async def test_a_handshake(kind: str) -> None:
    head, expected = BAD[kind]
    async with running() as penstock, penstock.neighbour():
        raw = await penstock.raw()
        await raw.write(head + b"Authorization: Bearer " + token().encode() + b"\r\n\r\n")
        assert await status(raw) == expected
        assert penstock.counters.handshakes_refused == 1
        assert penstock.said.events("handshake.refused")
        assert penstock.counters.connections == 1, "the neighbour's"


@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + CANARY.encode(), 400),
        (b"\0" * 100, 400),
        (Raw.HANDSHAKE + b"Cookie: " + b"x" * 20_000 + b"\r\n\r\n", 431),
    ],
    ids=["TLS", "zeroes", "a head without end"],
)
async def test_what_is_no_request_is_refused_at_once(sent: bytes, expected: int) -> None:
    async with running() as penstock, penstock.neighbour():
        raw = await penstock.raw()
        await raw.write(sent)
        assert await status(raw) == expected
        assert penstock.port.heads_refused == 1
        assert penstock.said.events("head.refused")


async def test_a_token_in_the_address_is_never_logged_nor_taken() -> None:
    async with running() as penstock:
        raw = await penstock.raw()
        await raw.upgrade(target=f"/ws?token={token()}")
        await raw.write(websocket_frame(b'{"type":"connect","id":1}'))
        assert b"unauthenticated" in (await raw.frame())[1]
        assert await raw.closed() == 4101


async def test_frames_may_come_right_behind_the_handshake() -> None:
    async with running() as penstock:
        raw = await penstock.raw()
        connect = json.dumps({"type": "connect", "id": 1, "token": token()}).encode()
        await raw.write(Raw.HANDSHAKE + b"\r\n" + websocket_frame(connect))
        await raw.upgraded()
        assert b"connected" in (await raw.frame())[1]


async def test_those_in_the_middle_of_a_handshake_are_gone_when_the_gateway_stops() -> None:
    penstock: Penstock
    async with running() as penstock:
        raw = await penstock.raw()
        await raw.write(Raw.HANDSHAKE)
        await eventually(lambda: penstock.port.heads_waiting == 1)
    with pytest.raises(OSError):
        await Raw.to(penstock.edges[0].address)
