"""A dead-letter queue that takes no letters, while there are some."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

import pika

from shared.bus.topology import DEAD, common
from tests.faults.fault import Scene, fault
from tests.faults.injections.letters import ROUNDS, buried, publish_bad
from tests.faults.injections.moments import answered, news
from tests.faults.injections.processes import metric
from tests.faults.rig import Places
from tests.faults.unprocessable import Letter, bad_ones
from tests.faults.verdict import Check
from tests.support.broker.management import Management
from tests.support.eventually import eventually

DRAINED_WITHIN = 400.0
"""Seconds. A broker that the tests start tries again every five, another every three minutes."""

Mend = Callable[[], None]


def missing_queue(places: Places) -> Mend:
    _management(places).delete("queues", places.vhost.name, DEAD)
    return lambda: _declare_queue(places.vhost.amqp_url)


def missing_exchange(places: Places) -> Mend:
    _management(places).delete("exchanges", places.vhost.name, DEAD)
    return lambda: None  # who is told that it is missing makes it again


def full_queue(places: Places) -> Mend:
    management = _management(places)
    policy = {"pattern": f"^{DEAD}$", "definition": {"max-length": 1}, "apply-to": "queues"}
    management.put("policies", places.vhost.name, "full", **policy)
    return lambda: management.delete("policies", places.vhost.name, "full")


TROUBLES = (missing_queue, missing_exchange, full_queue)


@fault(
    "F16",
    "the dead-letter queue is missing, its exchange is, and it is full, one after the other, while bad messages come",
    errors=True,
)
async def no_room_for_letters(scene: Scene) -> None:
    places = scene.rig.places
    # What cannot be read of a batch cannot be left to the broker: its neighbours are done.
    several = [bad for bad in bad_ones(scene.load.topics, ROUNDS) if bad.part is None]
    scene.chance.shuffle(several)
    share = len(several) // len(TROUBLES)
    for number, trouble in enumerate(scene.chance.sample(TROUBLES, len(TROUBLES))):
        mine = several[number * share : (number + 1) * share]
        before = await _left_to_the_broker(scene)
        mend = await asyncio.to_thread(trouble, places)
        await publish_bad(scene, mine)
        left = await eventually(lambda before=before: _left_since(scene, before))
        await news(scene)
        await answered(scene)
        if trouble is not missing_exchange:
            await eventually(lambda: asyncio.to_thread(_are_seen, scene))
        began = time.monotonic()
        await asyncio.to_thread(mend)
        letters: list[Letter] = await buried(scene, mine, DRAINED_WITHIN)
        strangers = {letter.body for letter in letters} - {bad.remains for bad in several}
        scene.expect(not strangers, Check.DEAD, f"these are dead, and were good: {list(strangers)[:3]}")
        took = time.monotonic() - began
        scene.note(f"{trouble.__name__}: {left:g} were left to the broker, and drained in {took:.1f} s")
    scene.heal()


async def _left_to_the_broker(scene: Scene) -> float:
    """Return how many letters the dead-letter queue did not take from a router."""
    name = "penstock_router_dead_rejected_total"
    return sum([await asyncio.to_thread(metric, router, name) for router in scene.rig.routers])


async def _left_since(scene: Scene, before: float) -> float:
    return await _left_to_the_broker(scene) - before


def _are_seen(scene: Scene) -> bool:
    """Say whether the partitions' depth shows that letters wait in them."""
    rows = scene.rig.places.vhost.queues()
    return sum(row.get("messages_dlx", 0) for row in rows if row["name"] != DEAD) > 0


def _declare_queue(url: str) -> None:
    [dead] = [queue for queue in common().queues if queue.name == DEAD]
    connection = pika.BlockingConnection(pika.URLParameters(url))
    try:
        channel = connection.channel()
        channel.queue_declare(DEAD, durable=True, arguments=dead.arguments())
        channel.queue_bind(DEAD, DEAD)
    finally:
        connection.close()


def _management(places: Places) -> Management:
    return Management(places.broker.management_url)
