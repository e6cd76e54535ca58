"""A machine that is not as a process expects: its clock jumps, and it has no file descriptors left."""

from __future__ import annotations

import asyncio
import contextlib
import resource
import socket
import time
from datetime import datetime
from email.utils import parsedate_to_datetime

from tests.faults.crowd import crowd
from tests.faults.fault import Scene, fault
from tests.faults.injections.crowds import SETTINGS
from tests.faults.injections.moments import news, some_time
from tests.faults.load import HOUR
from tests.faults.programs import Program
from tests.faults.rig import Layout
from tests.faults.subscribers import UNRECOVERED
from tests.faults.verdict import Check
from tests.support.eventually import eventually

JUMPED_WITHIN = 20.0
"""Seconds in which a process sees that its clock has jumped."""
TOLERANCE = 300.0
"""Seconds by which a clock may be elsewhere than it was told to be."""

REFUSED = (
    b"GET /nowhere HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)
"""A handshake that nobody accepts."""

CLIENTS = 60
SPARE = 3
"""Descriptors that a gateway still gets."""
STORM = 200
"""Connections that knock at a time while there are none left."""
WINDOW = 4.0
"""Seconds for which they do."""
NEVER_RESTS = 0.9
"""Of the time that a process has a core, or waits for one, if it accepts in vain without a rest."""
AS_USUAL = 3.0
"""Times as much of a core as before, that it may have; where many want one, waiting alone tells nothing."""


@fault(
    "F26",
    "the clock of one process jumps by an hour, on or back, and later to the right time",
    layout=Layout(clocks=True, settings=SETTINGS),
    gaps=True,  # of patterns: where clocks differ by an hour they cannot be resumed by time, and that is told
)
async def wrong_clock(scene: Scene) -> None:
    program = scene.chance.choice(scene.rig.programs)
    off = scene.chance.choice((HOUR, -HOUR))
    clock = scene.rig.clocks[program.name]
    async with crowd(scene, CLIENTS) as clients:
        clients.publish()
        connections = {each.name: each.connections for each in scene.load.subscribers}
        try:
            clock.set(off)
            await shows(program, off)
            await news(scene)
            leaving = scene.chance.sample(scene.load.subscribers[:6], 3)
            for each in leaving:  # who comes back, and what is new, must not depend on the time of day
                each.leave()  # type: ignore[union-attr]
            await some_time(scene, 1.0, 3.0)
            await scene.load.all_subscribed()
            await news(scene)
        finally:
            clock.set(0)
        await shows(program, 0)
        scene.heal()
        await news(scene)
        state = await clients.settle()
    gone = {each.name for each in leaving}
    holes = scene.holes()
    allowed = {(each.name, UNRECOVERED) for each in leaving if each.wanted != each.topics}
    scene.expect(holes <= allowed, Check.GAP, f"holes were told, and not only of patterns: {holes - allowed}")
    cut = [
        each.name
        for each in scene.load.subscribers
        if each.name not in gone and connections.get(each.name, 1) != each.connections
    ]
    scene.expect(not cut, Check.LIVE, f"these lost their connections: {cut}")
    scene.expect(not state.farewells, Check.LIVE, f"cheap clients lost their connections: {state.farewells}")
    unique = state.sessions == state.connections
    scene.expect(unique, Check.DUP, f"{state.connections} sessions have {state.sessions} names")
    scene.note(f"{program.name} was {off:+d} s off; {', '.join(sorted(gone))} came back meanwhile")


async def shows(program: Program, off: int) -> None:
    """Wait until a process takes for the time of day what is so many seconds off."""
    ends = time.monotonic() + JUMPED_WITHIN
    while abs(seen := await asyncio.to_thread(clock_of, program) - time.time() - off) > TOLERANCE:
        assert time.monotonic() < ends, f"the clock of {program.name} is {seen:.0f} s from where it should be"
        await asyncio.sleep(0.5)  # a gateway logs each look


def clock_of(program: Program) -> float:
    """Return what a process takes for the time of day: a router says it in its answers, a gateway in its log."""
    place = ("127.0.0.1", program.port)
    with socket.create_connection(place, timeout=5.0) as sock, sock.makefile("rb") as answer:
        sock.sendall(REFUSED)
        for line in answer:
            if line.lower().startswith(b"date:"):
                return parsedate_to_datetime(line[5:].decode().strip()).timestamp()
            if not line.strip():
                break
    lines = [line for line in program.lines() if line.get("event") == "handshake.refused"]
    return datetime.fromisoformat(lines[-1]["at"]).timestamp() if lines else time.time()


@fault(
    "F27",
    "a gateway has no file descriptors left while many knock, and gets some again",
    layout=Layout(settings=SETTINGS),
)
async def no_descriptors(scene: Scene) -> None:
    gateway = scene.chance.choice(scene.rig.gateways)
    place = ("127.0.0.1", scene.rig.doors[gateway.name])
    async with crowd(scene, CLIENTS) as clients:
        clients.publish()
        connections = {each.name: each.connections for each in scene.load.subscribers}
        _, usual, _ = await busy_with(gateway, asyncio.sleep(WINDOW / 2))
        before = resource.prlimit(gateway.pid, resource.RLIMIT_NOFILE)
        resource.prlimit(gateway.pid, resource.RLIMIT_NOFILE, (gateway.descriptors() + SPARE, before[1]))
        try:
            served, busy, wanted = await busy_with(gateway, knock(place))
            await news(scene)
        finally:
            resource.prlimit(gateway.pid, resource.RLIMIT_NOFILE, before)
        scene.heal()
        await scene.rig.ready(gateway)
        await eventually(lambda: asyncio.to_thread(is_served, place), 10.0)
        state = await clients.settle()
    scene.expect(served <= SPARE, Check.LIVE, f"{served} were served: it had descriptors, the fault has missed it")
    spins = wanted > NEVER_RESTS and busy > AS_USUAL * usual
    scene.expect(not spins, Check.LIVE, f"it spins: it had {busy:.2f} of a core, {usual:.2f} before, and wanted more")
    cut = [each.name for each in scene.load.subscribers if connections.get(each.name, 1) != each.connections]
    scene.expect(not cut, Check.LIVE, f"these were connected, and lost it: {cut}")
    scene.expect(not state.farewells, Check.LIVE, f"cheap clients lost their connections: {state.farewells}")
    scene.note(f"it had {busy:.2f} of a core while {STORM} knocked, wanted {wanted:.2f}, and had {usual:.2f} before")


async def busy_with(program: Program, work):  # type: ignore[no-untyped-def]
    """Do some work; return what comes of it, how much of a core a process had meanwhile, and how much it wanted."""
    (had, waited), began = program.turns(), time.monotonic()
    done = await work
    now, lasted = program.turns(), time.monotonic() - began
    return done, (now[0] - had) / lasted, (now[0] - had + now[1] - waited) / lasted


async def knock(place: tuple[str, int]) -> int:
    """Keep connecting, `STORM` at a time, for `WINDOW` seconds; return how many of the last got an answer."""
    ends = time.monotonic() + WINDOW
    while True:
        sockets = [socket.socket() for _ in range(STORM)]
        try:
            for sock in sockets:
                sock.setblocking(False)
                sock.connect_ex(place)
            await asyncio.sleep(WINDOW / 8)
            if time.monotonic() >= ends:
                return sum(await asyncio.to_thread(lambda some: list(map(is_answered, some)), sockets[:10]))
        finally:
            for sock in sockets:
                sock.close()


def is_served(place: tuple[str, int]) -> bool:
    """Say whether somebody new gets an answer."""
    with contextlib.suppress(OSError), socket.create_connection(place, timeout=1.0) as sock:
        return is_answered(sock)
    return False


def is_answered(sock: socket.socket) -> bool:
    """Say whether a connection gets an answer."""
    try:
        sock.settimeout(1.0)
        sock.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
        return sock.recv(12).startswith(b"HTTP/1.1 200")
    except OSError:
        return False
