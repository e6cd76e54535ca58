"""Clients that come and go, all at once, too late, or twice."""

from __future__ import annotations

import asyncio
import time

from tests.faults.fault import Scene, fault
from tests.faults.injections.moments import some_time
from tests.faults.ledger import Place
from tests.faults.rig import CLIENT, Layout
from tests.faults.subscribers import Session, opened
from tests.faults.traces import LINGER
from tests.faults.verdict import Check
from tests.support.penstock import token

CROWD = 40


@fault(
    "F28",
    "all sockets are dropped at once, three times",
    # What lingers may not hide what stays. An issuer is asked for its keys, and for nothing that grows with the crowd.
    layout=Layout(legs=frozenset({CLIENT}), settings={LINGER: "1"}, issuer=True),
)
async def drop_all(scene: Scene) -> None:
    issuer = scene.rig.issuer
    assert issuer is not None
    crowd = [scene.load.subscribe(f"crowd-{number}") for number in range(CROWD)]
    await scene.load.all_subscribed()
    asked = issuer.requests
    for _ in range(3):
        for gateway in scene.rig.gateways:
            scene.rig.client_leg(gateway).reset()
        await some_time(scene, 0.1, 0.6)
    scene.heal()
    await scene.load.all_subscribed()
    asked = issuer.requests - asked
    scene.expect(not asked, Check.LIVE, f"for a crowd with known keys the issuer was asked {asked} times")
    scene.note(f"{len(scene.load.subscribers)} came back, {len(crowd)} of them a crowd")


@fault("F30", "the same key is published through two gateways, and again later")
async def the_same_key_twice(scene: Scene) -> None:
    urls = list(scene.rig.urls.values())
    ledger, topics = scene.load.ledger, scene.load.topics
    ids = [f"twice:{topic}:{number}" for topic in topics for number in range(5)]
    for round_ in range(3):
        answers = await asyncio.gather(*(publish_all(url, ids) for url in urls))
        for id in ids:
            places = {answer[id] for answer in answers}
            ledger.attempt(id, "twice", id.split(":")[1], time.monotonic())
            for place in places:
                ledger.ack(id, place)
            scene.expect(len(places) == 1, Check.DUP, f"{id} was answered with {places} in round {round_}")
        await some_time(scene, 0.2, 0.6)
    scene.heal()


async def publish_all(url: str, ids: list[str]) -> dict[str, Place]:
    """Publish through one gateway, each under its id and on the topic that is its second part; return the answers."""
    answers: dict[str, Place] = {}
    async with opened(url) as session:
        await _request(session, 1, type="connect", token=token("twice"))
        for number, id in enumerate(ids, 2):
            frame = {"type": "publish", "topic": id.split(":")[1], "key": id, "data": {"id": id}}
            answer = await _request(session, number, **frame)
            answers[id] = Place(answer["epoch"], answer["offset"])
    return answers


async def _request(session: Session, number: int, **fields: object) -> dict[str, object]:
    await session.send({"id": number, **fields})
    async with asyncio.timeout(20):
        while True:
            frame = await session.frame()
            if frame is not None and frame.get("id") == number:
                assert frame["type"] != "error", frame
                return frame


@fault("F33", "a subscriber is away for longer than its topic's history", gaps=True)
async def away_too_long(scene: Scene) -> None:
    ledger, load, topic = scene.load.ledger, scene.load, "short.1"
    late, present = (load.subscribe(name, topics=[topic]) for name in ("late", "present"))
    await load.all_subscribed()
    late.may_come.clear()
    late.leave()
    await _publish_and_note(scene, [f"long:{topic}:{number}" for number in range(60)])
    late.may_come.set()
    await load.until(lambda: late.subscribed == {topic} and ledger.account("late", topic).announced)
    scene.heal()
    await _publish_and_note(scene, [f"long:{topic}:{number}" for number in range(60, 70)])
    holes = ledger.account("late", topic).announced
    scene.expect([hole.cause for hole in holes] == ["trimmed"], Check.GAP, f"the holes were {holes}")
    scene.expect(not ledger.account(present.name, topic).announced, Check.GAP, "who stayed was told of a hole")
    scene.note(f"the hole went to {holes[0].next.offset}")


async def _publish_and_note(scene: Scene, ids: list[str]) -> None:
    for id in ids:
        scene.load.ledger.attempt(id, "long", id.split(":")[1], time.monotonic())
    for id, place in (await publish_all(next(iter(scene.rig.urls.values())), ids)).items():
        scene.load.ledger.ack(id, place)
