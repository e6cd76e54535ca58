"""Real routers that die by kill -9, one after the other, of a message that waits in a partition."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path

import pytest

from router.doubt import MAX_BEGUN
from shared.bus import topology
from shared.bus.port import RETURNS_UNTIL_DOUBT, Source
from tests.integration.router.dying import DEADLY
from tests.support.eventually import eventually
from tests.support.guard import guard
from tests.unit.router.edge import waiting

ROOT = Path(__file__).parents[3]
TOPICS = [f"topic-{number}" for number in range(24)]
EACH = 30


@pytest.fixture
def dying(vhost, store_url, tmp_path):
    """Starts a router; whichever runs at the end is killed."""
    processes = []

    def start():
        with (tmp_path / "said").open("ab") as said:
            command = [sys.executable, "-m", "tests.integration.router.dying", vhost.amqp_url, store_url]
            process = subprocess.Popen(command, cwd=ROOT, stdout=said, stderr=said, start_new_session=True)
        guard().watch("group", process.pid)
        processes.append(process)
        return process

    yield start
    for process in processes:
        process.kill()
        process.wait()
        guard().forget("group", process.pid)


async def test_an_event_that_kills_every_router_dies_alone_and_the_others_are_delivered_in_order(edge, dying):
    letters = []
    intake = await edge.bus.consume(
        [Source(topology.DEAD)], lambda each: (letters.append(each), intake.ack(each)), prefetch=100
    )
    for number in range(EACH):
        await asyncio.gather(*(edge.emit(topic, str(number).encode()) for topic in TOPICS))
        if number == EACH // 3:
            await edge.emit(TOPICS[0], DEADLY)
    started = []

    def outlived():
        """Start a router where none runs; say whether one found out."""
        if not letters and (not started or started[-1].poll() is not None):
            started.append(dying())
        return letters

    await eventually(outlived, within=60)
    deaths = len(started) - 1
    assert deaths == RETURNS_UNTIL_DOUBT + MAX_BEGUN
    await eventually(lambda: len({(each.topic, each.payload) for each in edge.entries}) == len(TOPICS) * EACH)

    async def all_done():
        return not await waiting(edge.bus)

    await eventually(all_done)
    assert [(each.body, each.headers["x-penstock-reason"]) for each in letters] == [(DEADLY, "deadly")]
    for topic in TOPICS:
        heard = dict.fromkeys(each.payload for each in edge.entries if each.topic == topic)
        assert list(heard) == [str(number).encode() for number in range(EACH)]
