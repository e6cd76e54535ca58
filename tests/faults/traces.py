"""What a trial leaves behind: on the broker, and in the processes that live on."""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from dataclasses import dataclass
from typing import Any

from shared.bus.topology import DEAD, DELIVER
from tests.faults.rig import GATEWAYS_QUEUES, Rig
from tests.faults.verdict import Check, Findings
from tests.support.broker import Vhost
from tests.support.eventually import eventually

LEFT_WITHIN = 20.0
"""Seconds in which what clients left behind is gone."""

FEW_DESCRIPTORS = 12
"""By so many the descriptors of a process may differ: connections to broker and store come and go."""

COUNTED_WITHIN = 6.0
"""Seconds after which the broker's own counts are true again."""

LINGER = "PENSTOCK_GATEWAY__SLOT_LINGER"
"""A fault whose layout sets it below `LEFT_WITHIN` is asked for every slot's binding, too."""

PARTITIONS_QUEUES = ("penstock.route.", "penstock.spill.")
"""Where messages wait for a router."""

OWN_BINDINGS = 4
"""Of each gateway, beside those of its slots."""

ROLES = ("gateway", "router")
CONNECTIONS, CHANNELS = 2, 4
"""Of each program, at most: one connection publishes, the other consumes and has a channel more for orders; a gateway
has one more, to be told of what was dropped."""


@dataclass(frozen=True)
class Traces:
    """What is there before the load comes."""

    parts: dict[str, int]
    descriptors: dict[str, int]


async def before(rig: Rig) -> Traces:
    """Look at what is there while nobody has come yet."""
    parts = await asyncio.to_thread(parts_of, rig.places.vhost)
    return Traces(parts, {program.name: program.descriptors() for program in rig.programs})


def parts_of(vhost: Vhost) -> dict[str, int]:
    """Return how many parts the broker holds of us, without what is in them."""
    queues, bindings = [row["name"] for row in vhost.queues()], vhost.bindings()
    # By its own name a gateway sends itself something; all other keys are slots.
    slots = [
        row
        for row in bindings
        if row["source"] == DELIVER and not row["destination"].endswith(f".{row['routing_key']}")
    ]
    mine = [row for row in bindings if row["destination"].startswith(GATEWAYS_QUEUES)]
    return {
        "gateways' queues": sum(name.startswith(GATEWAYS_QUEUES) for name in queues),
        "exchanges": len(vhost.exchanges()),
        "common bindings": len(bindings) - len(mine),
        "gateways' bindings": len(mine) - len(slots),
        "slots": len(slots),
    }


def links_of(vhost: Vhost) -> Counter[str]:
    """Return how many connections and channels each role has; whoever is none of ours is called a stranger."""
    links: Counter[str] = Counter()
    for row in vhost.connections():
        name = str(row.get("user_provided_name") or "")
        role = next((role for role in ROLES if role in name), "stranger")
        links[f"{role} connections"] += 1
        links[f"{role} channels"] += row.get("channels", 0)
    return links


async def nothing_is_left(rig: Rig, traces: Traces, topics: int, found: Findings) -> None:
    """Wait until clients' going has left no trace, on the broker or in a process; note what stays.

    `topics` is how many names and patterns were ever subscribed to: a gateway has no more slots than that.
    """
    gateways = sum(program.is_running for program in rig.gateways)
    routers = sum(program.is_running for program in rig.routers)
    vhost = rig.places.vhost
    at_once = float(rig.layout.settings.get(LINGER, 60)) < LEFT_WITHIN

    async def broker_is_clean() -> bool:
        now = await asyncio.to_thread(parts_of, vhost)
        own = {"gateways' queues": len(GATEWAYS_QUEUES) * gateways, "gateways' bindings": OWN_BINDINGS * gateways}
        expected: dict[str, Any] = traces.parts | own
        slots, _ = now.pop("slots"), expected.pop("slots")
        assert now == expected, f"{now}, and it should be {expected}"
        most = 0 if at_once else topics * gateways
        assert slots <= most, f"{slots} slots are bound, and there may be {most}"
        return True

    async def connections_are_usual() -> bool:
        now = await asyncio.to_thread(links_of, vhost)
        for role, count in zip(ROLES, (gateways, routers), strict=True):
            most = {f"{role} connections": count * CONNECTIONS, f"{role} channels": count * CHANNELS}
            assert all(now[what] <= number for what, number in most.items()), f"{dict(now)}, and there may be {most}"
        assert not now["stranger connections"], f"there are connections that are not ours: {dict(now)}"
        return True

    def processes_are_clean() -> bool:
        for program in rig.programs:
            if program.is_running and program.name in traces.descriptors:
                count = program.descriptors()
                allowed = traces.descriptors[program.name] + FEW_DESCRIPTORS
                assert count <= allowed, f"{program} has {count} descriptors, and {allowed} are allowed"
        return True

    async def nothing_waits() -> bool:
        rows = await asyncio.to_thread(vhost.queues)
        of_ours = [row for row in rows if row["name"].startswith(PARTITIONS_QUEUES)]
        assert all("messages" in row for row in of_ours), "the broker has not counted all of them yet"
        waiting = {row["name"]: row["messages"] for row in of_ours}
        assert not any(waiting.values()), f"messages are left: {({name: n for name, n in waiting.items() if n})}"
        return True

    for clean in (broker_is_clean, connections_are_usual, processes_are_clean, nothing_waits):
        try:
            await eventually(clean, LEFT_WITHIN)  # type: ignore[arg-type]
        except AssertionError as left:
            found[Check.LEAK].append(" ".join(str(left).split()))


async def dead_letters(vhost: Vhost) -> int:
    """Return how many there are; what somebody has taken away is counted by the broker for some seconds more."""
    count = 0

    async def none_left() -> bool:
        nonlocal count
        rows = await asyncio.to_thread(vhost.queues)
        count = sum(row.get("messages", 0) for row in rows if row["name"] == DEAD)
        return not count

    with contextlib.suppress(AssertionError):
        await eventually(none_left, COUNTED_WITHIN)
    return count
