"""What takes a minute or more; a short run leaves it out."""

from __future__ import annotations

import asyncio
import contextlib
import time

from tests.faults.fault import Scene, fault
from tests.faults.injections.clients import publish_all
from tests.faults.injections.moments import news
from tests.faults.injections.network import CLIENT_LEG, client_legs, cut_clients_until
from tests.faults.ledger import Place
from tests.faults.verdict import Check, needless
from tests.support.back_end import emit

CUTS = 500
CUT_WITHIN = 300.0
"""Seconds; ten a second are usual."""
CUT_AFTER = 30_000
"""Bytes, at most: in the long run clients must get more than is published, or fall behind until they are told gaps."""

LATER = 60.0
"""Seconds after which a key is used again; it counts for 300."""


@fault(
    "F10c",
    "connections of clients are reset after a random number of bytes, 500 times",
    layout=CLIENT_LEG,
    recover_within=60.0,
    gaps=True,  # of `penstock_client`: who is cut off so often waits up to 20 s, and misses more than is replayed
    long=True,
)
async def cut_clients_500_times(scene: Scene) -> None:
    await cut_clients_until(scene, CUTS, CUT_WITHIN, CUT_AFTER)
    with contextlib.suppress(AssertionError):  # who stays deaf, the trial itself tells
        await news(scene, 60.0)
    told = [words for name, words in needless(scene.load.ledger) if not name.startswith("library-")]
    scene.expect(not told, Check.GAP, f"these came back soon enough, and were told of holes: {told}")
    scene.note(f"{sum(leg.cuts for leg in client_legs(scene))} connections were cut")


@fault("F30b", "what was published is published again under its key after 60 s, through the other gateway", long=True)
async def the_same_key_a_minute_later(scene: Scene) -> None:
    urls = scene.chance.sample(list(scene.rig.urls.values()), 2)
    ledger, topics = scene.load.ledger, scene.load.topics
    keys = [f"later:{topic}:{number}" for topic in topics for number in range(5)]
    events = [f"later-event:{topic}:{number}" for topic in topics for number in range(5)]
    answers: list[dict[str, Place]] = []
    for url in urls:
        if answers:
            await asyncio.sleep(LATER)
        for id in (*keys, *events):
            ledger.attempt(id, id.split(":")[0], id.split(":")[1], time.monotonic())
        answers.append(await publish_all(url, keys))
        # A back end knows no gateway; its event has its key from `message_id`.
        told = [(id.split(":")[1], b'{"id":"%s"}' % id.encode(), {"message_id": id}) for id in events]
        await asyncio.to_thread(emit, scene.rig.places.vhost.amqp_url, *told)
        for id in events:
            ledger.ack(id)
        for id, place in answers[-1].items():
            ledger.ack(id, place)
    scene.heal()
    for id in keys:
        first, again = answers[0][id], answers[1][id]
        scene.expect(first == again, Check.DUP, f"{id} was answered with {first}, and {LATER:g} s later with {again}")
