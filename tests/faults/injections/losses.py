"""Packets that are lost between clients and gateways, and overtake each other."""

from __future__ import annotations

import time

from tests.faults.fault import Scene, fault
from tests.faults.injections.crowds import counted
from tests.faults.injections.moments import news, some_time
from tests.faults.injections.network import CLIENT_LEG
from tests.faults.verdict import Check
from tests.support.bad_line import BadLine

LOSS, LATENCY, JITTER = 0.05, 0.05, 0.1
"""A share; seconds: 50 to 150 ms each way, and what takes less overtakes what takes more."""

ON_A_BAD_LINE_WITHIN = 60.0
"""Seconds for what takes one: a lost first packet alone costs one, and a second one three."""


@fault(
    "F35b",
    "between clients and gateways 5 % of all packets are lost, and the others take 50 to 150 ms and overtake",
    layout=CLIENT_LEG,
    recover_within=30.0,
)
async def lose_packets(scene: Scene) -> None:
    rig = scene.rig
    async with BadLine(rig.seed) as line:
        line.loss, line.latency, line.jitter = LOSS, LATENCY, JITTER
        legs = {gateway.port: rig.client_leg(gateway) for gateway in rig.gateways}
        for port, leg in legs.items():
            leg.servers[:] = [(line.far, port)]
            leg.reset()
        await scene.load.all_subscribed(ON_A_BAD_LINE_WITHIN)
        await news(scene, ON_A_BAD_LINE_WITHIN)
        connections = {each.name: each.connections for each in scene.load.subscribers}
        began = time.monotonic()
        await some_time(scene, 8.0, 12.0)
        lasted = time.monotonic() - began
        cut = [each.name for each in scene.load.subscribers if each.connections != connections[each.name]]
        line.clear()
        await news(scene, ON_A_BAD_LINE_WITHIN)
        for port, leg in legs.items():
            leg.servers[:] = [("127.0.0.1", port)]
            leg.reset()
        scene.heal()
        await scene.load.all_subscribed()
    slow = counted(scene, 'penstock_gateway_closed_total{code="4002"}')
    silent = counted(scene, 'penstock_gateway_closed_total{code="4001"}')
    scene.expect(not slow, Check.LIVE, f"{slow:g} clients were taken for slow, though only their line was bad")
    scene.expect(not silent, Check.LIVE, f"{silent:g} clients were taken for silent, though only their line was bad")
    scene.expect(not cut, Check.LIVE, f"these were cut off, though only their line was bad: {cut}")
    scene.expect(line.lost > 0 and line.overtook > 0, Check.LIVE, "the line was a good one: the fault has missed")
    scene.note(f"in {lasted:.0f} s and before {line.carried} packets, {line.lost} lost, {line.overtook} overtaken")
