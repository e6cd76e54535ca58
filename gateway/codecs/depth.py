"""How deep a payload nests, without making anything of it ◆

The decoders recurse in C as deep as the interpreter lets them, and that differs from one Python to the next. This bound
is ours, is far below all of theirs, and so the same bytes have the same fate everywhere.

First the bytes that could open a container are counted: too few of them, and the payload cannot be deep. Only then is
the nesting followed exactly, in C: what strangers send must not cost more to check than to receive.
"""

from __future__ import annotations

import re
from array import array
from itertools import accumulate

import msgpack  # type: ignore[import-untyped]  # it ships no types

MAX_DEPTH = 128
"""Containers within containers that a payload may have."""

_NOT_OF_NOTE = bytes(byte for byte in range(256) if byte not in b'[]{}"')
_BRACKETS = bytes.maketrans(b"{}", b"[]")
_STEPS = bytes.maketrans(b"[]", b"\x01\xff")
_STRING = re.compile(rb'"[^"]*"?')
_BLOCK = 64
"""Brackets that are counted at once; only where they could reach too deep are they followed one by one."""


def json_is_deep(payload: bytes) -> bool:
    """Say whether JSON nests deeper than `MAX_DEPTH`, as far as it is well-formed."""
    if payload.count(b"[") + payload.count(b"{") <= MAX_DEPTH:
        return False
    if b"\\" in payload:
        # An escaped backslash escapes nothing; what is escaped after that is of no note, but for quotes.
        payload = payload.replace(b"\\\\", b"").replace(b'\\"', b"")
    # What is left are brackets and the ends of strings; two of those with nothing between them change nothing.
    notes = payload.translate(_BRACKETS, _NOT_OF_NOTE).replace(b'""', b"")
    brackets = _STRING.sub(b"", notes)
    depth = 0
    for start in range(0, len(brackets), _BLOCK):
        block = brackets[start : start + _BLOCK]
        opened = block.count(b"[")
        if depth + opened > MAX_DEPTH and depth + _highest(block) > MAX_DEPTH:
            return True
        depth += 2 * opened - len(block)
    return False


def _highest(brackets: bytes) -> int:
    return max(accumulate(array("b", brackets.translate(_STEPS))))


_NOT_CONTAINERS = bytes(first for first in range(256) if not (0x80 <= first < 0xA0 or 0xDC <= first <= 0xDF))


def _levels() -> int:
    """Return how many levels the parser of ``msgpack`` follows: it has a stack of its own, of a fixed size."""
    levels = MAX_DEPTH
    while not _is_too_much(b"\x91" * (levels + 1) + b"\xc0"):
        levels += 1
    return levels


def _is_too_much(payload: bytes) -> bool:
    parser = msgpack.Unpacker()
    parser.feed(payload)
    try:
        parser.skip()
    except msgpack.StackError:
        return True
    except (msgpack.UnpackException, ValueError):  # malformed, or not complete: the decoder will say so
        return False
    return False


_WRAPPING = b"\x91" * (_levels() - MAX_DEPTH)
"""So many arrays around a payload that the parser's stack is full when it nests deeper than `MAX_DEPTH`."""


def msgpack_is_deep(payload: bytes) -> bool:
    """Say whether MessagePack nests deeper than `MAX_DEPTH`, as far as it is well-formed."""
    if len(payload) <= MAX_DEPTH or len(payload.translate(None, _NOT_CONTAINERS)) <= MAX_DEPTH:
        return False
    return _is_too_much(_WRAPPING + payload)
