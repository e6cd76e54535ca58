"""Bytes that are no good WebSocket frames (RFC 6455, section 5)."""

from __future__ import annotations

import json

import pytest

from tests.support.client import MSGPACK, Raw, websocket_frame
from tests.support.eventually import eventually
from tests.support.penstock import CANARY, Penstock, running, token

TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10
MAX = 64 * 1024
CANARY_BYTES = CANARY.encode()

BROKEN = {
    "RSV1, which would be compression": websocket_frame(CANARY_BYTES, rsv=4),
    "RSV2": websocket_frame(CANARY_BYTES, rsv=2),
    "RSV3": websocket_frame(CANARY_BYTES, rsv=1),
    "all RSV bits on a ping": websocket_frame(CANARY_BYTES, PING, rsv=7),
    "no mask": websocket_frame(CANARY_BYTES, masked=False),
    "opcode 3": websocket_frame(CANARY_BYTES, 3),
    "opcode 15": websocket_frame(CANARY_BYTES, 15),
    "a continuation of nothing": websocket_frame(CANARY_BYTES, 0),
    "a message inside another": websocket_frame(b"{", fin=False) + websocket_frame(CANARY_BYTES),
    "a ping in fragments": websocket_frame(CANARY_BYTES, PING, fin=False),
    "a ping of 126 bytes": websocket_frame(CANARY_BYTES * 10, PING),
    "a close of one byte": websocket_frame(b"\x03", CLOSE),
    "a close whose code is not for the wire": websocket_frame(b"\x03\xed" + CANARY_BYTES, CLOSE),
    "a close whose reason is not UTF-8": websocket_frame(b"\x03\xe8\xff" + CANARY_BYTES, CLOSE),
    "text that is not UTF-8": websocket_frame(b'{"type":"\xff' + CANARY_BYTES),
    "text that ends within a character": websocket_frame('{"type":"ü'.encode()[:-1]),
}
TOO_LARGE = {
    "one byte too many": websocket_frame(b"x" * (MAX + 1)),
    "16 MiB that never come": websocket_frame(CANARY_BYTES, length=16 * 2**20),
    "2^63 - 1 bytes that never come": websocket_frame(CANARY_BYTES, length=2**63 - 1),
    "2^64 - 1 bytes that never come": websocket_frame(CANARY_BYTES, length=2**64 - 1),
    "fragments that are too much together": websocket_frame(b"x" * MAX, fin=False) + websocket_frame(b"x", 0),
}


async def authenticated(penstock: Penstock, *, client: str = "ada") -> Raw:
    raw = await penstock.raw()
    await raw.upgrade()
    await raw.write(websocket_frame(json.dumps({"type": "connect", "id": 1, "token": token(client)}).encode()))
    assert b'"connected"' in (await raw.frame())[1]
    return raw


async def sent(penstock: Penstock, data: bytes, code: int) -> None:
    raw = await authenticated(penstock)
    await raw.write(data)
    assert await raw.closed() == code
    await eventually(lambda: penstock.counters.closed == {str(code): 1})
    assert penstock.counters.bad_frames == 1
    assert penstock.said.events(f"closed.{code}")
    raw.close()
    await eventually(lambda: penstock.counters.connections == 1)


@pytest.mark.parametrize("kind", BROKEN)
async def test_a_broken_frame_is_answered_with_4106(kind: str) -> None:
    async with running() as penstock, penstock.neighbour():
        await sent(penstock, BROKEN[kind], 4106)


@pytest.mark.parametrize("kind", TOO_LARGE)
async def test_a_frame_that_is_too_large_is_answered_with_4107(kind: str) -> None:
    async with running() as penstock, penstock.neighbour():
        await sent(penstock, TOO_LARGE[kind], 4107)


async def test_before_connect_it_is_just_the_same() -> None:
    async with running() as penstock, penstock.neighbour():
        for data, code in ((BROKEN["no mask"], 4106), (TOO_LARGE["one byte too many"], 4107)):
            raw = await penstock.raw()
            await raw.upgrade()
            await raw.write(data)
            assert await raw.closed() == code


async def test_the_largest_message_may_come() -> None:
    async with running() as penstock:
        client = await penstock.subscribed("a")
        room = MAX - len(json.dumps({"type": "publish", "id": 2, "topic": "a", "data": ""}, separators=(",", ":")))
        assert (await client.request("publish", topic="a", data="x" * room))["type"] == "ok"
        assert len((await client.message())["data"]) == room


async def test_a_message_in_fragments_of_one_byte_is_put_together() -> None:
    async with running() as penstock, penstock.neighbour():
        raw = await authenticated(penstock)
        message = b'{"type":"subscribe","id":2,"topic":"a"}'
        first, *middle, last = (message[place : place + 1] for place in range(len(message)))
        await raw.write(websocket_frame(first, TEXT, fin=False))
        for byte in middle:
            await raw.write(websocket_frame(byte, 0, fin=False) + websocket_frame(b"?", PING))
        await raw.write(websocket_frame(last, 0))
        answers = [await raw.frame() for _ in range(len(middle) + 1)]
        assert sorted({opcode for opcode, _ in answers}) == [TEXT, PONG]
        assert b"subscribed" in next(payload for opcode, payload in answers if opcode == TEXT)


async def test_fragments_without_end_are_a_flood() -> None:
    async with running() as penstock, penstock.neighbour():
        raw = await authenticated(penstock)
        await raw.write(websocket_frame(b"[", TEXT, fin=False) + websocket_frame(b" ", 0, fin=False) * 1000)
        assert await raw.closed() == 4105
        assert penstock.counters.floods == 1


async def test_empty_fragments_are_a_flood_too() -> None:
    async with running() as penstock, penstock.neighbour():
        raw = await authenticated(penstock)
        await raw.write(websocket_frame(b"[", TEXT, fin=False) + websocket_frame(b"", 0, fin=False) * 1000)
        assert await raw.closed() == 4105


async def test_frames_that_come_byte_by_byte_are_read_like_any_other() -> None:
    async with running() as penstock, penstock.neighbour():
        raw = await authenticated(penstock)
        for byte in websocket_frame(b'{"type":"subscribe","id":2,"topic":"a"}'):
            await raw.write(bytes([byte]))
        assert b"subscribed" in (await raw.frame())[1]


async def test_frames_behind_a_broken_one_are_not_read() -> None:
    async with running() as penstock, penstock.neighbour():
        listener = await penstock.subscribed("a", bearer=token("grace"))
        raw = await authenticated(penstock)
        publish = websocket_frame(json.dumps({"type": "publish", "id": 2, "topic": "a", "data": CANARY}).encode())
        await raw.write(publish + websocket_frame(b"", rsv=4) + publish * 5)
        assert await raw.closed() == 4106
        await penstock.emit("a", "the last")
        heard = [message["data"] for message in (await listener.message(), await listener.message())]
        assert heard == [CANARY, "the last"]


@pytest.mark.parametrize("subprotocol", ["penstock.v1.json", MSGPACK])
async def test_bytes_that_mean_nothing_at_all(subprotocol: str) -> None:
    async with running() as penstock, penstock.neighbour():
        for seed in range(20):
            raw = await penstock.raw()
            await raw.upgrade(subprotocol)
            await raw.write(bytes((seed * 37 + place * 101) % 256 for place in range(300)))
            assert await raw.closed() in (4106, 4107)
        assert sum(penstock.counters.closed.values()) == 20


async def test_a_client_that_goes_in_the_middle_of_a_frame_is_forgotten() -> None:
    async with running() as penstock, penstock.neighbour():
        raw = await authenticated(penstock)
        await raw.write(websocket_frame(CANARY_BYTES, length=1000))
        raw.close()
        await eventually(lambda: penstock.counters.connections == 1)
