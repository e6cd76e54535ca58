"""Exchanges that somebody deletes while they are in use."""

from __future__ import annotations

import asyncio
import time

from shared.bus.topology import DELIVER, FRAMES, REPLIES, SIGNALS
from tests.faults.fault import Scene, fault
from tests.faults.injections.brokers import close_named, connections_of
from tests.faults.injections.moments import answered, some_time
from tests.faults.verdict import Check
from tests.support.broker.management import Management
from tests.support.eventually import eventually

DELETED = (DELIVER, REPLIES, FRAMES, SIGNALS)

AGAIN_WITHIN = 40.0
"""Seconds; a gateway that gets no answers for 5 looks after its bindings within 7 more, and a machine may be busy."""


@fault(
    "F21",
    "the exchanges of deliveries, answers, requests and signals are deleted, one after the other",
    late=True,
)
async def delete_exchanges(scene: Scene) -> None:
    vhost = scene.rig.places.vhost
    management = Management(scene.rig.places.broker.management_url)
    connections = connections_of(scene)
    for name in scene.chance.sample(DELETED, len(DELETED)):
        began = time.monotonic()
        await asyncio.to_thread(management.delete, "exchanges", vhost.name, name)
        await scene.load.all_hear(time.monotonic(), AGAIN_WITHIN)
        heard = time.monotonic() - began
        await answered(scene, AGAIN_WITHIN)
        scene.note(f"{name}: heard again after {heard:.1f} s, answered after {time.monotonic() - began:.1f} s")
        await some_time(scene, 0.0, 1.0)
    # Nothing is published to that of signals, so nobody notices; who comes again has all.
    await eventually(lambda: asyncio.to_thread(close_named, vhost, "router"), 20.0)
    await eventually(lambda: asyncio.to_thread(_are_there, vhost), 20.0)
    scene.heal()
    scene.expect(connections_of(scene) == connections, Check.LIVE, "clients lost their connections")


def _are_there(vhost) -> bool:  # type: ignore[no-untyped-def]
    return set(DELETED) <= {row["name"] for row in vhost.exchanges()}
