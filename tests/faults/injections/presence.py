"""Who is there, when a gateway is killed or frozen: its people, and none of its ghosts."""

from __future__ import annotations

import time
from signal import SIGCONT, SIGSTOP

from tests.faults.fault import Scene, fault
from tests.faults.injections.moments import news, some_time
from tests.faults.newcomers import EARLY
from tests.faults.people import LEASE, LINGER, USUAL, Person, gathered
from tests.faults.rig import Layout
from tests.faults.verdict import Check

SHORT = 2.0, 4.0
"""Seconds that it takes until somebody has left, and a gateway's lease; they are 5 and 20 as a rule."""

SWEPT_WITHIN = 5.0
"""Seconds after both in which it is told: 30 after the kill, as a rule."""

SETTLED_WITHIN = 15.0
"""Seconds from the end of a fault until everywhere those are listed who are there."""


def lasting(linger: float, lease: float) -> Layout:
    return Layout(settings={LINGER: f"{linger:g}", LEASE: f"{lease:g}"})


async def kill_a_gateway_and_look(scene: Scene, linger: float, lease: float) -> None:
    """Kill a gateway; some of its people come back elsewhere, some never, and those are ghosts for a time only."""
    gateway, other = scene.chance.sample(scene.rig.gateways, 2)
    ghosts_for = lease + linger + SWEPT_WITHIN
    async with gathered(scene) as people:
        [watcher] = people.of(other, "watcher")
        await some_time(scene, 0.0, 0.5)
        lost = people.of(gateway, "leaves")
        for person in lost:
            person.comes_back = False
        gateway.kill()
        killed = time.monotonic()
        scene.heal()
        await news(scene, 20.0)
        gateway.start()
        await scene.rig.ready(gateway)
        await people.settle(killed + ghosts_for - time.monotonic(), f"{ghosts_for:g} s after the kill")
        gone = time.monotonic() - killed
        back = [person for person in people.by_gateway[gateway.name] if person not in lost]
        _told_of(scene, watcher, lost, back, killed, linger)
        late = people.add("latecomer", gateway)
        await people.settle(SETTLED_WITHIN, "after somebody came to the new one")
        await people.send_away(late)
        await people.settle(linger + SETTLED_WITHIN, "after somebody left the new one")
        told = [each.kind for each in watcher.news if each.user == late.name]
        scene.expect(told == ["joined", "left"], Check.LIVE, f"of {late.name} {watcher.name} was told {told}")
    scene.note(f"no ghost was left after {gone:.1f} s")


def _told_of(
    scene: Scene, watcher: Person, lost: list[Person], back: list[Person], killed: float, linger: float
) -> None:
    """Note where a watcher elsewhere was told anything but that those left who did not come back."""
    told = [(each.kind, each.user) for each in watcher.news if each.at > killed]
    for person in lost:
        mine = [kind for kind, user in told if user == person.name]
        scene.expect(mine == ["left"], Check.LIVE, f"of {person.name}, who was killed, {watcher.name} was told {mine}")
    soon = {person.name for person in back if any(killed < at < killed + linger for at in person.came)}
    flickered = [each for each in told if each[1] in soon]
    scene.expect(not flickered, Check.LIVE, f"of those who came back in time {watcher.name} was told {flickered}")


async def freeze_a_gateway_and_look(scene: Scene, least: float, most: float, *, lapses: bool) -> None:
    """Freeze a gateway; where its lease `lapses`, those who wait for it have left, and join again when it goes on."""
    gateway, other = scene.chance.sample(scene.rig.gateways, 2)
    url = scene.rig.urls[other.name]
    async with gathered(scene) as people:
        [watcher] = people.of(other, "watcher")
        gateway.signal(SIGSTOP)
        frozen = time.monotonic()
        unharmed = [each for each in scene.load.subscribers if each.url == url and each.name != EARLY]
        connections = {each.name: each.connections for each in unharmed}
        await some_time(scene, least, most)
        heard = {who for who, _ in scene.load.heard_since(frozen)}
        late = [each.name for each in unharmed if each.name not in heard]
        scene.expect(not late, Check.LIVE, f"subscribers of the other gateway heard nothing: {late}")
        left = [each.name for each in unharmed if each.connections != connections[each.name]]
        scene.expect(not left, Check.LIVE, f"subscribers of the other gateway lost their connection: {left}")
        patient = people.of(gateway, "patient")
        _left_or_not(scene, watcher, patient, frozen, lapses)
        gateway.signal(SIGCONT)
        scene.heal()
        await people.settle(SETTLED_WITHIN, "after the gateway went on")
        moved = [person.name for person in people.by_gateway[other.name] if len(person.came) > 1]
        scene.expect(not moved, Check.LIVE, f"these were at the other gateway, and lost their connection: {moved}")
    stayed = sum(len(person.came) == 1 for person in patient)
    scene.note(f"{stayed} of {len(patient)} who waited for it kept their connection")


def _left_or_not(scene: Scene, watcher: Person, patient: list[Person], frozen: float, lapses: bool) -> None:
    expected = ["left"] if lapses else []
    for person in patient:
        told = [each.kind for each in watcher.news if each.user == person.name and each.at > frozen]
        scene.expect(told == expected, Check.LIVE, f"of {person.name}, who was frozen, {watcher.name} was told {told}")


@fault(
    "F03",
    "a gateway is killed; its clients resume at the other, but for some that never come back; later it is there again",
    layout=lasting(*SHORT),
)
async def kill_a_gateway(scene: Scene) -> None:
    await kill_a_gateway_and_look(scene, *SHORT)


@fault("F03c", "the same with the usual lease: whoever does not come back is a ghost for 25 s", long=True)
async def kill_a_gateway_with_a_lease(scene: Scene) -> None:
    await kill_a_gateway_and_look(scene, *USUAL)


@fault("F23", "a gateway is frozen for some seconds, and thawed")
async def freeze_a_gateway(scene: Scene) -> None:
    await freeze_a_gateway_and_look(scene, 4.0, 6.0, lapses=False)


@fault("F23b", "a gateway is frozen for 30 s, longer than its lease, and thawed", recover_within=30.0, long=True)
async def freeze_a_gateway_for_long(scene: Scene) -> None:
    await freeze_a_gateway_and_look(scene, 30.0, 30.0, lapses=True)
