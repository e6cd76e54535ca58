"""Messages that cannot be processed, and a dead-letter queue that is in no state to take them."""

from __future__ import annotations

import asyncio
from collections import Counter

from shared.bus.topology import EVENTS
from tests.faults.fault import Scene, fault
from tests.faults.injections.moments import answered, news, some_time
from tests.faults.injections.processes import redelivered
from tests.faults.raising import FAULT
from tests.faults.rig import Layout
from tests.faults.unprocessable import Bad, Letter, bad_ones, collect, send
from tests.faults.verdict import Check
from tests.support.eventually import eventually

ROUNDS = 8
AT_ONCE = 11
"""Bad messages that are published without a pause."""
BURIED_WITHIN = 30.0


async def publish_bad(scene: Scene, several: list[Bad]) -> None:
    """Publish them, some at a time, in an order by chance."""
    url = scene.rig.places.vhost.amqp_url
    scene.chance.shuffle(several)
    for first in range(0, len(several), AT_ONCE):
        await asyncio.to_thread(send, url, several[first : first + AT_ONCE])
        await some_time(scene, 0.0, 0.3)


async def buried(scene: Scene, several: list[Bad], within: float = BURIED_WITHIN) -> list[Letter]:
    """Wait for the letters of all of `several`, take them away, and say what is wrong with them."""
    url, letters = scene.rig.places.vhost.amqp_url, []
    expected = Counter(bad.remains for bad in several)

    async def all_found() -> bool:
        letters.extend(await asyncio.to_thread(collect, url))
        return Counter(letter.body for letter in letters) >= expected

    try:
        await eventually(all_found, within)
    except AssertionError:
        lacking = expected - Counter(letter.body for letter in letters)
        some = [body[:40] for body in lacking][:3]
        scene.expect(False, Check.LOST, f"of {len(several)} no letter came for {len(lacking)}, as {some}")
    return letters


def judge_letters(scene: Scene, several: list[Bad], letters: list[Letter]) -> None:
    """Note what is wrong with letters that routers wrote: each once, at the first attempt, with its reason."""
    reasons = Counter((bad.reason, bad.remains[:40]) for bad in several)
    found = Counter((letter.reason, letter.body[:40]) for letter in letters)
    scene.expect(found == reasons, Check.DEAD, f"too many: {list(found - reasons)[:3]}, missing: {reasons - found}")
    tried = [letter for letter in letters if letter.attempts != 1]
    scene.expect(not tried, Check.DEAD, f"{len(tried)} were not dead at the first attempt, as {tried[:1]}")


async def _bury_all(scene: Scene, several: list[Bad]) -> None:
    await publish_bad(scene, several)
    scene.heal()
    letters = await buried(scene, several)
    await news(scene)
    await answered(scene)
    letters += await asyncio.to_thread(collect, scene.rig.places.vhost.amqp_url)
    judge_letters(scene, several, letters)
    again = sum([await asyncio.to_thread(redelivered, router) for router in scene.rig.routers])
    scene.expect(again == 0, Check.DEAD, f"{again:g} messages came to routers again")
    scene.note(f"{len(letters)} dead letters for {len(set(letter.reason for letter in letters))} reasons")


@fault("F18", "messages that cannot be processed, in each documented way, are among the others")
async def unprocessable(scene: Scene) -> None:
    await _bury_all(scene, bad_ones(scene.load.topics, ROUNDS))


@fault(
    "F18b",
    "events on which a router raises, by a mistake of its own, are among the others",
    layout=Layout(router="tests.faults.raising"),
    errors=True,
)
async def raising(scene: Scene) -> None:
    topics = scene.load.topics
    await _bury_all(
        scene,
        [Bad("internal", EVENTS, scene.chance.choice(topics), b'"%s %d"' % (FAULT, number)) for number in range(40)],
    )
