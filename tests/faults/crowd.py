"""A crowd of cheap clients in a process of its own, one topic with a back end, and a witness of that topic."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator
from signal import Signals
from typing import Any
from urllib.parse import urlsplit

import msgspec

from tests.faults.cheap import Setup, State
from tests.faults.fault import Scene
from tests.faults.load import bearer
from tests.faults.programs import ROOT
from tests.faults.publishers import BackEnd
from tests.faults.verdict import Check
from tests.support.eventually import eventually
from tests.support.guard import guard

TOPIC = "load.crowd.all"
"""Has the rule of the load's topics, and is heard by none of its subscribers."""

ANSWERS_WITHIN = 60.0
"""Seconds for one answer of a process that may be reading a great deal."""

MAX_ANSWER = 2**25
"""Bytes of one."""


class Crowd:
    """The near end."""

    def __init__(self, scene: Scene, process: asyncio.subprocess.Process, back_end: BackEnd) -> None:
        self._scene = scene
        self._process = process
        self._witness = scene.load.subscribe("witness", topics=[TOPIC])
        self._back_end = back_end

    async def ask(self, **order: Any) -> State:
        """Give an order (`cheap.Order`), and return how the crowd stands."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(msgspec.json.encode(order) + b"\n")
        async with asyncio.timeout(ANSWERS_WITHIN):
            line = await self._process.stdout.readline()
        assert line, "the crowd's process has ended"
        return msgspec.json.decode(line, type=State)

    async def all_here(self, count: int, within: float = 60.0) -> State:
        """Wait until so many hear their topic."""

        async def here() -> State | None:
            state = await self.ask()
            assert state.subscribed >= count, state
            return state

        found: State = await eventually(here, within)
        return found

    async def gone(self, within: float = 30.0) -> None:
        """Wait until some have lost their connection."""

        async def some() -> bool:
            return bool((await self.ask()).farewells)

        await eventually(some, within)

    def signal(self, number: Signals) -> None:
        """Send their process a signal; while it is stopped it answers nothing."""
        self._process.send_signal(number)

    def publish(self) -> None:
        """Let the back end begin."""
        self._scene.load.back_ends.append(self._back_end)
        self._back_end.start()

    @property
    def published(self) -> int:
        """Return how many messages the witness has got."""
        return len(self._scene.load.ledger.account(self._witness.name, TOPIC).arrivals)

    async def settle(self, within: float = 60.0) -> State:
        """Let the back end come to its end, wait until all have everything, and note what is wrong."""
        scene, ledger = self._scene, self._scene.load.ledger
        self._back_end.stop()
        await scene.load.until(lambda: self._back_end.is_done, within)
        account = ledger.account("witness", TOPIC)
        owed = {each.id for each in list(ledger.publishes.values()) if each.topic == TOPIC}
        await scene.load.until(lambda: owed <= {arrival.id for arrival in account.arrivals}, within)
        head = account.last
        assert head is not None

        async def all_there() -> bool:
            return (await self.ask(head=head)).behind == 0

        with contextlib.suppress(AssertionError):
            await eventually(all_there, within)
        state = await self.ask(head=head, ids=True)
        scene.expect(not state.behind, Check.LOST, f"{state.behind} cheap clients never came to {head.offset}")
        scene.expect(not state.gaps, Check.GAP, f"cheap clients were told of {state.gaps} holes")
        for check, words in state.wrong:
            scene.expect(False, Check(check), words)
        for arrival in account.arrivals:
            place = f"{arrival.place.epoch}/{arrival.place.offset}"
            other = state.ids.get(place, arrival.id)
            scene.expect(other == arrival.id, Check.ORD, f"at {place} stand both {other} and {arrival.id}")
        return state


def addresses(scene: Scene) -> list[tuple[str, int]]:
    """Return where clients find the gateways that run."""
    running = {gateway.name for gateway in scene.rig.gateways if gateway.is_running}
    parts = [urlsplit(url) for name, url in scene.rig.urls.items() if name in running]
    return [(part.hostname or "", part.port or 0) for part in parts]


@contextlib.asynccontextmanager
async def crowd(
    scene: Scene, count: int, *, interval: float = 0.05, filling: int = 0, **setup: Any
) -> AsyncIterator[Crowd]:
    """Let so many come; at the end they are gone. `setup` is `cheap.Setup`'s.

    The back end publishes a message of `filling` bytes every `interval` seconds, on average, once it is told to.
    """
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tests.faults.cheap",
        cwd=ROOT,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        limit=MAX_ANSWER,
        start_new_session=True,
    )
    guard().watch("group", process.pid)
    try:
        token = bearer(scene.rig, "crowd", publish=())
        told = {"addresses": addresses(scene), "count": count, "topic": TOPIC, "token": token, "seed": scene.rig.seed}
        assert process.stdin is not None
        process.stdin.write(msgspec.json.encode(msgspec.convert(told | setup, Setup)) + b"\n")
        back_end = BackEnd(
            "back-end-of-the-crowd",
            scene.load.ledger,
            scene.rig.places.vhost.amqp_url,
            [TOPIC],
            seed=scene.rig.seed,
            interval=interval,
            filling=filling,
        )
        found = Crowd(scene, process, back_end)
        await scene.load.all_subscribed()
        await found.all_here(count)
        yield found
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()
        guard().forget("group", process.pid)
