"""Gateways and routers that die, are stopped, and come back."""

from __future__ import annotations

import asyncio
from signal import SIGSTOP, SIGTERM
from urllib.request import urlopen

from tests.faults.fault import Scene, fault
from tests.faults.injections.moments import news, some_time, unacknowledged
from tests.faults.programs import Program
from tests.faults.rig import ROUTER, STORE, Layout
from tests.faults.verdict import Check
from tests.support.eventually import eventually


@fault("F01", "a router is killed with its prefetch full, and comes back", layout=Layout(ids=False))
async def kill_a_full_router(scene: Scene) -> None:
    # RabbitMQ 3 gives all of the work to one of them, and the other's prefetch would never fill.
    busy = await eventually(lambda: asyncio.to_thread(lambda: [each for each in scene.rig.routers if has_taken(each)]))
    router = scene.chance.choice(busy)
    router.signal(SIGSTOP)
    await unacknowledged(scene)
    router.kill()
    scene.heal()
    await news(scene, 20.0)
    router.start()
    await scene.rig.ready(router)


@fault(
    "F02",
    "a router is killed after its deliveries were confirmed and before it could acknowledge what they came from",
    layout=Layout(legs=frozenset({ROUTER}), ids=False),
)
async def kill_between_confirm_and_ack(scene: Scene) -> None:
    proxy = scene.rig.proxies[ROUTER]
    proxy.hold(lambda link: b"consumes" in link.head, up=True)  # acknowledgements get no further, deliveries do
    await unacknowledged(scene)
    await some_time(scene, 0.1, 0.5)
    proxy.closed = True
    proxy.reset()  # what waits in the proxy must not be passed on
    for router in scene.rig.routers:
        router.kill()
    proxy.clear()
    for router in scene.rig.routers:
        router.start()
    await scene.rig.all_ready()
    scene.heal()
    again = [await asyncio.to_thread(redelivered, router) for router in scene.rig.routers]
    scene.expect(sum(again) > 0, Check.LIVE, "nothing came again: the fault has missed its moment")
    scene.note(f"{sum(again):g} messages came again")


@fault("F05", "a gateway is told to stop: it drains, clients resume at the other")
async def stop_a_gateway(scene: Scene) -> None:
    gateway = scene.chance.choice(scene.rig.gateways)
    url = scene.rig.urls[gateway.name]
    there = [each for each in scene.load.subscribers if each.url == url]
    gateway.signal(SIGTERM)
    code = await asyncio.to_thread(gateway.ended, 20.0)
    scene.heal()
    scene.expect(code == 0, Check.EXIT, f"a gateway that was told to stop ended with {code}")
    untold = [each.name for each in there if not each.drained]
    scene.expect(not untold, Check.EXIT, f"these were not told to come back: {untold}")
    unusual = [(each.name, each.goodbyes) for each in there if 4000 not in each.goodbyes]
    scene.expect(not unusual, Check.EXIT, f"these connections did not end with 4000: {unusual}")
    scene.note(f"{len(there)} subscribers were drained")
    gateway.start()
    await scene.rig.ready(gateway)


@fault(
    "F06",
    "a router is told to stop: it finishes what it has begun, and nothing of that is done again",
    layout=Layout(ids=False),
)
async def stop_a_router(scene: Scene) -> None:
    stopped, other = scene.chance.sample(scene.rig.routers, 2)
    await some_time(scene, 0.0, 0.5)
    before = await asyncio.to_thread(repeated, other)
    stopped.signal(SIGTERM)
    code = await asyncio.to_thread(stopped.ended, 20.0)
    scene.heal()
    scene.expect(code == 0, Check.EXIT, f"a router that was told to stop ended with {code}")
    await news(scene)
    again = await asyncio.to_thread(repeated, other) - before
    scene.expect(again == 0, Check.EXIT, f"{again:g} messages were logged when they came to the other router")
    stopped.start()
    await scene.rig.ready(stopped)


@fault("F32", "routers become four, and one again", layout=Layout(routers=1), recover_within=30.0)
async def scale_routers(scene: Scene) -> None:
    rig = scene.rig
    for number in (1, 2, 3):
        rig.add_router(number)
    await rig.all_ready()
    await news(scene)
    leaving = scene.chance.sample(rig.routers, 3)
    for router in leaving:
        router.signal(SIGTERM)
        await some_time(scene, 0.0, 0.3)
    for router in leaving:
        code = await asyncio.to_thread(router.ended, 20.0)
        scene.expect(code == 0, Check.EXIT, f"{router.name} ended with {code}")
    scene.heal()


def redelivered(router: Program) -> float:
    """Return how many messages came to a router that had come to somebody before."""
    return metric(router, "penstock_router_redelivered_total")


def repeated(router: Program) -> float:
    """Return how many messages came to a router that stood in their logs already."""
    return metric(router, "penstock_router_repeated_total")


def has_taken(router: Program) -> bool:
    """Say whether messages have come to a router that was just started."""
    try:
        return metric(router, "penstock_router_received_total") > 0
    except OSError:
        return False


def metric(program: Program, name: str) -> float:
    """Return what a program counts."""
    with urlopen(f"http://127.0.0.1:{program.port}/metrics", timeout=10) as answer:
        for line in answer.read().decode().splitlines():
            if line.startswith(name + " "):
                return float(line.rpartition(" ")[2])
    raise AssertionError(f"{program.name} has no {name}")


@fault(
    "F17",
    "routers are killed six times with the same events in hand, as they wait for the store",
    layout=Layout(legs=frozenset({STORE})),
    recover_within=30.0,
)
async def kill_again_and_again(scene: Scene) -> None:
    store = scene.rig.proxies[STORE]
    store.closed = True
    store.reset()
    await unacknowledged(scene, 4)
    for _ in range(6):
        for router in scene.rig.routers:
            router.kill()
        for router in scene.rig.routers:
            router.start()
        # RabbitMQ 3 gives all of the work to one of them.
        await eventually(lambda: asyncio.to_thread(lambda: any(map(has_taken, scene.rig.routers))), 30.0)
    store.clear()
    scene.heal()
    await scene.rig.all_ready()
