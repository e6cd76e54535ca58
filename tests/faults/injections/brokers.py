"""A broker that dies, stops, is full, or takes no more messages."""

from __future__ import annotations

import asyncio
from functools import partial
from operator import gt
from signal import SIGCONT, SIGSTOP

from tests.faults.fault import Scene, fault
from tests.faults.injections.moments import news, some_time
from tests.faults.verdict import Check
from tests.support.broker.management import Management
from tests.support.eventually import eventually

REFUSED_WITHIN, USUALLY = 0.1, 0.95
"""Seconds in which a publish is refused during an alarm, and how many of all at least: a machine may be busy."""

ROUTE_PATTERN = "^penstock\\.route\\."


@fault("F07", "the broker is killed, and comes back", own_broker=True, recover_within=40.0)
async def kill_the_broker(scene: Scene) -> None:
    broker = scene.rig.places.own_broker
    connections = connections_of(scene)
    await some_time(scene, 0.0, 0.5)
    await asyncio.to_thread(broker.kill)
    await some_time(scene, 0.5, 2.0)
    await asyncio.to_thread(broker.start)
    scene.heal()
    await news(scene, 40.0)
    scene.expect(connections_of(scene) == connections, Check.LIVE, "clients lost their connections")


@fault(
    "F08",
    "the broker's application is stopped and started (320, connection forced)",
    own_broker=True,
)
async def stop_the_broker(scene: Scene) -> None:
    broker = scene.rig.places.own_broker
    connections = connections_of(scene)
    await asyncio.to_thread(broker.ctl, "stop_app")
    await some_time(scene, 0.5, 2.0)
    await asyncio.to_thread(broker.ctl, "start_app")
    scene.heal()
    await news(scene, 40.0)
    scene.expect(connections_of(scene) == connections, Check.LIVE, "clients lost their connections")


@fault("F13", "the broker raises a memory alarm for some seconds", own_broker=True, recover_within=30.0)
async def alarm(scene: Scene) -> None:
    broker = scene.rig.places.own_broker
    connections = connections_of(scene)
    await asyncio.to_thread(broker.block)
    refused = [dict(client.refusals) for client in scene.load.clients]
    await scene.load.until(
        lambda: all(
            client.refusals.get("unavailable", 0) > before.get("unavailable", 0)
            for client, before in zip(scene.load.clients, refused, strict=True)
        ),
        20.0,
    )
    for client in scene.load.clients:
        client.refused_in.clear()
    await some_time(scene, 2.0, 4.0)
    took = sorted(seconds for client in scene.load.clients for seconds in client.refused_in)
    usual, slowest = took[int(len(took) * USUALLY)], took[-1]
    scene.note(f"{len(took)} publishes were refused, 95 % within {usual * 1000:.0f} ms, all in {slowest * 1000:.0f} ms")
    scene.expect(usual < REFUSED_WITHIN, Check.LIVE, f"95 % of publishes were refused within {usual:.2f} s only")
    scene.expect(slowest < 2.0, Check.LIVE, f"a publish was refused only after {slowest:.1f} s")
    await asyncio.to_thread(broker.unblock)
    scene.heal()
    await news(scene, 30.0)
    scene.expect(connections_of(scene) == connections, Check.LIVE, "clients lost their connections")


REFUSED = "overloaded"
"""What a client is told whose publish found no room."""


@fault("F15", "the partitions' queues are full and refuse, until there is room again")
async def full_queues(scene: Scene) -> None:
    vhost = scene.rig.places.vhost
    management = Management(scene.rig.places.broker.management_url)
    policy = {"pattern": ROUTE_PATTERN, "definition": {"max-length": 1}, "apply-to": "queues"}
    for router in scene.rig.routers:
        router.signal(SIGSTOP)
    await asyncio.to_thread(management.put, "policies", vhost.name, "full", **policy)
    before = [client.refusals.get(REFUSED, 0) for client in scene.load.clients]

    def all_refused() -> bool:
        now = [client.refusals.get(REFUSED, 0) for client in scene.load.clients]
        return all(back_end.nacks for back_end in scene.load.back_ends) and all(map(gt, now, before))

    await scene.load.until(all_refused, 30.0)
    await some_time(scene, 0.5, 1.0)
    await asyncio.to_thread(management.delete, "policies", vhost.name, "full")
    for router in scene.rig.routers:
        router.signal(SIGCONT)
    scene.heal()
    refusals = sum(client.refusals.get(REFUSED, 0) for client in scene.load.clients)
    nacks = sum(back_end.nacks for back_end in scene.load.back_ends)
    scene.note(f"{nacks} events and {refusals} publishes of clients were refused")


@fault("F19", "the broker closes all connections of the routers (320), twice")
async def close_connections(scene: Scene) -> None:
    vhost = scene.rig.places.vhost
    closed = 0

    async def close_all(upto: int) -> bool:
        nonlocal closed  # what the broker lists may be gone already, or not be listed yet
        closed += await asyncio.to_thread(close_named, vhost, "router")
        return closed >= upto

    for _ in range(2):
        await eventually(partial(close_all, closed + len(scene.rig.routers)), 20.0)
        await some_time(scene, 0.5, 1.5)
    scene.heal()
    scene.note(f"{closed} connections were closed")


def close_named(vhost, word: str) -> int:  # type: ignore[no-untyped-def]
    """Close the connections of whoever has `word` in a name, and return how many."""
    names = {row.get("user_provided_name") for row in vhost.connections()}
    return sum(vhost.close_connections(named=name) for name in names if name and word in name)


def connections_of(scene: Scene) -> dict[str, int]:
    return {each.name: each.connections for each in scene.load.subscribers}


@fault("F14", "the broker raises a disk alarm for some seconds", own_broker=True, recover_within=30.0)
async def disk_alarm(scene: Scene) -> None:
    broker = scene.rig.places.own_broker
    await asyncio.to_thread(broker.ctl, "set_disk_free_limit", str(10**18))
    refused = [client.refusals.get("unavailable", 0) for client in scene.load.clients]
    await scene.load.until(
        lambda: all(
            client.refusals.get("unavailable", 0) > before
            for client, before in zip(scene.load.clients, refused, strict=True)
        ),
        20.0,
    )
    await some_time(scene, 1.0, 3.0)
    await asyncio.to_thread(broker.ctl, "set_disk_free_limit", str(50 * 10**6))
    scene.heal()
