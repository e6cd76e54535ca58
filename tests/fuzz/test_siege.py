"""A whole gateway, for a moment; the longer way is ``make fuzz``."""

from __future__ import annotations

from random import Random

import pytest

from tests.fuzz.found import all_found
from tests.fuzz.siege import AT_ONCE, HTTP, JSON_USER, NAME, attacks, withstand
from tests.support.client import websocket_frame

KEPT = [path for name, path in all_found() if name == NAME]


async def test_a_gateway_answers_every_attacker_and_serves_who_behaves_well() -> None:
    assert await withstand(attacks(Random(7), AT_ONCE), Random(7)) == []


async def test_what_was_answered_badly_once_is_answered_well() -> None:
    assert await withstand([path.read_bytes() for path in KEPT], Random(1)) == []


class Patient(Random):
    """The chance that an attacker never says that this was all, and so waits for its answer."""

    def random(self) -> float:
        return 0.99


async def test_an_attack_that_is_answered_badly_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("planted")

    monkeypatch.setattr("gateway.session.Session.refuse", fail)
    monkeypatch.setattr("gateway.transports.http_door.HttpDoor._answer", fail)
    bad_frame = bytes((JSON_USER,)) + websocket_frame(b'{"type":"?"}')
    request = bytes((HTTP,)) + b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
    for attack in (bad_frame, request):
        assert attack in await withstand([attack], Patient(1))
