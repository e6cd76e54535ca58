"""A broker's disk that is full to the last byte."""

from __future__ import annotations

import asyncio
import time
from urllib.parse import urlsplit

from tests.faults.fault import Scene, fault
from tests.faults.injections.brokers import connections_of
from tests.faults.injections.moments import news
from tests.faults.verdict import Check
from tests.support.broker.node import amqp_answers

SIZE = 320 * 2**20
"""Bytes; RabbitMQ itself needs some ten million, and wants fifty to be free."""

NO_LIMIT = "1000"
"""Bytes that must be free: then the broker has no time to raise an alarm before there is no room."""
USUAL_LIMIT = str(50 * 10**6)

HELD = (3.0, 8.0)
"""Seconds for which it is full."""
RECOVERS_WITHIN = 10.0
"""Seconds after which a broker that serves nobody is started again, as an operator would.

RabbitMQ (3.10.8 and 4.0.5 alike) does not get well by itself: once there was no room for its log it lives and refuses
every message to a quorum queue, long after there is room again.
"""


@fault(
    "F14b",
    "the broker's disk is full to the last byte for some seconds; a broker that is of no use then is started again",
    own_broker=True,
    disk=SIZE,
    recover_within=40.0,
)
async def full_disk(scene: Scene) -> None:
    broker, disk = scene.rig.places.own_broker, scene.rig.places.disk
    assert disk is not None
    connections = connections_of(scene)
    limit = scene.chance.choice((NO_LIMIT, USUAL_LIMIT))
    await asyncio.to_thread(broker.ctl, "set_disk_free_limit", limit)
    await asyncio.to_thread(broker.settle)
    until = time.monotonic() + scene.chance.uniform(*HELD)
    try:
        taken = await asyncio.to_thread(disk.fill)
        while time.monotonic() < until:
            await asyncio.sleep(0.1)
            taken = max(taken, await asyncio.to_thread(disk.fill))  # what the broker has given up
    finally:
        await asyncio.to_thread(disk.relieve)
    fate = "lived"
    try:
        await news(scene, RECOVERS_WITHIN)
    except AssertionError:
        answers = await asyncio.to_thread(_answers, broker.amqp_url)
        fate = "answered and was of no use" if answers else "had died"
        await asyncio.to_thread(broker.revive)
    scene.heal()
    await news(scene, 40.0)
    scene.note(f"{taken >> 20} MiB filled the disk, {limit} bytes should have been free; the broker {fate}")
    scene.expect(connections_of(scene) == connections, Check.LIVE, "clients lost their connections")


def _answers(url: str) -> bool:
    parts = urlsplit(url)
    return amqp_answers(parts.hostname or "", parts.port or 0)
