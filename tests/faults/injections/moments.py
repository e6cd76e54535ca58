"""Moments at which a fault strikes, as seen from outside."""

from __future__ import annotations

import asyncio
import time

from tests.faults.fault import Scene
from tests.faults.ledger import Outcome
from tests.faults.rig import PREFETCH
from tests.support.eventually import eventually


async def some_time(scene: Scene, least: float, most: float) -> None:
    """Let it go on for a while, which the seed decides."""
    await asyncio.sleep(scene.chance.uniform(least, most))


async def news(scene: Scene, within: float = 30.0) -> None:
    """Wait until everybody hears what is published from now on."""
    await scene.load.all_hear(time.monotonic(), within)


async def answered(scene: Scene, within: float = 30.0) -> None:
    """Wait until each client that publishes was told of each topic that something, published from now on, was taken."""
    since = time.monotonic()
    expected = {(client.name, topic) for client in scene.load.clients for topic in scene.load.topics}

    def taken() -> bool:
        publishes = list(scene.load.ledger.publishes.values())
        told = {
            (each.publisher, each.topic)
            for each in publishes
            if each.at >= since and each.outcome is Outcome.ACKED
        }
        return told >= expected

    await scene.load.until(taken, within)


async def unacknowledged(scene: Scene, count: int = PREFETCH, within: float = 30.0) -> None:
    """Wait until the routers have so many messages of one partition in hand."""

    async def seen() -> bool:
        rows = await asyncio.to_thread(scene.rig.places.vhost.queues)
        return any(
            row.get("messages_unacknowledged", 0) >= count for row in rows if row["name"].startswith("penstock.route.")
        )

    await eventually(seen, within)


async def waiting(scene: Scene, count: int, within: float = 30.0) -> int:
    """Wait until so many messages are in the partitions' queues, and return how many are."""

    async def seen() -> int:
        rows = await asyncio.to_thread(scene.rig.places.vhost.queues)
        total = sum(row.get("messages", 0) for row in rows if row["name"].startswith("penstock.route."))
        return total if total >= count else 0

    return int(await eventually(seen, within))
