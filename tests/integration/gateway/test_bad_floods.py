"""Clients that write too much, or stop to read."""

from __future__ import annotations

import asyncio
import contextlib
import io
import json
import logging

import pytest

from shared.telemetry.damper import LINES, Damper
from shared.telemetry.lines import TextLines
from shared.telemetry.logs import Damped, LogCounters
from tests.support.client import Raw, websocket_frame
from tests.support.eventually import eventually
from tests.support.penstock import CANARY, Penstock, running, token

PING, PONG = 9, 10
SECOND = 10_000
"""Frames that a bad client sends in one."""


def frame(kind: str, **fields: object) -> bytes:
    return websocket_frame(json.dumps({"type": kind, **fields}).encode())


TINY = {
    "pongs of the protocol": frame("pong"),
    "pongs of WebSocket": websocket_frame(b"", PONG),
    "pings of WebSocket": websocket_frame(b"", PING),
    "publishes": frame("publish", id=2, topic="a", data=CANARY),
    "subscriptions": frame("subscribe", id=2, topic="a"),
    "frames of unknown type": frame("shout", id=2, data=CANARY),
    "arrays of nothing": websocket_frame(b"[]"),
    "fragments": websocket_frame(b"", 0, fin=False),
}


async def pour(raw: Raw, data: bytes) -> None:
    """Send a second's worth of it, or as much as is taken."""
    start = websocket_frame(b" ", 1, fin=False) if data == TINY["fragments"] else b""
    data = start + data * SECOND
    with contextlib.suppress(ConnectionError):
        for place in range(0, len(data), 16_384):
            await raw.write(data[place : place + 16_384])


async def closed(raw: Raw) -> int:
    """The code of the close, read beside what pours; a reset may overtake it."""
    with contextlib.suppress(ConnectionError):
        return await raw.closed()
    return 1006


@pytest.mark.parametrize("known", [True, False], ids=["authenticated", "unknown"])
@pytest.mark.parametrize("kind", TINY)
async def test_ten_thousand(kind: str, known: bool) -> None:
    async with running() as penstock, penstock.neighbour():
        raw = await penstock.raw()
        await raw.upgrade()
        if known:
            await raw.write(frame("connect", id=1, token=token()))
            await raw.frame()
        _, code = await asyncio.gather(pour(raw, TINY[kind]), closed(raw))
        assert code in (4105, 1006)
        assert penstock.counters.closed == {"4105": 1}
        assert penstock.counters.floods == 1
        assert penstock.counters.frames_received < 1000
        assert penstock.said.events("closed.4105")
        raw.close()
        await eventually(lambda: penstock.counters.connections == 1)


async def test_a_client_that_heeds_retry_after_is_not_flooding() -> None:
    async with running(gateway={"frame_rate": 50, "frame_burst": 129}) as penstock, penstock.neighbour():
        client = await penstock.connect()
        for _ in range(160):
            answer = await client.request("unsubscribe", topic="a")
            if answer["code"] == "rate_limited":
                await asyncio.sleep(answer["retry_after"])
        assert penstock.counters.rate_limited > 0
        assert penstock.counters.errors["not_found"] > 129
        assert not penstock.counters.closed


async def test_a_crowd_of_offenders_writes_few_lines() -> None:
    out = io.StringIO()
    handler = logging.StreamHandler(out)
    handler.addFilter(Damped(Damper(), LogCounters()))
    handler.setFormatter(TextLines())
    logging.getLogger().addHandler(handler)
    try:
        async with running() as penstock, penstock.neighbour():
            for _ in range(3 * LINES):
                raw = await penstock.raw()
                await raw.upgrade()
                await raw.write(frame("subscribe", id=1, topic="a") * 10 + b"\xff" * 10)
                assert await raw.closed() == 4106
            assert penstock.counters.errors == {"unauthenticated": 30 * LINES}
            assert penstock.counters.closed == {"4106": 3 * LINES}
    finally:
        logging.getLogger().removeHandler(handler)
    lines = out.getvalue().splitlines()
    assert sum("event=client.unauthenticated" in line for line in lines) <= LINES
    assert sum("event=closed.4106" in line for line in lines) <= LINES


class TestNobodyWaitsForOneThatNeverReads:
    """A client that asks for everything and takes nothing."""

    async def deaf(self, penstock: Penstock, topic: str) -> Raw:
        raw = await penstock.raw(receive_buffer=4096)
        await raw.upgrade()
        await raw.write(frame("connect", id=1, token=token()) + frame("subscribe", id=2, topic=topic))
        await eventually(lambda: penstock.counters.sessions == 2)
        while b"subscribed" not in (await raw.frame())[1]:
            pass
        return raw

    async def test_it_is_closed_with_4002(self) -> None:
        async with running() as penstock, penstock.neighbour():
            raw = await self.deaf(penstock, "a")
            while not penstock.counters.slow_closed:
                await penstock.emit("a", CANARY * 2000)
            assert penstock.counters.closed == {"4002": 1}
            assert penstock.said.events("closed.4002")
            # What was in the socket already comes, and behind it, for one that wakes up, the goodbye.
            assert await raw.closed() == 4002
            raw.close()
            await eventually(lambda: penstock.counters.connections == 1)

    async def test_its_own_answers_are_not_kept_for_ever(self) -> None:
        """Requests are answered, and answers that nobody reads fill the outbox like messages do."""
        async with running(gateway={"frame_rate": 50_000, "frame_burst": 50_000}) as penstock, penstock.neighbour():
            raw = await self.deaf(penstock, "a")
            requests = frame("unsubscribe", id=3, topic="x" * 80) * 20
            while not penstock.counters.closed:
                received = penstock.counters.frames_received
                with contextlib.suppress(ConnectionError):
                    await raw.write(requests)
                await eventually(lambda: penstock.counters.closed or penstock.counters.frames_received >= received + 20)  # noqa: B023
            assert penstock.counters.closed == {"4002": 1}
