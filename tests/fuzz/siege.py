"""A whole gateway under fire: bytes that are nearly a handshake, a request or a frame, on real sockets, many at a time.

Whatever comes, each connection ends by the gateway's doing, with an answer of HTTP or a close code that is told in
``docs/protocol.md``; nothing is logged as an error; and a well-behaved client beside them hears all that it should.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import time
from collections.abc import Callable
from random import Random

import uvloop

from shared.codes import CloseCode
from tests.fuzz.engine import Report
from tests.fuzz.found import FOUND, write
from tests.fuzz.mutation import mutated
from tests.fuzz.targets import frames, heads, sockets
from tests.support.client import MSGPACK, Raw, websocket_frame
from tests.support.eventually import eventually
from tests.support.penstock import API_KEY, Penstock, running, token

NAME = "gateway"
AT_ONCE = 60
SOON = {
    "handshake_timeout": 2.0, "connect_timeout": 2.0, "http_timeout": 2.0, "heartbeat": 1, "heartbeat_grace": 1,
    "max_per_user": 1000, "max_per_address": 1000, "max_http_per_address": 1000,
}  # fmt: skip
"""So that a gateway has done with who says nothing more within seconds."""

HTTP, STRANGER, JSON_USER, MSGPACK_USER = range(4)
"""What an attack begins with: nothing; a good handshake; that, and a good `connect`, in either dialect."""

_KEYED = b"\r\nHost: a\r\nX-API-Key: " + API_KEY.encode() + b"\r\n"
REQUESTS = (
    *heads.TARGETS[0].seeds[:4],
    b"POST /api/events/a.b HTTP/1.1" + _KEYED + b'Content-Length: 12\r\n\r\n{"total": 1}',
    b"POST /api/events/a.b HTTP/1.1" + _KEYED + b"Transfer-Encoding: chunked\r\n\r\n3\r\n123\r\n0\r\n\r\n",
    b"POST /api/events/a HTTP/1.1" + _KEYED + b"Content-Type: application/msgpack\r\nContent-Length: 1\r\n\r\n\xc0" * 2,
    b"GET /api/sessions?user=ada&limit=5 HTTP/1.1" + _KEYED + b"\r\n",
    b"GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n",
    b"HEAD /readyz HTTP/1.1\r\nHost: a\r\n\r\n",
)
WORDS = (
    *heads.TARGETS[0].words, _KEYED, b"Expect: 100-continue\r\n", b"Idempotency-Key: \x7f\r\n", b"//", b"/..",
    b"%ff%00", b"Content-Encoding: gzip\r\n", b"Content-Type: text/plain\r\n", b"0\r\n\r\n", b"ffffffffffffffff\r\n",
    b"traceparent: 00\r\n",
)  # fmt: skip
SPOKEN = {
    STRANGER: tuple(websocket_frame(frame) for frame in frames.JSON_FRAMES),
    JSON_USER: tuple(websocket_frame(frame) for frame in frames.JSON_FRAMES),
    MSGPACK_USER: tuple(websocket_frame(frame, 2) for frame in frames.MSGPACK_FRAMES),
}


def attacks(chance: Random, count: int) -> list[bytes]:
    """Return so many attacks: a first byte that says what each begins with, and what is sent then."""
    made: list[bytes] = []
    for _ in range(count):
        kind = chance.choice((HTTP, HTTP, STRANGER, JSON_USER, MSGPACK_USER))
        seeds = REQUESTS if kind == HTTP else SPOKEN[kind]
        words = WORDS if kind == HTTP else (*sockets.TARGETS[0].words, *seeds)
        said = b"".join(chance.choice(seeds) for _ in range(chance.randint(1, 4)))
        made.append(bytes((kind,)) + mutated(chance, said, words, seeds))
    return made


async def assault(penstock: Penstock, attack: bytes, chance: Random) -> None:
    """Carry out one attack, and hold what comes back to what a gateway may say."""
    kind, data = attack[0] % 4, attack[1:]
    raw = await penstock.raw()
    try:
        if kind != HTTP:
            await raw.upgrade(MSGPACK if kind == MSGPACK_USER else "penstock.v1.json")
        if kind in (JSON_USER, MSGPACK_USER):
            await raw.write(_introduction(kind))
            _, welcome = await raw.frame()
            assert b"connected" in welcome, welcome
        await _send(raw, data, chance)
        if kind == HTTP:
            _is_answer(await raw.read_all(), attack)
        else:
            await _ends_well(raw, attack)
    finally:
        raw.close()


def _introduction(kind: int) -> bytes:
    bearer = token("attacker", subscribe=["attacked.#"], publish=["a.#"]).encode()
    if kind == JSON_USER:
        return websocket_frame(b'{"type":"connect","id":1,"token":"%b"}' % bearer)
    length = len(bearer).to_bytes(2, "big")
    return websocket_frame(b"\x83\xa4type\xa7connect\xa2id\x01\xa5token\xda" + length + bearer, 2)


async def _send(raw: Raw, data: bytes, chance: Random) -> None:
    """Send the bytes in up to three pieces; half of the attackers say that this was all."""
    cuts = sorted(chance.randint(0, len(data)) for _ in range(chance.randint(0, 2)))
    try:
        for start, end in zip([0, *cuts], [*cuts, len(data)], strict=True):
            await raw.write(data[start:end])
            await asyncio.sleep(0)
        if chance.random() < 0.5:
            raw.sock.shutdown(socket.SHUT_WR)
    except OSError:
        pass  # the gateway has closed already


def _is_answer(answer: bytes, attack: bytes) -> None:
    if not answer:
        return  # it was left, or said nothing that could be answered
    # The HTTP server answers in the version of the request: 0.9 where a line has none, 1.0 where it cannot be read.
    assert answer.startswith((b"HTTP/1.1 ", b"HTTP/1.0 ", b"HTTP/0.9 ")), f"{answer[:80]!r} to {attack!r}"
    status = int(answer[9:12])
    assert 100 <= status < 600
    assert status != 500, f"{answer!r} to {attack!r}"


async def _ends_well(raw: Raw, attack: bytes) -> None:
    try:
        while True:
            opcode, payload = await raw.frame()
            assert opcode in (1, 2, 8, 9, 10), f"opcode {opcode} to {attack!r}"
            if opcode == 8:
                code = int.from_bytes(payload[:2], "big") if payload else 1005
                is_echo = code in sockets.CODES_OF_CLIENTS or 3000 <= code < 4000 or code >= 4000
                assert code in set(CloseCode) or is_echo, f"close code {code} to {attack!r}"
                assert code != CloseCode.INTERNAL, f"{payload!r} to {attack!r}"
                return
    except EOFError:
        return  # the attacker said that this was all; without that there is a close frame


async def withstand(assaults: list[bytes], chance: Random) -> list[bytes]:
    """Let them all come, so many at a time; return those that were not answered as they should be."""
    guilty: list[bytes] = []
    async with running(gateway=SOON) as penstock, penstock.neighbour():
        for start in range(0, len(assaults), AT_ONCE):
            wave = assaults[start : start + AT_ONCE]
            outcomes = await asyncio.gather(
                *(assault(penstock, attack, chance) for attack in wave), return_exceptions=True
            )
            for attack, outcome in zip(wave, outcomes, strict=True):
                if isinstance(outcome, BaseException):
                    print(f"{outcome!r}: {attack!r}")
                    guilty.append(attack)
            if _complaints(penstock):
                print(*_complaints(penstock), sep="\n")
                guilty += wave
                break
        await eventually(lambda: penstock.counters.connections == 1)
        await eventually(lambda: penstock.port.http_connections == 0)
    return guilty


def _complaints(penstock: Penstock) -> list[str]:
    """Return what the gateway and the router have to say of faults of their own."""
    lines = [record for record in penstock.said.records if record.levelno >= logging.ERROR]
    counted = [penstock.counters.faults, penstock.port.http_failures, penstock.router.counters.faults]
    return [record.getMessage() for record in lines] + [f"{sum(counted)} faults"] * any(counted)


def lay(seconds: float, seed: int, *, say: Callable[[str], None]) -> Report:
    """Lay siege for so long; what was not answered well is saved, a file for each."""
    chance, report = Random(seed), Report(NAME)
    began = time.monotonic()
    while report.seconds < seconds:
        several = attacks(chance, 4 * AT_ONCE)
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            guilty = runner.run(withstand(several, chance))
        report.found += [write(NAME, attack, FOUND) for attack in guilty]
        report.inputs += len(several)
        report.seconds = time.monotonic() - began
        say(str(report))
    return report
