"""Cables that are cut, choked, slow, or carry bytes one at a time."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace

from tests.faults.fault import Scene, fault
from tests.faults.injections.moments import news, some_time
from tests.faults.rig import CLIENT, GATEWAY, ROUTER, STORE, Layout
from tests.faults.verdict import Check
from tests.support.eventually import eventually
from tests.support.fault_proxy import FaultProxy

CLIENT_LEG = Layout(legs=frozenset({CLIENT}))
BROKER_LEGS = Layout(legs=frozenset({GATEWAY, ROUTER}))
GATEWAY_LEG = Layout(legs=frozenset({GATEWAY}))
SLICED = replace(CLIENT_LEG, pace=10.0)
"""With a tenth of the load, which comes in segments as many a second as a proxy, and a busy machine, can carry."""

NOTICED_WITHIN = 40.0
"""Seconds in which a broker that is silent is noticed: two heartbeats of ten, and room for a noisy machine."""


def client_legs(scene: Scene) -> list[FaultProxy]:
    return [scene.rig.client_leg(gateway) for gateway in scene.rig.gateways]


@fault(
    "F04",
    "what a gateway has taken from the broker does not reach its clients, and it is killed",
    layout=CLIENT_LEG,
)
async def kill_a_gateway_that_is_not_heard(scene: Scene) -> None:
    gateway = scene.chance.choice(scene.rig.gateways)
    leg = scene.rig.client_leg(gateway)
    leg.hold(down=True)
    await some_time(scene, 1.0, 2.0)
    leg.closed = True
    leg.reset()  # what was on its way is lost, as in a gateway's own buffers
    gateway.kill()
    leg.clear()
    scene.heal()
    gateway.start()
    await scene.rig.ready(gateway)


@fault("F10", "connections of clients are reset after a random number of bytes, again and again", layout=CLIENT_LEG)
async def cut_clients(scene: Scene) -> None:
    await cut_clients_until(scene, 60, 60.0)
    scene.note(f"{sum(leg.cuts for leg in client_legs(scene))} connections were cut")


async def cut_clients_until(scene: Scene, cuts: int, within: float, most: int = 12_000) -> None:
    """Cut clients off after 200 to `most` bytes, wherever in a frame that is, until it has been done so many times."""
    for leg in client_legs(scene):
        leg.cut_after = (200, most)
        leg.reset()
    await scene.load.until(lambda: sum(leg.cuts for leg in client_legs(scene)) >= cuts, within)
    for leg in client_legs(scene):
        leg.clear()
        leg.reset()
    scene.heal()


@fault(
    "F10b",
    "connections to the broker are reset after a random number of bytes, again and again",
    layout=BROKER_LEGS,
    recover_within=30.0,
    late=True,
    buried=True,
)
async def cut_broker(scene: Scene) -> None:
    legs = [scene.rig.proxies[GATEWAY], scene.rig.proxies[ROUTER]]
    for _ in range(4):
        for leg in legs:
            leg.cut_after = (20_000, 120_000)  # the first so many are the handshake and what is declared
            leg.reset()
        cut = sum(leg.cuts for leg in legs)
        await scene.load.until(lambda cut=cut: sum(leg.cuts for leg in legs) >= cut + 4, 60.0)
    for leg in legs:
        leg.clear()
        leg.reset()
    scene.heal()
    scene.note(f"{sum(leg.cuts for leg in legs)} connections were cut")


@fault("F11", "all bytes between clients and gateways come in segments of one to three", layout=SLICED)
async def slice_clients(scene: Scene) -> None:
    for leg in client_legs(scene):
        leg.up.piece, leg.down.ragged = 1, 3
        leg.reset()
    await scene.load.all_subscribed()
    await news(scene)
    await some_time(scene, 1.0, 2.0)
    for leg in client_legs(scene):
        leg.clear()
    scene.heal()


@fault("F11b", "all bytes to and from the broker come in segments of one to seven", layout=BROKER_LEGS)
async def slice_broker(scene: Scene) -> None:
    for name in (GATEWAY, ROUTER):
        leg = scene.rig.proxies[name]
        leg.up.ragged = leg.down.ragged = 7
    await some_time(scene, 3.0, 4.0)
    for name in (GATEWAY, ROUTER):
        scene.rig.proxies[name].clear()
    scene.heal()


@fault("F12", "nothing comes from the broker to the gateways, for some seconds", layout=GATEWAY_LEG)
async def one_way(scene: Scene) -> None:
    leg = scene.rig.proxies[GATEWAY]
    leg.hold(down=True)
    await some_time(scene, 4.0, 7.0)
    leg.release()
    scene.heal()


@fault("F12b", "nothing comes from the gateways to the broker, for some seconds", layout=GATEWAY_LEG)
async def other_way(scene: Scene) -> None:
    leg = scene.rig.proxies[GATEWAY]
    leg.hold(up=True)
    await some_time(scene, 4.0, 7.0)
    leg.release()
    scene.heal()


@fault("F09", "between gateways and broker all is swallowed until they notice, and comes back", layout=GATEWAY_LEG)
async def blackhole(scene: Scene) -> None:
    leg = scene.rig.proxies[GATEWAY]
    leg.hold(up=True, down=True)
    began = time.monotonic()
    for gateway in scene.rig.gateways:
        await eventually(lambda gateway=gateway: _unready(gateway), NOTICED_WITHIN)
    scene.note(f"not ready after {time.monotonic() - began:.1f} s")
    leg.reset()
    leg.release()
    scene.heal()
    await scene.rig.all_ready()


@fault(
    "F09b",
    "between routers and broker all is swallowed for longer than two heartbeats",
    layout=BROKER_LEGS,
    late=True,
)
async def blackhole_routers(scene: Scene) -> None:
    leg = scene.rig.proxies[ROUTER]
    leg.hold(up=True, down=True)
    began = time.monotonic()
    for router in scene.rig.routers:
        await eventually(lambda router=router: _unready(router), NOTICED_WITHIN)
    scene.note(f"not ready after {time.monotonic() - began:.1f} s")
    leg.reset()
    leg.release()
    scene.heal()


@fault("F35", "between clients and gateways bytes take 50 to 150 ms, in ragged pieces", layout=CLIENT_LEG)
async def bad_line(scene: Scene) -> None:
    connections = {each.name: each.connections for each in scene.load.subscribers}
    for leg in client_legs(scene):
        for way in (leg.up, leg.down):
            way.latency, way.jitter = 0.05, 0.1
    await some_time(scene, 4.0, 6.0)
    for leg in client_legs(scene):
        leg.clear()
    scene.heal()
    cut = [each.name for each in scene.load.subscribers if each.connections != connections[each.name]]
    scene.expect(not cut, Check.LIVE, f"these were cut off, though only their line was bad: {cut}")


@fault("S3", "between routers and store connections are cut and bytes are slow", layout=Layout(legs=frozenset({STORE})))
async def bad_store_line(scene: Scene) -> None:
    leg = scene.rig.proxies[STORE]
    leg.cut_after = (500, 60_000)
    leg.down.jitter = 0.02
    leg.reset()
    await scene.load.until(lambda: leg.cuts >= 20, 60.0)
    leg.clear()
    scene.heal()
    scene.note(f"{leg.cuts} connections were cut")


async def _unready(program) -> bool:  # type: ignore[no-untyped-def]
    return not await asyncio.to_thread(program.is_ready)
