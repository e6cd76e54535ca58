"""A store that is killed, emptied or frozen, with a broker that is slow besides."""

from __future__ import annotations

import asyncio
import contextlib
import time

from penstock_client import Client

from tests.faults.fault import Scene, fault
from tests.faults.injections.moments import news, some_time
from tests.faults.rig import PREFETCH
from tests.faults.verdict import Check
from tests.support.eventually import eventually
from tests.support.penstock import token
from tests.support.store.server import asking

STANDS, RUNS = (0.3, 0.5), (0.1, 0.4)
"""Seconds, at least and at most. The broker waits 0.25 s for the leader of a queue to say how much is in it."""

UNLOGGED = [f"fleeting.{number}" for number in range(32)]
"""Topics without history, of every partition some."""


@fault("S1", "the store is emptied: every log begins anew, and says so", gaps=True)
async def empty_the_store(scene: Scene) -> None:
    await some_time(scene, 0.0, 0.5)

    def flush() -> None:
        with asking(scene.rig.places.store_url) as client:
            client.flushdb()

    await asyncio.to_thread(flush)
    scene.load.ledger.lose_logs(time.monotonic())
    scene.heal()
    await some_time(scene, 1.0, 2.0)  # new topics begin
    await news(scene, 20.0)


@fault("S2", "the store is killed, and comes back empty", own_store=True, gaps=True, recover_within=30.0)
async def kill_the_store(scene: Scene) -> None:
    store = scene.rig.places.own_store
    assert store is not None
    await asyncio.to_thread(store.kill)
    scene.load.ledger.lose_logs(time.monotonic())
    await some_time(scene, 1.0, 3.0)
    await asyncio.to_thread(store.start)
    scene.heal()


@fault("S4", "the store is frozen for some seconds: nothing is lost, not even its logs", own_store=True)
async def freeze_the_store(scene: Scene) -> None:
    store = scene.rig.places.own_store
    assert store is not None
    await asyncio.to_thread(store.freeze)
    await some_time(scene, 3.0, 6.0)
    await asyncio.to_thread(store.thaw)
    scene.heal()


@fault(
    "S5",
    "the store is frozen until far more events wait than routers may hold; one of them is killed; the rest goes on",
    own_store=True,
    late=True,
    recover_within=40.0,
)
async def long_outage(scene: Scene) -> None:
    store = scene.rig.places.own_store
    assert store is not None
    await asyncio.to_thread(store.freeze)
    waiting = await beside(scene, 8 * PREFETCH)
    await _unlogged_goes_on(scene)
    router = scene.chance.choice(scene.rig.routers)
    router.kill()
    if scene.chance.random() < 0.5:  # who takes over finds a store, and must find what waits as well
        await asyncio.to_thread(store.thaw)
        router.start()
    else:
        await some_time(scene, 0.0, 2.0)
        router.start()
        await _unlogged_goes_on(scene)
        waiting = await beside(scene, waiting + 4 * PREFETCH)
        await asyncio.to_thread(store.thaw)
    scene.heal()
    await news(scene, 40.0)
    await eventually(lambda: _is_drained(scene), 20.0)
    await scene.rig.ready(router)
    scene.note(f"{waiting} events waited beside their partitions")


@fault(
    "S6",
    "the broker stands still for a moment, again and again, while what waited beside partitions is drained, twice",
    own_broker=True,
    own_store=True,
    late=True,
    recover_within=40.0,
)
async def stuttering_broker(scene: Scene) -> None:
    store = scene.rig.places.own_store
    assert store is not None
    most = 0
    for _ in range(2):
        await asyncio.to_thread(store.freeze)
        most = max(most, await beside(scene, 4 * PREFETCH))
        enough = asyncio.Event()
        async with asyncio.TaskGroup() as group:
            group.create_task(_stutter(scene, enough))
            await some_time(scene, 0.0, 1.0)
            await asyncio.to_thread(store.thaw)
            await news(scene, 60.0)
            await eventually(lambda: _is_drained(scene), 60.0)
            enough.set()
    scene.heal()
    scene.note(f"{most} events waited beside their partitions")


async def _stutter(scene: Scene, enough: asyncio.Event) -> None:
    """Stop the broker's clock and let it run on, in turn."""
    broker = scene.rig.places.own_broker
    while not enough.is_set():
        await some_time(scene, *RUNS)
        await asyncio.to_thread(broker.freeze)
        await some_time(scene, *STANDS)
        await asyncio.to_thread(broker.thaw)


async def beside(scene: Scene, count: int, within: float = 60.0) -> int:
    """Wait until so many events wait beside their partitions, and return how many do."""

    async def seen() -> int:
        total = await _beside(scene)
        return total if total >= count else 0

    return int(await eventually(seen, within))


async def _is_drained(scene: Scene) -> bool:
    return not await _beside(scene)


async def _beside(scene: Scene) -> int:
    rows = await asyncio.to_thread(scene.rig.places.vhost.queues)
    return sum(row.get("messages", 0) for row in rows if row["name"].startswith("penstock.spill."))


async def _unlogged_goes_on(scene: Scene) -> None:
    """Connect, subscribe to topics without history, and hear what is published on each."""
    heard: set[str] = set()
    async with (
        Client(scene.rig.front_url, token=token("meanwhile"), proxy=None) as client,
        client.subscribe("fleeting.*") as subscription,
    ):
        for topic in UNLOGGED:
            await client.publish(topic, topic)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(10.0):
                while len(heard) < len(UNLOGGED):
                    heard.add((await anext(subscription)).topic)
    silent = sorted(set(UNLOGGED) - heard)
    scene.expect(not silent, Check.LIVE, f"while the store was away nothing was heard on {silent}")
