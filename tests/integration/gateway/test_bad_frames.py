"""Messages that are no frames, or bad ones."""

from __future__ import annotations

import msgspec
import pytest

from gateway.codecs import json
from tests.support.client import JSON, MSGPACK
from tests.support.penstock import CANARY, Penstock, running

DEEP = 10_000
PUBLISH = b'{"type":"publish","id":7,"topic":"a","data":'


def packed(data: bytes) -> bytes:
    """A publish in MessagePack with this payload."""
    return b"\x84\xa4type\xa7publish\xa2id\x07\xa5topic\xa1a\xa4data" + data


NO_JSON = {
    "nothing": b"",
    "words": CANARY.encode(),
    "half a map": PUBLISH,
    "two maps": PUBLISH + b"1}" + PUBLISH + b"1}",
    "a map with a comma too many": PUBLISH + b"1,}",
    "a string": msgspec.json.encode(CANARY),
    "a number": b"17",
    "null": b"null",
    "not a number": b"NaN",
    "arrays, 10,000 deep": b"[" * DEEP + b"]" * DEEP,
    "a payload 10,000 deep": PUBLISH + b"[" * DEEP + b"]" * DEEP + b"}",
    "maps, 10,000 deep": PUBLISH + b'{"a":' * DEEP + b"1" + b"}" * DEEP + b"}",
    "10,000 brackets that nobody closes": b"[" * DEEP,
    "more frames than one message may have": b"[" + b",".join([PUBLISH + b"1}"] * 129) + b"]",
    "65,000 empty arrays": b"[" + b"[]," * 21_000 + b"[]]",
}
NO_MSGPACK = {
    "nothing": b"",
    "a byte that means nothing": b"\xc1",
    "a string": msgspec.msgpack.encode(CANARY),
    "a number": b"\x07",
    "nil": b"\xc0",
    "half a map": packed(b""),
    "an array of 2^32 - 1 frames": b"\xdd\xff\xff\xff\xff",
    "an array of 2^32 - 1 frames, and some of them": b"\xdd\xff\xff\xff\xff" + packed(b"\x01") * 3,
    "an array of 65,535 frames": b"\xdc\xff\xff" + b"\x80" * 60_000,
    "a map of 2^32 - 1 fields": b"\xdf\xff\xff\xff\xff\xa4type\xa7publish",
    "a payload of 2^32 - 1 items": packed(b"\xdd\xff\xff\xff\xff"),
    "a payload of 2^32 - 1 pairs": packed(b"\xdf\xff\xff\xff\xff"),
    "a payload of 2^32 - 1 characters": packed(b"\xdb\xff\xff\xff\xff" + CANARY.encode()),
    "a payload of 2^32 - 1 bytes": packed(b"\xc6\xff\xff\xff\xff"),
    "an extension of 2^32 - 1 bytes": packed(b"\xc9\xff\xff\xff\xff\x01"),
    "a topic of 2^32 - 1 characters": packed(b"\x01").replace(b"\xa1a", b"\xdb\xff\xff\xff\xff"),
    "arrays, 10,000 deep": b"\x91" * DEEP + b"\xc0",
    "a payload 10,000 deep": packed(b"\x91" * DEEP + b"\xc0"),
    "maps, 10,000 deep": packed(b"\x81\x01" * DEEP + b"\xc0"),
}


async def is_closed_with_4106(penstock: Penstock, subprotocol: str, message: str | bytes) -> None:
    client = await penstock.connect(subprotocols=[subprotocol])
    await client.write(message)
    assert await client.closed() == 4106
    assert penstock.counters.closed == {"4106": 1}
    assert penstock.counters.bad_frames == 1
    (line,) = penstock.said.events("closed.4106")
    assert len(line.getMessage()) < 300


@pytest.mark.parametrize("kind", NO_JSON)
async def test_what_is_no_json_frame_ends_the_connection(kind: str) -> None:
    async with running() as penstock, penstock.neighbour():
        await is_closed_with_4106(penstock, JSON, NO_JSON[kind].decode())


@pytest.mark.parametrize("kind", NO_MSGPACK)
async def test_what_is_no_msgpack_frame_ends_the_connection(kind: str) -> None:
    async with running() as penstock, penstock.neighbour():
        await is_closed_with_4106(penstock, MSGPACK, NO_MSGPACK[kind])


@pytest.mark.parametrize(("subprotocol", "message"), [(JSON, b"{}"), (MSGPACK, "{}")])
async def test_a_message_of_the_other_kind_ends_the_connection(subprotocol: str, message: str | bytes) -> None:
    async with running() as penstock, penstock.neighbour():
        await is_closed_with_4106(penstock, subprotocol, message)


BAD_REQUESTS = {
    "of no type": {"id": 7},
    "of an unknown type": {"type": "shout", "id": 7, "data": CANARY},
    "of a type that is no string": {"type": 1, "id": 7},
    "of a server's type": {"type": "message", "id": 7, "topic": "a", "data": CANARY},
    "without a topic": {"type": "publish", "id": 7, "data": CANARY},
    "without data": {"type": "publish", "id": 7, "topic": "a"},
    "whose topic is a number": {"type": "publish", "id": 7, "topic": 1, "data": CANARY},
    "whose topic is a list": {"type": "subscribe", "id": 7, "topic": ["a"]},
    "whose key is empty": {"type": "publish", "id": 7, "topic": "a", "data": CANARY, "key": ""},
    "whose key is too long": {"type": "publish", "id": 7, "topic": "a", "data": CANARY, "key": "k" * 129},
    "whose token is too long": {"type": "refresh", "id": 7, "token": "t" * 8193},
    "whose position is none": {"type": "subscribe", "id": 7, "topic": "a", "from": {"epoch": 1}},
    "of a number below zero": {"type": "subscribe", "id": -1, "topic": "a"},
    "of a number beyond JavaScript": {"type": "subscribe", "id": 2**53, "topic": "a"},
    "of a number that is a string": {"type": "subscribe", "id": "7", "topic": "a"},
    "without a number": {"type": "subscribe", "topic": "a"},
}


@pytest.mark.parametrize("subprotocol", [JSON, MSGPACK])
@pytest.mark.parametrize("kind", BAD_REQUESTS)
async def test_a_frame(kind: str, subprotocol: str) -> None:
    bad = BAD_REQUESTS[kind]
    async with running() as penstock, penstock.neighbour():
        client = await penstock.connect(subprotocols=[subprotocol])
        await client.send(bad)
        answer = await client.error()
        assert answer["code"] == "bad_request"
        assert answer.get("id") == (7 if bad.get("id") == 7 else None)
        assert penstock.counters.bad_requests == 1
        assert penstock.counters.errors == {"bad_request": 1}
        assert penstock.said.events("client.bad_request")
        assert (await client.request("subscribe", topic="a"))["type"] == "subscribed", "the client may go on"


@pytest.mark.parametrize("subprotocol", [JSON, MSGPACK])
async def test_a_bad_frame_among_good_ones_is_refused_alone(subprotocol: str) -> None:
    async with running() as penstock, penstock.neighbour():
        client = await penstock.subscribed("a", subprotocols=[subprotocol])
        good = {"type": "publish", "topic": "a", "data": 1}
        await client.send(good | {"id": 11}, {"type": "shout", "id": 12}, good | {"id": 13}, good | {"topic": 1})
        assert [(await client.answer(number))["type"] for number in (11, 12, 13)] == ["ok", "error", "ok"]
        assert "id" not in await client.error()
        assert len(await client.messages(2)) == 2


@pytest.mark.parametrize("subprotocol", [JSON, MSGPACK])
async def test_an_array_of_no_frames_is_a_bad_request(subprotocol: str) -> None:
    async with running() as penstock, penstock.neighbour():
        client = await penstock.connect(subprotocols=[subprotocol])
        await client.send(*[])
        assert (await client.error())["code"] == "bad_request"


@pytest.mark.parametrize("subprotocol", [JSON, MSGPACK])
async def test_a_payload_deeper_than_the_router_lets_through_is_a_bad_request(subprotocol: str) -> None:
    deep: object = CANARY
    for _ in range(100):
        deep = [deep]
    async with running() as penstock, penstock.neighbour():
        client = await penstock.connect(subprotocols=[subprotocol])
        answer = await client.request("publish", topic="a", data=deep)
        assert answer["code"] == "bad_request"
        assert penstock.router.counters.denied == {"bad_request": 1}
        assert penstock.said.events("request.bad_request")


async def test_a_payload_larger_than_the_router_lets_through_is_too_large() -> None:
    async with running(max_payload_bytes=1000) as penstock, penstock.neighbour():
        client = await penstock.connect()
        answer = await client.request("publish", topic="a", data=CANARY * 100)
        assert answer["code"] == "too_large"
        assert penstock.router.counters.denied == {"too_large": 1}
        assert penstock.said.events("request.too_large")


async def test_fields_that_nobody_knows_are_ignored() -> None:
    async with running() as penstock:
        client = await penstock.connect()
        answer = await client.request("subscribe", topic="a", colour="blue", deep=[[{"a": CANARY}]])
        assert answer["type"] == "subscribed"


async def test_half_an_emoji_is_refused_alone() -> None:
    async with running() as penstock, penstock.neighbour():
        client = await penstock.connect()
        await client.write(r'{"type":"publish","id":7,"topic":"a","data":"\ud83d"}')
        answer = await client.answer(7)
        assert answer["code"] == "bad_request"


async def test_a_message_of_empty_strings_beside_many_arrays_is_read() -> None:
    async with running() as penstock, penstock.neighbour():
        client = await penstock.connect(subprotocols=[MSGPACK])
        data = b"\xdc\x03\xe8" + b"\xa0" * 840 + b"\x91\x01" * 160
        await client.write(packed(data))
        assert (await client.answer(7))["type"] == "ok"


async def test_a_defect_of_ours_ends_the_one_connection_that_found_it(monkeypatch: pytest.MonkeyPatch) -> None:
    async with running() as penstock, penstock.neighbour():
        client = await penstock.subscribed("a")

        def fail(payload: bytes, /) -> None:
            raise ZeroDivisionError(payload)

        with monkeypatch.context() as patched:
            patched.setattr(json, "decode", fail)
            await client.write(CANARY)
            assert await client.closed() == 4003
        assert penstock.counters.faults == 1
        assert penstock.counters.closed == {"4003": 1}
        (line,) = penstock.said.events("fault")
        assert "ZeroDivisionError" in line.getMessage()
        assert "fail" in line.where  # type: ignore[attr-defined]
        await penstock.subscribed("a")
