"""The heartbeat: who answers stays, who is silent goes, and a gateway that stalls blames nobody."""

from __future__ import annotations

import asyncio
import time

from tests.support.client import Client, Raw, websocket_frame
from tests.support.eventually import eventually
from tests.support.penstock import Penstock, running, token

QUICK = {"heartbeat": 1, "heartbeat_grace": 1}
"""The shortest that a gateway can be told, in seconds."""

SILENT = 4001
STALL = 2.5
"""Seconds; longer than a heartbeat and its grace together."""


async def introduced(penstock: Penstock) -> Raw:
    """A client that has said who it is, and answers nothing by itself."""
    raw = await penstock.raw()
    await raw.upgrade()
    await raw.write(websocket_frame(b'{"type":"connect","id":1,"token":"%b"}' % token().encode()))
    _, payload = await raw.frame()
    assert b'"connected"' in payload
    return raw


async def pinged(raw: Raw) -> None:
    assert (await raw.frame()) == (1, b'{"type":"ping"}')


async def test_a_client_that_answers_nothing_is_closed_with_4001() -> None:
    async with running(gateway=QUICK) as penstock:
        raw = await introduced(penstock)
        await pinged(raw)
        assert await raw.closed() == SILENT
        raw.close()
        await eventually(lambda: penstock.counters.connections == 0)


SIGNS = {
    "pong": websocket_frame(b'{"type":"pong"}'),
    "a request": websocket_frame(b'{"type":"unsubscribe","id":2,"topic":"a"}'),
    "a bad request": websocket_frame(b'{"type":"who knows"}'),
    "a ping of WebSocket": websocket_frame(b"", opcode=0x9),
    "a pong of WebSocket": websocket_frame(b"", opcode=0xA),
}


async def test_anything_that_a_client_says_counts_as_an_answer() -> None:
    async with running(gateway=QUICK) as penstock:
        raws = {sign: await introduced(penstock) for sign in SIGNS}
        await asyncio.gather(*[answer_pings(raw, SIGNS[sign], 3) for sign, raw in raws.items()])
        assert penstock.counters.connections == len(SIGNS)


async def answer_pings(raw: Raw, answer: bytes, pings: int) -> None:
    while pings:
        opcode, payload = await raw.frame()
        assert opcode != 8, f"closed although it said {answer!r}"
        if payload == b'{"type":"ping"}':
            pings -= 1
            await raw.write(answer)


async def test_a_crowd_that_came_together_is_not_pinged_together() -> None:
    async with running(gateway=QUICK | {"heartbeat": 2}) as penstock:
        crowd = [await introduced(penstock) for _ in range(30)]
        began = time.monotonic()
        when = await asyncio.gather(*[_first_ping(each) for each in crowd])
        thirds = {int((at - began) / (2 / 3)) for at in when}
        assert thirds >= {0, 1, 2}, "spread over the whole heartbeat"


async def _first_ping(raw: Raw) -> float:
    await pinged(raw)
    return time.monotonic()


async def test_a_stall_of_the_gateway_costs_nobody_the_connection() -> None:
    """What a client said in time was only read late."""
    async with running(gateway=QUICK) as penstock:
        crowd = [await penstock.connect() for _ in range(20)]
        listening = [asyncio.create_task(_stay(each)) for each in crowd]
        raws = [await introduced(penstock) for _ in range(20)]
        for raw in raws:
            await pinged(raw)
            await raw.write(websocket_frame(b'{"type":"pong"}'))  # on its way while nobody reads
        for _ in range(2):
            time.sleep(STALL)  # noqa: ASYNC251 (the loop stalls, and that is the matter)
            for raw in raws:
                await raw.write(websocket_frame(b'{"type":"pong"}'))
            await asyncio.gather(*[each.send({"type": "pong"}) for each in crowd])
        assert penstock.counters.connections == 40
        assert not any(task.done() for task in listening)
        await eventually(lambda: penstock.counters.stalled_seconds > STALL)
        assert 1 <= penstock.counters.stalls <= 2, "the second may have come before the first was told"
        for task in listening:
            task.cancel()
        await asyncio.gather(*listening, return_exceptions=True)


async def _stay(client: Client) -> None:
    await client.closed()
