"""Routers that are replaced one after another, as a new version is rolled out, while there is much to do."""

from __future__ import annotations

import asyncio
from signal import SIGTERM

from tests.faults.fault import Scene, fault
from tests.faults.injections.moments import news, some_time
from tests.faults.publishers import BackEnd
from tests.faults.rig import Layout
from tests.faults.verdict import Check

ROUNDS = 3
"""How often each router is replaced."""

BACK_ENDS = 3
"""Those that publish as fast as the broker confirms, beside the load's own."""


@fault(
    "F06b",
    "all routers are replaced one after another, again and again, while back ends publish all they can",
    layout=Layout(ids=False),
)
async def roll_out(scene: Scene) -> None:
    url = scene.rig.places.vhost.amqp_url
    hurried = [
        BackEnd(f"hurried-{number}", scene.load.ledger, url, scene.load.topics, seed=scene.rig.seed, interval=0.0)
        for number in range(BACK_ENDS)
    ]
    for back_end in hurried:
        scene.load.back_ends.append(back_end)
        back_end.start()
    for _ in range(ROUNDS):
        for router in scene.chance.sample(scene.rig.routers, len(scene.rig.routers)):
            await some_time(scene, 0.1, 0.5)
            router.signal(SIGTERM)
            code = await asyncio.to_thread(router.ended, 20.0)
            scene.expect(code == 0, Check.EXIT, f"a router that was told to stop ended with {code}")
            router.start()
            await scene.rig.ready(router)
    for back_end in hurried:
        back_end.stop()
    scene.heal()
    await news(scene)
