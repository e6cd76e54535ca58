"""The Python client: what a gateway sends it, or whoever says that it is one ◆"""

from __future__ import annotations

import itertools
import json
from typing import Any

import msgpack as reference  # type: ignore[import-untyped]
from penstock_client import effects, messages
from penstock_client.codec import CODECS
from penstock_client.errors import ProtocolError
from penstock_client.presence import Joined, Left, Presence
from penstock_client.session import Session

from tests.fuzz.target import CUT, Growth, Target

NOW = 1000.0
MAX_FRAMES = 32
NEVER_USED = b"\xc1"
"""The one byte that MessagePack has no meaning for: it separates frames."""

_MEMBER = {"user": "ada", "session": "s.1", "info": {"n": 1}}
_MESSAGE = {"type": "message", "topic": "a.b", "offset": 7, "epoch": "e", "at": 5, "data": {"x": 1}, "from": "ada"}
FRAMES: tuple[dict[str, Any], ...] = (
    {"type": "connected", "id": 1, "session": "s.1", "user": "ada", "heartbeat": 25, "expires_in": 3600},
    {"type": "subscribed", "id": 2, "topic": "a.b", "epoch": "e", "offset": 6, "recovered": True},
    {"type": "subscribed", "id": 3, "topic": "a.#", "at": 5},
    _MESSAGE,
    {"type": "message", "topic": "a.c", "at": 5, "data": "AP8=", "encoding": "base64", "key": "k"},
    {"type": "message", "topic": "a.b", "offset": 9, "at": 5, "data": "18446744073709551616", "encoding": "json"},
    {"type": "ok", "id": 4, "offset": 8, "epoch": "e"},
    {"type": "result", "id": 5, "topic": "a.b", "messages": [_MESSAGE], "epoch": "e", "offset": 7},
    {"type": "result", "id": 6, "topic": "a.b", "members": [_MEMBER], "count": 1},
    {"type": "error", "id": 4, "code": "rate_limited", "reason": "slower", "retry_after": 1.5},
    {"type": "error", "code": "forbidden", "reason": "gone", "topic": "a.b"},
    {"type": "gap", "topic": "a.b", "epoch": "f", "offset": 3, "cause": "trimmed"},
    {"type": "joined", "topic": "a.b", "member": _MEMBER},
    {"type": "left", "topic": "a.b", "member": _MEMBER},
    {"type": "caught_up", "topic": "a.#", "at": 6},
    {"type": "degraded", "reason": "away"},
    {"type": "restored"},
    {"type": "reconnect", "after": 0.5},
    {"type": "ping"},
)


def asking() -> Session:
    """Return a session that has asked for something of everything, and waits for `connected`."""
    session = Session(token="t")
    session.connecting(NOW)
    session.connected(NOW)
    session.subscribe(1, "a.b", NOW, presence=True)
    session.subscribe(2, "a.#", NOW, tail=5)
    session.publish(1, "a.b", {"x": 1}, "key", NOW, 10.0)
    session.history(2, "a.b", 10, None, None, NOW, 10.0)
    session.presence(3, "a.b", NOW, 10.0)
    return session


def receive(codec_name: str, pieces: list[bytes]) -> None:
    """Take messages one after the other, after a good `connected`, until the session leaves."""
    codec = CODECS[codec_name]
    session = asking()
    now = NOW
    session.receive(FRAMES[0], now)
    for piece in pieces[:MAX_FRAMES]:
        now += 1.0
        try:
            frame = codec.decode(piece)
        except ProtocolError as error:
            done = session.malformed(str(error))
        else:
            assert isinstance(frame, dict)
            done = session.receive(frame, now)
        for effect in done:
            _is_sound(codec_name, effect)
        for effect in session.tick(now):
            _is_sound(codec_name, effect)
        assert session.deadline is None or session.deadline >= 0
    for effect in session.lost(1006, now, 0.5):
        _is_sound(codec_name, effect)


def _is_sound(codec_name: str, effect: effects.Effect) -> None:
    match effect:
        case effects.Send(frame):
            CODECS[codec_name].encode(frame)
        case effects.Close(code, reason):
            assert 1000 <= code < 5000
            assert isinstance(reason, str)
        case effects.Reconnect(after):
            assert 0 <= after < float("inf")
        case effects.Deliver(subscriber, item):
            assert subscriber in (1, 2)
            _is_item(item)
        case effects.Resolve(request, result):
            assert (request, type(result)) in ((1, messages.Receipt), (2, messages.History), (3, Presence))


def _is_item(item: object) -> None:
    match item:
        case messages.Message():
            assert isinstance(item.topic, str)
            assert isinstance(item.at, int)
            for value, kind in ((item.offset, int), (item.epoch, str), (item.key, str), (item.sender, str)):
                assert value is None or isinstance(value, kind)
        case messages.Gap():
            assert isinstance(item.topic, str)
            assert isinstance(item.cause, str)
        case Joined() | Left():
            assert isinstance(item.member.user, str)
        case _:
            raise AssertionError(item)


def receive_json(data: bytes) -> None:
    """Take what a gateway says in JSON."""
    receive("json", data.split(CUT))


def receive_msgpack(data: bytes) -> None:
    """Take what a gateway says in MessagePack."""
    receive("msgpack", data.split(NEVER_USED))


_JSON = tuple(json.dumps(frame).encode() for frame in FRAMES)
_MSGPACK = tuple(reference.packb(frame) for frame in FRAMES)
_NAMES = sorted({name for frame in FRAMES for name in frame})

TARGETS = (
    Target(
        "client-json",
        receive_json,
        (*_JSON, CUT.join(_JSON), *(CUT.join(pair) for pair in itertools.pairwise(_JSON))),
        words=(*_JSON, *(b'"%s":' % name.encode() for name in _NAMES), CUT, b"{", b"}", b"[", b"]", b",", b"Infinity"),
        growth=(
            Growth(b"["), Growth(b"1", b'{"type":"ok","id":', b"}"), Growth(b'{"type":"ping"}\x1e'), Growth(b'{"a":'),
            Growth(b"{},", b'{"type":"result","id":5,"epoch":"e","offset":1,"messages":[', b"{}]}"),
        ),
    ),
    Target(
        "client-msgpack",
        receive_msgpack,
        (*_MSGPACK, NEVER_USED.join(_MSGPACK), reference.packb({"type": "message", "data": {1: b"\xff", None: 2}})),
        words=(*_MSGPACK, *map(reference.packb, _NAMES), NEVER_USED, b"\xc7\x0c\xff", b"\xd4\x05\x00", b"\x81\x90"),
        growth=(Growth(b"\x91"), Growth(b"\x81\x91"), Growth(b"\xc0", b"\xdd\x00\x0f\xff\xf0")),
    ),
)  # fmt: skip
