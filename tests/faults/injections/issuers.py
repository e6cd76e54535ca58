"""An issuer of keys that is away, slow or out of order, and tokens whose keys nobody knows."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable

from tests.faults.fault import Scene, fault
from tests.faults.injections.brokers import connections_of
from tests.faults.injections.moments import answered, news, some_time
from tests.faults.issuer import SECOND, Issuer
from tests.faults.rig import Layout
from tests.faults.subscribers import LOST, Frame, opened
from tests.faults.verdict import Check
from tests.support.eventually import eventually

INTERVAL = 1.0
"""Seconds: the least between two fetches of keys."""
ISSUER = Layout(
    issuer=True,
    settings={
        "PENSTOCK_AUTH__JWKS_REFRESH_INTERVAL": str(INTERVAL),
        "PENSTOCK_AUTH__JWKS_TTL": "2",
        "PENSTOCK_AUTH__JWKS_TIMEOUT": "1.5",
    },
)

FLOODERS = 12
"""Clients that come one after the other without an end, each with a token whose key nobody knows."""
LET_IN_WITHIN = 3.0
"""Seconds from connecting to being let in, with a key that is known; hundredths are usual."""
ANSWER_WITHIN = 8.0
"""Seconds for any answer; the gateway itself gives one after 4."""


async def away(issuer: Issuer) -> Callable[[], Awaitable[None]]:
    await issuer.close()
    return issuer.open


async def slow(issuer: Issuer) -> Callable[[], Awaitable[None]]:
    issuer.hold.clear()

    async def hurry() -> None:
        issuer.hold.set()

    return hurry


async def failing(issuer: Issuer) -> Callable[[], Awaitable[None]]:
    issuer.status = 500

    async def mend() -> None:
        issuer.status = 200

    return mend


TROUBLES = (away, slow, failing)
ENDS = ("jwks.fetched", "jwks.failed")
"""What a router tells at the end of each fetch."""


@fault(
    "F29",
    "the issuer of keys is away, slow and failing in turns, and a flood of tokens names unknown keys",
    layout=ISSUER,
)
async def issuer_in_trouble(scene: Scene) -> None:
    issuer = scene.rig.issuer
    assert issuer is not None
    fetched = _attempts(scene, *ENDS)
    began = time.monotonic()
    connections = connections_of(scene)
    slowest = 0.0
    async with _flood(scene, issuer) as answers:
        for trouble in scene.chance.sample(TROUBLES, len(TROUBLES)):
            mend = await trouble(issuer)
            failed = _attempts(scene, "jwks.failed")
            await eventually(lambda failed=failed: _more(_attempts(scene, "jwks.failed"), failed), 20.0)
            before = sum(answers.values())
            for _ in range(5):
                slowest = max(slowest, await _let_in(scene, issuer.token(f"new-{scene.chance.random()}")))
                await some_time(scene, 0.1, 0.4)
            await news(scene)
            await answered(scene)
            flooded = sum(answers.values()) - before
            scene.expect(flooded > 0, Check.LIVE, f"nobody of the flood was answered ({trouble.__name__})")
            await mend()
        issuer.add_key()
        came = await eventually(lambda: _try_to_come(scene, issuer.token("rotated", kid=SECOND)), 20.0)
        scene.expect(bool(came), Check.LIVE, "the issuer's new key was not fetched")
    scene.heal()
    wrong = {code: count for code, count in answers.items() if code not in ("unauthenticated", "unavailable")}
    scene.expect(not wrong, Check.UNEXPECTED, f"tokens whose keys nobody knows were answered with {wrong}")
    scene.expect(slowest < LET_IN_WITHIN, Check.LIVE, f"a known key let somebody in after {slowest:.1f} s only")
    scene.expect(connections_of(scene) == connections, Check.LIVE, "clients lost their connections")
    fetches = {name: count - fetched[name] for name, count in _attempts(scene, *ENDS).items()}
    took = time.monotonic() - began
    scene.expect(
        max(fetches.values()) <= took / INTERVAL + 1, Check.LIVE, f"in {took:.1f} s keys were fetched {fetches} times"
    )
    scene.note(f"answers to the flood: {dict(answers)}; fetches in {took:.0f} s: {fetches}; let in in {slowest:.2f} s")


@contextlib.asynccontextmanager
async def _flood(scene: Scene, issuer: Issuer) -> AsyncIterator[Counter[str]]:
    """Let clients come whose tokens name unknown keys; yield how many were answered, by code."""
    answers: Counter[str] = Counter()
    numbers = itertools.count(1)

    async def come_again_and_again() -> None:
        while True:
            number = next(numbers)
            bearer = issuer.token("nobody", kid=f"unknown {number}", key=number % 2)
            try:
                said = await _come(scene, bearer)
            except LOST as lost:
                said = {"type": "error", "code": type(lost).__name__}
            answers["let in" if said["type"] == "connected" else said["code"]] += 1

    tasks = [asyncio.create_task(come_again_and_again()) for _ in range(FLOODERS)]
    try:
        yield answers
    finally:
        for task in tasks:
            task.cancel()
        ends = await asyncio.gather(*tasks, return_exceptions=True)
        for end in ends:
            if not isinstance(end, asyncio.CancelledError):
                scene.expect(False, Check.LIVE, f"one of the flood failed with {end!r}")


async def _let_in(scene: Scene, bearer: str) -> float:
    """Come with a token whose key is known, and say after how many seconds one was let in."""
    began = time.monotonic()
    said = await _come(scene, bearer)
    scene.expect(said["type"] == "connected", Check.LIVE, f"a token with a known key was answered with {said}")
    return time.monotonic() - began


async def _try_to_come(scene: Scene, bearer: str) -> bool:
    return (await _come(scene, bearer))["type"] == "connected"


async def _come(scene: Scene, bearer: str) -> Frame:
    """Connect to a gateway by chance, and return its answer."""
    async with opened(scene.chance.choice(list(scene.rig.urls.values()))) as session:
        await session.send({"type": "connect", "id": 1, "token": bearer})
        async with asyncio.timeout(ANSWER_WITHIN):
            while True:
                frame = await session.frame()
                if frame is not None and frame.get("id") == 1:
                    return frame


def _attempts(scene: Scene, *events: str) -> dict[str, int]:
    """Return how often each router has come to such an end of fetching keys."""
    return {router.name: sum(line.get("event") in events for line in router.lines()) for router in scene.rig.routers}


def _more(now: dict[str, int], before: dict[str, int]) -> bool:
    return all(now[name] > before[name] for name in now)
