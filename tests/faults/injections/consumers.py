"""Consumers that the broker gives up: as they take too long, or as their queue is gone."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from signal import SIGCONT, SIGSTOP

from shared.bus.topology import route_queue
from shared.topics import PARTITIONS, partition
from tests.faults.fault import Scene, fault
from tests.faults.injections.brokers import close_named
from tests.faults.injections.moments import answered, news, some_time, unacknowledged
from tests.faults.injections.processes import metric
from tests.faults.programs import Program
from tests.faults.rig import STORE, Layout
from tests.faults.verdict import Check
from tests.support.broker.management import Management
from tests.support.eventually import eventually

TIMEOUT = 4.0
"""Seconds that a delivery may take; RabbitMQ's own default is half an hour. It looks once in `LOOK` seconds."""
LOOK = 0.5

SET = (
    "application:set_env(rabbit, consumer_timeout, {timeout:d}), "
    "application:set_env(rabbit, channel_tick_interval, {look:d})."
)
USUAL = SET.format(timeout=1_800_000, look=60_000)
SHORT = SET.format(timeout=int(TIMEOUT * 1000), look=int(LOOK * 1000))

LOST = 'penstock_bus_channels_lost_total{bus="router"}'
IDLE_RATE = 3.0
"""Messages a second of a partition to which nothing of the load goes: gateways' own requests. Those repeat."""

CANCELLED = 'penstock_bus_consumers_cancelled_total{bus="router"}'


@contextlib.asynccontextmanager
async def impatient(scene: Scene) -> AsyncIterator[None]:
    """Have the broker close a router's channel where a message is in hand for longer than `TIMEOUT`."""
    broker, vhost = scene.rig.places.own_broker, scene.rig.places.vhost
    await asyncio.to_thread(broker.ctl, "eval", SHORT)
    try:
        # A channel goes by what held when it was opened.
        await eventually(lambda: asyncio.to_thread(_are_listed, vhost, 2 * len(scene.rig.routers)), 20.0)
        await asyncio.to_thread(close_named, vhost, "router")
        await news(scene)
        await scene.rig.all_ready()
        yield
    finally:
        await asyncio.to_thread(broker.ctl, "eval", USUAL)


def _are_listed(vhost, count: int) -> bool:  # type: ignore[no-untyped-def]
    """Say whether so many connections of routers are there to be closed: they are listed late."""
    return sum("router" in (row.get("user_provided_name") or "") for row in vhost.connections()) == count


async def counted(scene: Scene, name: str) -> dict[str, float]:
    """Return what each router counts."""
    return {router.name: await asyncio.to_thread(metric, router, name) for router in scene.rig.routers}


async def all_consumed(scene: Scene) -> None:
    """Wait until every router consumes from every partition."""
    routers = len(scene.rig.routers)

    def seen() -> bool:
        rows = [row for row in scene.rig.places.vhost.queues() if row["name"].startswith("penstock.route.")]
        return len(rows) == PARTITIONS and all(row.get("consumers") == routers for row in rows)

    await eventually(lambda: asyncio.to_thread(seen), 30.0)


@fault("F19b", "a router is frozen with messages in hand for longer than a broker waits (406), twice", own_broker=True)
async def frozen_consumer(scene: Scene) -> None:
    async with impatient(scene):
        for _ in range(2):
            router = await _busy(scene)
            before = await counted(scene, LOST)
            router.signal(SIGSTOP)
            await unacknowledged(scene, 4)
            await some_time(scene, TIMEOUT + 2 * LOOK, TIMEOUT + 3.0)  # less than two heartbeats
            router.signal(SIGCONT)
            await eventually(lambda before=before, name=router.name: _more(scene, LOST, before, name), 20.0)
            await all_consumed(scene)
            await news(scene)
        scene.heal()


@fault(
    "F19c",
    "the store is away for several times as long as the broker waits for what routers hold (406)",
    own_broker=True,
    layout=Layout(legs=frozenset({STORE})),
    late=True,
    recover_within=60.0,  # what came back twice is done message by message
)
async def held_too_long(scene: Scene) -> None:
    store = scene.rig.proxies[STORE]
    async with impatient(scene):
        before = sum((await counted(scene, LOST)).values())
        if scene.chance.random() < 0.5:
            store.closed = True
            store.reset()
        else:
            store.hold(up=True, down=True)
        await unacknowledged(scene, 4)
        await some_time(scene, 3 * TIMEOUT, 6 * TIMEOUT)
        closed = sum((await counted(scene, LOST)).values()) - before
        scene.expect(closed >= 2, Check.LIVE, f"only {closed:g} channels were closed: the fault has missed its moment")
        scene.note(f"{closed:g} channels were closed")
        store.release()
        store.reset()
        store.clear()
        scene.heal()
        await news(scene, 30.0)
        await all_consumed(scene)


@fault(
    "F19d",
    "the queue of a partition that has nothing to do is deleted, twice: consumers are cancelled",
    # While it is missing the others are numbered anew, and topics change their partition.
    unordered="back-end-",
    layout=Layout(newcomers=False),  # what waits in a queue that somebody deletes is lost
)
async def cancelled_consumers(scene: Scene) -> None:
    vhost = scene.rig.places.vhost
    management = Management(scene.rig.places.broker.management_url)
    for _ in range(2):
        before = await counted(scene, CANCELLED)
        queue = scene.chance.choice(await asyncio.to_thread(_idle, scene))
        await asyncio.to_thread(management.delete, "queues", vhost.name, queue)
        for name in before:
            await eventually(lambda before=before, name=name: _more(scene, CANCELLED, before, name), 20.0)
        await all_consumed(scene)
        await news(scene)
        await answered(scene)
    scene.heal()


async def _busy(scene: Scene) -> Program:
    """Choose one of the routers that messages come to: RabbitMQ 3 gives all of the work to one of them."""
    received = await counted(scene, "penstock_router_received_total")

    async def seen() -> list[Program]:
        now = await counted(scene, "penstock_router_received_total")
        return [router for router in scene.rig.routers if now[router.name] > received[router.name]]

    return scene.chance.choice(await eventually(seen, 20.0))


async def _more(scene: Scene, name: str, before: dict[str, float], router: str) -> bool:
    return (await counted(scene, name))[router] > before[router]


def _idle(scene: Scene) -> list[str]:
    """Return the queues of partitions to which neither clients nor back ends publish, and that are empty."""
    used = {route_queue(partition(topic)) for topic in (*scene.load.topics, "load.*")}
    rows = [row for row in scene.rig.places.vhost.queues() if row["name"].startswith("penstock.route.")]
    rates = {row["name"]: row.get("message_stats", {}).get("publish_details", {}).get("rate", 0.0) for row in rows}
    quiet = [row["name"] for row in rows if rates[row["name"]] < IDLE_RATE and row["name"] not in used]
    assert quiet, f"every partition has something to do: {rates}"
    return sorted(quiet)
