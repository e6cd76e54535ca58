"""What a trial takes: memory of processes, and messages that wait in the broker's queues, against their bounds."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from http.client import HTTPException
from typing import Any

from shared.bus import topology
from shared.bus.topology import Queue
from tests.faults.rig import Rig
from tests.faults.verdict import Check, Findings
from tests.support.broker.management import ManagementError

MAX_RESIDENT = 300 * 2**20
"""Bytes of memory of one process; 60 to 90 MiB are usual."""

PERIOD = 0.5
"""Seconds between two looks. The broker's own counts are as old at most."""

AWAY = (OSError, HTTPException, ManagementError, ValueError)
"""What a broker that was killed a moment ago makes of a question."""

BOUNDS: dict[str, Queue] = {
    "route": topology.common().queues[1],
    "dead": topology.common().queues[0],
    "gateway": topology.gateway("").queues[0],
    "replies": topology.gateway("").queues[1],
    "dropped": topology.gateway("").queues[2],
    "spill": topology.spill(topology.route_queue(0)).queues[0],
}
"""By the second word of a queue's name, one that is bounded as it must be."""


def over(row: dict[str, Any]) -> Iterator[str]:
    """Yield in words what is wrong with the bounds of a queue, or with how much is in it."""
    bound, name = BOUNDS[kind(row)], row["name"]
    messages, size = row.get("messages", 0), row.get("message_bytes", 0)
    told = row["arguments"].get("x-max-length"), row["arguments"].get("x-max-length-bytes")
    if told != (bound.max_messages, bound.max_bytes):
        yield f"{name} is bounded at {told} messages and bytes, and not at {bound.max_messages}, {bound.max_bytes}"
    if messages > bound.max_messages:
        yield f"{name} holds {messages} messages, and {bound.max_messages} is its bound"
    if size > bound.max_bytes:
        yield f"{name} holds {size} bytes, and {bound.max_bytes} is its bound"


def kind(row: dict[str, Any]) -> str:
    """Return of which kind a queue of ours is: the second word of its name."""
    return str(row["name"]).split(".")[1]


class Watch:
    """Looks again and again, from `start` to `stop`; `most` is what it has seen at most in one queue of each kind."""

    def __init__(self, rig: Rig, found: Findings) -> None:
        self.most: dict[str, int] = {}
        self.looks = 0
        """Times that the broker answered."""
        self._rig = rig
        self._found = found
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Begin."""
        self._tasks = [asyncio.create_task(self._processes()), asyncio.create_task(self._queues())]

    async def stop(self) -> None:
        """End; what has failed raises here."""
        for task in self._tasks:
            task.cancel()
        for ended in await asyncio.gather(*self._tasks, return_exceptions=True):
            if not isinstance(ended, asyncio.CancelledError) and ended is not None:
                raise ended

    async def _processes(self) -> None:
        while True:
            for program in self._rig.programs:
                if program.is_running:
                    try:
                        resident = program.resident()
                    except OSError:
                        continue
                    if resident > MAX_RESIDENT:
                        self._note(f"{program.name} has {resident >> 20} MiB")
            await asyncio.sleep(PERIOD)

    async def _queues(self) -> None:
        while True:
            try:
                rows = await asyncio.to_thread(self._rig.places.vhost.queues)
            except AWAY:
                rows = []
            self.looks += bool(rows)
            for row in rows:
                if row["name"].startswith("penstock.") and kind(row) in BOUNDS:
                    self.most[kind(row)] = max(self.most.get(kind(row), 0), row.get("messages", 0))
                    for words in over(row):
                        self._note(words)
            await asyncio.sleep(PERIOD)

    def _note(self, words: str) -> None:
        if len(self._found[Check.MEM]) < 3:  # the first few say it
            self._found[Check.MEM].append(words)
