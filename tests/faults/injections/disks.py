"""A broker's disk that is full to the last byte."""

from __future__ import annotations

import asyncio
import time

from tests.faults.fault import Scene, fault
from tests.faults.injections.brokers import BACK_ENDS, connections_of
from tests.faults.injections.moments import news
from tests.faults.verdict import Check

SIZE = 320 * 2**20
"""Bytes; RabbitMQ itself needs some ten million, and wants fifty to be free."""

NO_LIMIT = "1000"
"""Bytes that must be free: then the disk is full before the broker raises an alarm."""
USUAL_LIMIT = str(50 * 10**6)

HELD = (3.0, 8.0)
"""Seconds for which it is full."""
RECOVERS_WITHIN = 10.0
"""Seconds after which a broker that serves nobody is started again, as an operator would."""


@fault(
    "F14b",
    "the broker's disk is full to the last byte for some seconds; a broker that dies of it is started again",
    own_broker=True,
    disk=SIZE,
    recover_within=40.0,
    unordered=BACK_ENDS,
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
        fate = "was started again"
        await asyncio.to_thread(broker.revive)
    scene.heal()
    await news(scene, 40.0)
    scene.note(f"{taken >> 20} MiB filled the disk, {limit} bytes should have been free; the broker {fate}")
    scene.expect(connections_of(scene) == connections, Check.LIVE, "clients lost their connections")
