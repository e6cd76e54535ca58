"""A store that is killed, emptied or frozen."""

from __future__ import annotations

import asyncio

from tests.faults.fault import Scene, fault
from tests.faults.injections.moments import news, some_time
from tests.support.store.server import asking


@fault("S1", "the store is emptied: every log begins anew, and says so", gaps=True)
async def empty_the_store(scene: Scene) -> None:
    await some_time(scene, 0.0, 0.5)

    def flush() -> None:
        with asking(scene.rig.places.store_url) as client:
            client.flushdb()

    await asyncio.to_thread(flush)
    scene.heal()
    await news(scene, 20.0)


@fault("S2", "the store is killed, and comes back empty", own_store=True, gaps=True, recover_within=30.0)
async def kill_the_store(scene: Scene) -> None:
    store = scene.rig.places.own_store
    assert store is not None
    await asyncio.to_thread(store.kill)
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
