"""How deep a payload nests, without reading it ◆

The decoders recurse in C as deep as the interpreter lets them, and that differs from one Python to the next. This bound
is ours, is far below all of theirs, and so the same bytes have the same fate everywhere.

First the bytes that could open a container are counted: too few of them, and the payload cannot be deep. Only then is
the nesting followed exactly. Empty containers hold nothing and do not count in MessagePack.
"""

from __future__ import annotations

import re
from array import array
from itertools import accumulate

MAX_DEPTH = 128
"""Containers within containers that a payload may have."""

MAX_STEPS = 16_384
"""Items one by one that are followed in MessagePack; a payload that needs more counts as deep.

It keeps the worst message of 64 KiB at 2-3 ms. Runs of small numbers are one step, and payloads without many containers
are not followed at all.
"""

_STRING = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"?', re.DOTALL)
_NOT_BRACKETS = bytes(byte for byte in range(256) if byte not in b"[]{}")
_STEPS = bytes.maketrans(b"[{]}", b"\x01\x01\xff\xff")


def json_is_deep(payload: bytes) -> bool:
    """Say whether JSON nests deeper than `MAX_DEPTH`, as far as it is well-formed."""
    if payload.count(b"[") + payload.count(b"{") <= MAX_DEPTH:
        return False
    brackets = _STRING.sub(b"", payload).translate(_STEPS, _NOT_BRACKETS)
    return max(accumulate(array("b", brackets)), default=0) > MAX_DEPTH


# MessagePack, by the first byte of an item. The bytes of a whole item whose size is fixed:
_SIZES = [0] * 256
for _first in (*range(0x81), 0x90, 0xC0, 0xC1, 0xC2, 0xC3, *range(0xE0, 0x100)):
    _SIZES[_first] = 1  # small numbers, empty containers, nil, true, false
for _length in range(32):
    _SIZES[0xA0 + _length] = 1 + _length  # fixstr, of which the empty one has one byte, too
for _first, _size in zip(range(0xCA, 0xD9), (5, 9, 2, 3, 5, 9, 2, 3, 5, 9, 3, 4, 6, 10, 18), strict=True):
    _SIZES[_first] = _size  # float, uint, int, fixext
_RUN = re.compile(b"[" + b"".join(b"\\x%02x" % first for first, size in enumerate(_SIZES) if size == 1) + b"]+")
_RUN_FROM = 16
"""Items to come from which it pays to look for a run of items of one byte."""

# The bytes that say the length of bin, ext and str, and what follows the length besides:
_LENGTHS = {0xC4: (1, 0), 0xC5: (2, 0), 0xC6: (4, 0), 0xC7: (1, 1), 0xC8: (2, 1), 0xC9: (4, 1)}
_LENGTHS |= {0xD9: (1, 0), 0xDA: (2, 0), 0xDB: (4, 0)}

# The bytes that say how many entries an array or a map has, and the items in an entry:
_ENTRIES = {0xDC: (2, 1), 0xDD: (4, 1), 0xDE: (2, 2), 0xDF: (4, 2)}
_NOT_CONTAINERS = bytes(
    first for first in range(256) if not (0x80 < first < 0x90 or 0x90 < first < 0xA0 or first in _ENTRIES)
)


def msgpack_is_deep(payload: bytes) -> bool:
    """Say whether MessagePack nests deeper than `MAX_DEPTH`, as far as it is well-formed."""
    if len(payload) <= MAX_DEPTH or len(payload.translate(None, _NOT_CONTAINERS)) <= MAX_DEPTH:
        return False
    try:
        return _is_deep(payload)
    except IndexError:  # it ends before it is complete: the decoder will say so
        return False


def _is_deep(payload: bytes) -> bool:
    at = 0
    left = 1  # items to come in this container
    outer: list[int] = []  # and in those around it
    for _ in range(MAX_STEPS):
        first = payload[at]
        size = _SIZES[first]
        if size == 1 and left >= _RUN_FROM:
            run = _RUN.match(payload, at, at + left)
            assert run is not None, "the pattern holds every item of one byte"
            left -= run.end() - at
            at = run.end()
        elif size:
            at += size
            left -= 1
        elif first in _LENGTHS:
            width, extra = _LENGTHS[first]
            at += 1 + width + extra + int.from_bytes(payload[at + 1 : at + 1 + width], "big")
            left -= 1
        else:
            if len(outer) >= MAX_DEPTH:
                return True
            outer.append(left - 1)
            if first < 0xA0:
                left = (first & 0x0F) << (first < 0x90)
                at += 1
            else:
                width, items = _ENTRIES[first]
                left = items * int.from_bytes(payload[at + 1 : at + 1 + width], "big")
                at += 1 + width
        while not left:
            if not outer:
                return False
            left = outer.pop()
    return True
