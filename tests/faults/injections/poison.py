"""Events that end whoever works on them."""

from __future__ import annotations

import asyncio

import pika

from router.doubt import MAX_BEGUN
from shared.bus.port import RETURNS_UNTIL_DOUBT
from shared.bus.topology import DEAD
from tests.faults.fault import Scene, fault
from tests.faults.injections.moments import news
from tests.faults.poisoned import POISON
from tests.faults.rig import Layout
from tests.faults.verdict import Check
from tests.support.back_end import emit
from tests.support.eventually import eventually

POISONS = 2
DEADLY_WITHIN = 120.0
"""Seconds in which every poison is to be found; a router that is started is at work within two or three."""


@fault(
    "F17b",
    "two events crash every router that works on them, by a signal; routers are started again as they die",
    layout=Layout(router="tests.faults.poisoned"),
    recover_within=30.0,
)
async def poison(scene: Scene) -> None:
    rig, url = scene.rig, scene.rig.places.vhost.amqp_url
    poisons = [b'{"%s": %d}' % (POISON, number) for number in range(POISONS)]
    for body, topic in zip(poisons, scene.chance.sample(scene.load.topics, POISONS), strict=True):
        await asyncio.to_thread(emit, url, (topic, body, {}))
    deaths = 0
    letters: list[tuple[str, bytes]] = []

    async def all_found() -> bool:
        nonlocal deaths
        for router in rig.routers:
            if not router.is_running:
                deaths += 1
                router.ended(1.0)
                router.start()
        letters.extend(await asyncio.to_thread(dead_letters, url))
        return len(letters) >= POISONS

    await eventually(all_found, DEADLY_WITHIN)
    scene.heal()
    await rig.all_ready()
    await news(scene)
    letters += await asyncio.to_thread(dead_letters, url)
    expected = [("deadly", body) for body in poisons]
    scene.expect(sorted(letters) == expected, Check.DEAD, f"these are dead, and not the poisons alone: {letters}")
    # Those are the attempts that count, and before them the turns that it was not alone in.
    most = POISONS * (RETURNS_UNTIL_DOUBT + MAX_BEGUN)
    scene.expect(deaths <= most, Check.DEAD, f"{deaths} routers died, and {most} should have been enough")
    scene.note(f"{deaths} routers died")


def dead_letters(url: str) -> list[tuple[str, bytes]]:
    """Take all dead letters away, and return their reasons and bodies."""
    found = []
    connection = pika.BlockingConnection(pika.URLParameters(url))
    try:
        channel = connection.channel()
        while (got := channel.basic_get(DEAD, auto_ack=True))[0] is not None:
            _, properties, body = got
            reason = (properties.headers or {}).get("x-penstock-reason", "the broker's own")
            found.append((str(reason), bytes(body)))
    finally:
        connection.close()
    return found
