"""Clients that do not read: what each topic's policy does to them, and that nobody else notices."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest

from gateway import performer
from tests.support.client import Raw, websocket_frame
from tests.support.eventually import eventually
from tests.support.penstock import Penstock, running, token

KIB = 1024
OUTBOX = 32 * KIB
SOCKETS = 512 * KIB
"""What a socket may hold at most on both of its sides, and the transport before it, whatever the kernel's defaults."""

TOPICS = [{"match": f"{slow}.#", "slow": slow} for slow in ("disconnect", "drop", "latest")]
FILLING = "x" * 4000
MANY = 600
"""Messages of `FILLING`: 2.4 MB, far more than anything in between may hold."""


@pytest.fixture
async def penstock() -> AsyncIterator[Penstock]:
    limits = {"outbox_bytes": OUTBOX, "heartbeat": 3600}
    async with running(gateway=limits, topics=TOPICS) as penstock, penstock.neighbour():
        yield penstock


async def sleeper(penstock: Penstock, *topics: str) -> Raw:
    """A client that has subscribed and then reads no more."""
    raw = await penstock.raw(receive_buffer=4 * KIB)
    await raw.upgrade()
    frames: list[dict[str, Any]] = [{"type": "connect", "id": 0, "token": token("sleeper")}]
    frames += [{"type": "subscribe", "id": number, "topic": topic} for number, topic in enumerate(topics, 1)]
    for frame in frames:
        await raw.write(websocket_frame(json.dumps(frame).encode()))
        _, payload = await raw.frame()
        assert json.loads(payload)["id"] == frame["id"], payload
    return raw


async def wake_up(raw: Raw, until: int | None = None) -> tuple[list[int], int, int | None]:
    """Read everything up to the message with this number, or to the end; return numbers, bytes and close code."""
    numbers: list[int] = []
    size = 0
    while True:
        opcode, payload = await raw.frame()
        if opcode == 8:
            return numbers, size, int.from_bytes(payload[:2], "big")
        frame = json.loads(payload)
        if frame["type"] == "message":
            size += len(payload)
            numbers.append(frame["data"]["n"])
            if numbers[-1] == until:
                return numbers, size, None


async def flood(penstock: Penstock, topic: str, *, up_to: int = MANY, first: int = 0) -> None:
    for number in range(first, up_to):
        await penstock.emit(topic, {"n": number, "filling": FILLING})


async def test_a_client_that_never_reads_is_closed_with_4002_and_the_others_get_everything(penstock: Penstock) -> None:
    asleep = [await sleeper(penstock, "disconnect.a") for _ in range(5)]
    awake = await penstock.subscribed("disconnect.*")
    counters = penstock.counters
    sent = 0
    while counters.slow_closed < len(asleep):
        assert sent * len(FILLING) <= OUTBOX + SOCKETS, "what waits for a client is bounded"
        await penstock.emit("disconnect.a", {"n": sent, "filling": FILLING})
        assert (await awake.message())["data"]["n"] == sent
        sent += 1
    assert (counters.slow_closed, counters.dropped, counters.conflated) == (len(asleep), 0, 0)
    for each in asleep:
        numbers, _, code = await wake_up(each)
        assert code == 4002
        assert numbers == list(range(len(numbers))), "in order up to the end, and no hole before it"
        each.close()
    await eventually(lambda: counters.connections == 2)


async def test_a_client_that_sleeps_on_after_its_close_is_cut_off(
    penstock: Penstock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(performer, "CLOSE_TIMEOUT", 0.1)
    await sleeper(penstock, "disconnect.a")
    before = penstock.counters.connections
    await flood(penstock, "disconnect.a", up_to=(OUTBOX + SOCKETS) // len(FILLING))
    await eventually(lambda: penstock.counters.slow_closed == 1)
    await eventually(lambda: penstock.counters.connections == before - 1, within=3)


async def test_on_a_drop_topic_the_oldest_are_left_out_and_counted_and_the_client_stays(penstock: Penstock) -> None:
    asleep = await sleeper(penstock, "drop.a")
    awake = await penstock.subscribed("drop.a")
    for number in range(MANY):
        filling = FILLING * 5 if number % 7 == 0 else FILLING  # a large one takes the places of several
        await penstock.emit("drop.a", {"n": number, "filling": filling})
        assert (await awake.message())["data"]["n"] == number
    counters = penstock.counters
    assert counters.dropped > 0
    numbers, size, _ = await wake_up(asleep, until=MANY - 1)
    assert numbers == sorted(set(numbers)), "in order, each once"
    assert size <= OUTBOX + SOCKETS
    assert counters.dropped == MANY - len(numbers), "every message came or was counted"
    assert (counters.slow_closed, counters.conflated) == (0, 0)
    await penstock.emit("drop.a", {"n": MANY})
    assert (await wake_up(asleep, until=MANY))[0] == [MANY], "it is served on as before"


async def test_a_client_that_lost_messages_of_a_log_is_told_where_it_goes_on(penstock: Penstock) -> None:
    asleep = await sleeper(penstock, "drop.a")
    await flood(penstock, "drop.a")
    known, gaps = 0, 0
    while known < MANY:
        frame = json.loads((await asleep.frame())[1])
        if frame["type"] == "message":
            assert frame["offset"] == known + 1, "no hole of which it was not told"
            known += 1
        else:
            assert (frame["type"], frame["topic"], frame["cause"]) == ("gap", "drop.a", "dropped")
            assert frame["offset"] > known + 1
            known, gaps = frame["offset"] - 1, gaps + 1
    # One for a whole run, and a socket that takes a little more meanwhile makes two runs of one.
    assert gaps == penstock.counters.gaps["dropped"]
    assert 1 <= gaps < penstock.counters.dropped / 10


async def test_on_a_latest_topic_a_client_that_wakes_up_sees_each_topics_last_message(penstock: Penstock) -> None:
    topics = ["latest.a", "latest.b", "latest.c"]
    asleep = await sleeper(penstock, *topics)
    awake = await penstock.subscribed("latest.*")
    for number in range(MANY):
        await penstock.emit(topics[number % 3], {"n": number, "filling": FILLING})
        assert (await awake.message())["data"]["n"] == number
    counters = penstock.counters
    assert counters.conflated > 0
    numbers, size, _ = await wake_up(asleep, until=MANY - 1)
    assert numbers == sorted(set(numbers)), "in order, each once"
    assert numbers[-3:] == [MANY - 3, MANY - 2, MANY - 1], "the last one of each topic"
    assert size <= OUTBOX + SOCKETS
    assert counters.conflated == MANY - len(numbers), "every message came or was replaced by a newer one"
    assert (counters.slow_closed, counters.dropped) == (0, 0)


async def test_messages_that_may_be_left_out_make_room_for_those_that_may_not(penstock: Penstock) -> None:
    asleep = await sleeper(penstock, "drop.a", "disconnect.a")
    await flood(penstock, "drop.a")
    assert penstock.counters.dropped > 0
    for number in range(MANY, MANY + 5):
        await penstock.emit("disconnect.a", {"n": number, "filling": FILLING})
    numbers, _, _ = await wake_up(asleep, until=MANY + 4)
    assert numbers[-5:] == list(range(MANY, MANY + 5))
    assert penstock.counters.slow_closed == 0


async def test_answers_do_not_pile_up_for_a_client_that_asks_and_never_reads() -> None:
    """Answers may not be left out, so whoever only asks is slow like any other."""
    limits = {"outbox_bytes": OUTBOX, "frame_rate": 100_000, "frame_burst": 100_000}
    async with running(gateway=limits) as penstock, penstock.neighbour():
        raw = await sleeper(penstock)
        question = websocket_frame(msgspec.json.encode({"type": "unsubscribe", "id": 1, "topic": "x" * 200}))

        async def is_closed() -> bool:
            if penstock.counters.slow_closed == 0:
                await raw.write(question * 100)
            return penstock.counters.slow_closed == 1

        await eventually(is_closed)
        assert (await wake_up(raw))[2] == 4002
