"""The gateway's codecs: bytes of a client to frames, and the frames to a session and a router ◆"""

from __future__ import annotations

import json as stdlib
import types
import typing
from functools import cache
from itertools import pairwise
from typing import Any

import msgpack as reference  # type: ignore[import-untyped]
import msgspec
from msgspec import Meta, Struct

from gateway.codecs import BadFrame, Dialect, Incoming, json, msgpack
from gateway.codecs.depth import MAX_DEPTH
from gateway.codecs.reading import REASON_LENGTH
from shared.frames import MAX_FRAMES_PER_MESSAGE, Publish
from tests.fuzz.target import CUT, Growth, Target

FRAMES: tuple[dict[str, Any], ...] = (
    {"type": "connect", "id": 0, "token": "a.b.c", "client": {"name": "n", "version": "1"}},
    {"type": "subscribe", "id": 1, "topic": "a.b", "from": {"epoch": "e", "offset": 7}, "presence": True},
    {"type": "subscribe", "id": 1, "topic": "a.#", "from": {"at": 5, "topics": {"a.b": {"epoch": "e", "offset": 0}}}},
    {"type": "subscribe", "id": 2, "topic": "*.b", "tail": 1000},
    {"type": "unsubscribe", "id": 2, "topic": "a.b"},
    {"type": "publish", "id": 2**53 - 1, "topic": "a.b", "data": {"x": [1, "é", None, 1.5, -0.0]}, "key": "k"},
    {"type": "publish", "id": 3, "topic": "a", "data": "\U0001f600"},
    {"type": "history", "id": 4, "topic": "a", "limit": 1000, "before": 2**53 - 1, "after": 0},
    {"type": "presence", "id": 5, "topic": "a"},
    {"type": "refresh", "id": 6, "token": "t"},
    {"type": "pong"},
)

JSON_FRAMES = tuple(stdlib.dumps(frame).encode() for frame in FRAMES)
MSGPACK_FRAMES = tuple(reference.packb(frame) for frame in FRAMES)

_NAMES = ("type", "id", "topic", "data", "key", "from", "epoch", "offset", "at", "topics", "tail", "limit", "token")
JSON_WORDS = (*(b'"%s":' % name.encode() for name in _NAMES), b"{", b"}", b"[", b"]", b",", *JSON_FRAMES)
MSGPACK_WORDS = (
    *(reference.packb(name) for name in _NAMES), b"\x80", b"\x90", b"\x81", b"\x91", b"\xc0", b"\xd9", b"\xda",
    b"\xc4\x01a", b"\xd6\xff\x00\x00\x00\x00", b"\xcb\x7f\xf0\x00\x00\x00\x00\x00\x00", b"\xd3" + bytes(8),
    *MSGPACK_FRAMES,
)  # fmt: skip


def read(dialect: Dialect, data: bytes) -> list[Incoming]:
    """Decode, and hold the result to what `Dialect.decode` promises."""
    incoming = dialect.decode(data)
    assert isinstance(incoming, list)
    assert 1 <= len(incoming) <= MAX_FRAMES_PER_MESSAGE
    for each in incoming:
        if isinstance(each, BadFrame):
            assert 0 < len(each.reason) <= REASON_LENGTH
            assert each.id is None or (is_of(each.id, int) and 0 <= each.id < 2**53)
            assert not each.fatal or len(incoming) == 1, "a fatal one comes alone"
        else:
            _is_whole(dialect, each)
    return incoming


def _is_whole(dialect: Dialect, frame: Struct) -> None:
    """Hold a frame to its own types, and to what its re-encoding is read as."""
    for name, kind in hints(type(frame)).items():
        assert is_of(getattr(frame, name), kind), f"{name} is {getattr(frame, name)!r}"
    if isinstance(frame, Publish):
        good = json.is_json if dialect is json else msgpack.is_msgpack
        assert good(bytes(frame.data)), "subscribers get these bytes as they are"
    coder = msgspec.json if dialect is json else msgspec.msgpack
    assert dialect.decode(coder.encode(frame)) == [frame]


@cache
def hints(kind: type) -> dict[str, Any]:
    """Return the types of a struct's fields."""
    return typing.get_type_hints(kind, include_extras=True)


def is_of(value: Any, kind: Any) -> bool:
    """Say whether a value is of a type, with its bounds; told apart from `msgspec`, which is what is fuzzed."""
    origin = typing.get_origin(kind)
    if origin is typing.Annotated:
        inner, *metas = typing.get_args(kind)
        return is_of(value, inner) and all(_within(value, meta) for meta in metas if isinstance(meta, Meta))
    if origin in (typing.Union, types.UnionType):
        return any(is_of(value, each) for each in typing.get_args(kind))
    if origin is dict:
        key, inner = typing.get_args(kind)
        return isinstance(value, dict) and all(is_of(k, key) and is_of(v, inner) for k, v in value.items())
    if kind is int or kind is bool:
        return type(value) is kind
    if isinstance(kind, type) and issubclass(kind, Struct):
        return isinstance(value, kind) and all(is_of(getattr(value, n), k) for n, k in hints(kind).items())
    return isinstance(value, type(None) if kind is None else kind)


def _within(value: Any, meta: Meta) -> bool:
    size = len(value) if isinstance(value, str | dict) else value
    low, high = (meta.min_length, meta.max_length) if isinstance(value, str | dict) else (meta.ge, meta.le)
    return (low is None or low <= size) and (high is None or size <= high)


def read_json(data: bytes) -> None:
    """Read a message as JSON."""
    incoming = read(json, data)
    if not (isinstance(incoming[0], BadFrame) and incoming[0].fatal):
        stdlib.loads(data, parse_int=str)  # what is not refused altogether is JSON, with numbers of any length


def read_msgpack(data: bytes) -> None:
    """Read a message as MessagePack."""
    read(msgpack, data)


def read_json_one_by_one(data: bytes) -> None:
    """Read frames alone and in an array: neighbours must change nothing."""
    single = [(item, read(json, item)) for item in data.split(CUT) if item[:1] == b"{"][:MAX_FRAMES_PER_MESSAGE]
    good = [(item, incoming[0]) for item, incoming in single if not _is_fatal(incoming[0])]
    together = b"[" + b" ,\n".join(item for item, _ in good) + b"]"
    if good:
        assert read(json, together) == [frame for _, frame in good]


def read_msgpack_one_by_one(data: bytes) -> None:
    """Read frames alone and in an array: neighbours must change nothing."""
    single = [(item, read(msgpack, item)) for item in data.split(CUT) if item[:1] and 0x80 <= item[0] < 0x90]
    good = [(item, incoming[0]) for item, incoming in single if not _is_fatal(incoming[0])][:MAX_FRAMES_PER_MESSAGE]
    if good:
        head: bytes = reference.Packer().pack_array_header(len(good))
        assert read(msgpack, head + b"".join(item for item, _ in good)) == [frame for _, frame in good]


def _is_fatal(incoming: Incoming) -> bool:
    return isinstance(incoming, BadFrame) and incoming.fatal


def read_both(data: bytes) -> None:
    """Read the same message in both dialects: what one makes of it, the other does."""
    try:
        value = stdlib.loads(data, parse_constant=_refuse)
        packed = reference.packb(value)
        # The same value in plain words: of a name that comes twice only the last is left.
        data = stdlib.dumps(value, ensure_ascii=False, allow_nan=False).encode()
    except (ValueError, RecursionError, OverflowError):
        return  # no JSON, or nothing that MessagePack can say
    ours, theirs = read(json, data), read(msgpack, packed)
    assert len(ours) == len(theirs)
    for one, other in zip(ours, theirs, strict=True):
        assert type(one) is type(other), f"{one} and {other}"
        if isinstance(one, BadFrame) and isinstance(other, BadFrame):
            assert (one.id, one.fatal) == (other.id, other.fatal)
        elif isinstance(one, Publish) and isinstance(other, Publish):
            assert (one.id, one.topic, one.key) == (other.id, other.topic, other.key)
            assert _same(stdlib.loads(bytes(one.data)), reference.unpackb(bytes(other.data), strict_map_key=False))
        else:
            assert one == other


def _refuse(name: str) -> float:
    raise ValueError(f"JSON has no {name}")


def _same(one: Any, other: Any) -> bool:
    return repr(one) == repr(other)


_DEEP = MAX_DEPTH - 1

TARGETS = (
    Target(
        "frames-json",
        read_json,
        (*JSON_FRAMES, b"[" + b",".join(JSON_FRAMES) + b"]", b'{"type":"pong"}' + b" " * 100, b"[" * 130, b""),
        words=JSON_WORDS,
        growth=(
            Growth(b"["),
            Growth(b"[]", b'{"type":"publish","id":1,"topic":"a","data":[', b"]}"),
            Growth(b'"'),
            Growth(b"\\", b'{"type":"pong","a":"', b'"}'),
            Growth(b'\\"', b'{"type":"pong","a":"', b'"}'),
            Growth(b"\\ud83d", b'{"type":"publish","id":1,"topic":"a","data":"', b'"}'),
            Growth(b'{"data":"\\ud83d"},', b"[", b"{}]"),
            Growth(b'"a%d":1,', b'{"type":"pong",', b'"z":0}'),
            Growth(b'"a%d":{"epoch":"e","offset":1},', b'{"type":"subscribe","from":{"topics":{', b"}}}"),
            Growth(b"1", b'{"type":"pong","id":', b"}"),
            Growth(b" ", b"", b"{}"),
            Growth("é".encode(), b'{"type":"', b'"}'),
        ),
        bare=json.decode,
    ),
    Target(
        "frames-msgpack",
        read_msgpack,
        (*MSGPACK_FRAMES, reference.packb(FRAMES), b"\x91" * 130 + b"\xc0", b""),
        words=MSGPACK_WORDS,
        growth=(
            Growth(b"\x91"),
            Growth(b"\x81\xa1a"),
            Growth(b"\xc0", b"\xdd\x00\xff\xff\xff"),
            Growth(b"\x80", b"\x91\xdd\x00\x0f\xff\xff"),
            Growth(b"\xa1a\xc0", b"\xdf\x00\x05\x55\x00"),
            Growth(b"a", b"\x81\xa4type\xdb\x00\x0f\xff\x00"),
        ),
        bare=msgpack.decode,
    ),
    Target(
        "frames-json-neighbours",
        read_json_one_by_one,
        (
            *map(CUT.join, pairwise(JSON_FRAMES)),
            rb'{"type":"publish","id":1,"topic":"a","data":"\ud83d\ude00"}' + CUT + b"{}",
        ),
        words=(*JSON_WORDS, CUT, rb"\ud83d", rb"\ude00", rb"\\"),
    ),
    Target(
        "frames-msgpack-neighbours",
        read_msgpack_one_by_one,
        (*map(CUT.join, pairwise(MSGPACK_FRAMES)),),
        words=(*MSGPACK_WORDS, CUT),
    ),
    Target(
        "frames-both",
        read_both,
        (*JSON_FRAMES, b"[" + b",".join(JSON_FRAMES) + b"]", b"[" * _DEEP + b"]" * _DEEP, b'{"type":"pong","id":1.0}'),
        words=JSON_WORDS,
    ),
)
