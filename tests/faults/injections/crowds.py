"""What only shows with very many clients: some that do not read, all that are pinged, thousands that come back."""

from __future__ import annotations

import asyncio
import time
from signal import SIGCONT, SIGSTOP

from tests.faults.crowd import addresses, crowd
from tests.faults.fault import Scene, fault
from tests.faults.injections.moments import news, some_time
from tests.faults.injections.processes import metric
from tests.faults.programs import Program
from tests.faults.rig import Layout
from tests.faults.traces import LINGER
from tests.faults.verdict import Check

SETTINGS = {"PENSTOCK_GATEWAY__MAX_PER_USER": "20000", "PENSTOCK_GATEWAY__MAX_PER_ADDRESS": "20000"}

MANY = 100
SLEEPERS = 5
FILLING = 4_000
"""Bytes of a message: an outbox (256 KiB) and what is behind it are full after some seconds."""
MORE_MEMORY = 64 * 2**20
"""Bytes by which a gateway may grow for those who do not read; their outboxes are a hundredth of it."""

COMPARED = 100
"""Messages to everybody before it, whose time is compared with those during it."""
MUCH_SLOWER, NOTHING = 2.0, 0.25
"""Times as long, and seconds more, that the slowest hundredth of what others get may take: machines are noisy."""

HEARTBEAT, GRACE = 2, 4
"""Seconds, as the rig has them, and as F25 has them: a stall lasts longer than both a client's grace and its answer."""

THOUSANDS = 5_000


@fault("F22", "5 of 100 clients stop reading, and go on when they have been closed", layout=Layout(settings=SETTINGS))
async def stop_reading(scene: Scene) -> None:
    before = {each.name: each.connections for each in scene.load.subscribers}
    async with crowd(scene, MANY, interval=0.02, filling=FILLING, narrow=SLEEPERS) as clients:
        clients.publish()
        await scene.load.until(lambda: clients.published > 10)
        resident = {gateway.name: gateway.resident() for gateway in scene.rig.gateways}
        await clients.ask(lag=True)
        await scene.load.until(lambda: clients.published > 10 + COMPARED)
        usual = (await clients.ask(lag=True)).lag
        await clients.ask(sleep=SLEEPERS)
        began, published = time.monotonic(), clients.published
        closed = 'penstock_gateway_closed_total{code="4002"}'
        await scene.load.until(lambda: counted(scene, "penstock_gateway_slow_closed_total") >= SLEEPERS, 60.0)
        took, sent = time.monotonic() - began, clients.published - published
        lag = (await clients.ask(lag=True)).lag
        slower = lag > max(MUCH_SLOWER * usual, usual + NOTHING)
        scene.expect(not slower, Check.LIVE, f"99 % came within {lag * 1000:.0f} ms, and before in {usual * 1000:.0f}")
        growth = max(gateway.resident() - resident[gateway.name] for gateway in scene.rig.gateways)
        scene.expect(growth < MORE_MEMORY, Check.MEM, f"a gateway grew by {growth >> 20} MiB")
        await some_time(scene, 0.0, 2.0)
        await clients.ask(wake=True)
        scene.heal()
        await clients.all_here(MANY)
        state = await clients.settle()
    scene.note(
        f"closed after {took:.1f} s and {sent} messages; a gateway grew by {growth >> 20} MiB; 99 % of what the others "
        f"got came within {lag * 1000:.0f} ms, before in {usual * 1000:.0f}"
    )
    codes = {number: state.farewells.get(number) for number in range(SLEEPERS)}
    scene.expect(all(each == [4002] for each in codes.values()), Check.LIVE, f"who did not read was closed so: {codes}")
    count = counted(scene, closed)
    scene.expect(count == SLEEPERS, Check.LIVE, f"{count:g} connections were closed with 4002, by the metrics")
    others = sorted(state.farewells.keys() - codes.keys())
    scene.expect(not others, Check.LIVE, f"these read, and lost their connections: {others}")
    cut = [each.name for each in scene.load.subscribers if before.get(each.name, 1) != each.connections]
    scene.expect(not cut, Check.LIVE, f"these read, and lost their connections: {cut}")


@fault(
    "F25",
    "a gateway stands still for longer than its clients have to answer, and their answers come meanwhile",
    layout=Layout(settings=SETTINGS | {"PENSTOCK_GATEWAY__HEARTBEAT_GRACE": str(GRACE)}),
)
async def stall(scene: Scene) -> None:
    gateway = scene.chance.choice(scene.rig.gateways)
    async with crowd(scene, MANY, patience=60.0) as clients:
        clients.publish()
        connections = {each.name: each.connections for each in scene.load.subscribers}
        clients.signal(SIGSTOP)
        try:
            await asyncio.sleep(HEARTBEAT + 0.3)  # now each of them has been pinged, and none has answered
            gateway.signal(SIGSTOP)
        finally:
            clients.signal(SIGCONT)
        began = time.monotonic()
        await some_time(scene, GRACE + 1.0, GRACE + 3.0)
        gateway.signal(SIGCONT)
        stood = time.monotonic() - began
        scene.heal()
        await news(scene)
        await scene.load.until(lambda: metric(gateway, "penstock_gateway_stalls_total") >= 1)
        state = await clients.settle()
    known = metric(gateway, "penstock_gateway_stalled_seconds_total")
    scene.expect(known > 0.8 * stood, Check.LIVE, f"it stood still for {stood:.1f} s, and knows of {known:.1f}")
    silent = counted(scene, 'penstock_gateway_closed_total{code="4001"}')
    scene.expect(not silent, Check.LIVE, f"{silent:g} connections were closed with 4001")
    scene.expect(not state.farewells, Check.LIVE, f"{len(state.farewells)} cheap clients lost their connections")
    cut = [each.name for each in scene.load.subscribers if connections.get(each.name, 1) != each.connections]
    scene.expect(not cut, Check.LIVE, f"these lost their connections: {cut}")
    scene.note(f"it stood still for {stood:.1f} s, and counted {known:.1f}")


@fault(
    "F03b",
    "a gateway with 5,000 clients is killed; they resume at the other",
    layout=Layout(settings=SETTINGS | {LINGER: "2"}, descriptors=2 * THOUSANDS),
    recover_within=60.0,
    long=True,
)
async def kill_a_full_gateway(scene: Scene) -> None:
    gateway = scene.chance.choice(scene.rig.gateways)
    place = ("127.0.0.1", scene.rig.doors[gateway.name])
    async with crowd(scene, THOUSANDS, interval=0.5, pace=400.0, addresses=[place], patience=20.0) as clients:
        clients.publish()
        await clients.ask(addresses=addresses(scene))
        await some_time(scene, 1.0, 3.0)
        gateway.kill()
        began = time.monotonic()
        scene.heal()
        await clients.gone()
        await clients.all_here(THOUSANDS, 120.0)
        took = time.monotonic() - began
        gateway.start()
        await scene.rig.ready(gateway)
        await news(scene, 60.0)
        state = await clients.settle(120.0)
    back = sum(bool(codes) for codes in state.farewells.values())
    scene.expect(back == THOUSANDS, Check.LIVE, f"{back} clients lost their connection: the fault has missed them")
    again = sum(len(codes) > 1 for codes in state.farewells.values())
    scene.expect(not again, Check.LIVE, f"{again} clients lost their connection again afterwards")
    scene.note(f"all were back after {took:.1f} s, and got {state.arrived} messages; refusals: {state.refusals}")


def counted(scene: Scene, name: str) -> float:
    """Return what all gateways together count; what is not there is 0."""
    return sum(_count(gateway, name) for gateway in scene.rig.gateways if gateway.is_running)


def _count(gateway: Program, name: str) -> float:
    try:
        return metric(gateway, name)
    except AssertionError:
        return 0.0
