"""Topics, patterns, and which topic a pattern describes ◆

A topic is 1-16 segments joined by ``.``, each one or more of ``A-Z a-z 0-9 _ ~ : @ = -``, at most 200 bytes in all.
In a pattern a segment may also be ``*`` (exactly one segment) or ``#`` (none or more): AMQP 0-9-1, section 3.1.3.3.
"""

from __future__ import annotations

import re
from typing import Final

from .errors import InvalidArgument

MAX_BYTES: Final = 200
MAX_SEGMENTS: Final = 16

_SEGMENT = r"[A-Za-z0-9_~:@=-]+"
_WILD = rf"(?:{_SEGMENT}|\*|#)"
_TOPIC = re.compile(rf"{_SEGMENT}(?:\.{_SEGMENT}){{0,{MAX_SEGMENTS - 1}}}")
_PATTERN = re.compile(rf"{_WILD}(?:\.{_WILD}){{0,{MAX_SEGMENTS - 1}}}")
_RULE = (
    f"1 to {MAX_SEGMENTS} segments joined by dots, each of A-Z a-z 0-9 _ ~ : @ = -, "
    f"at most {MAX_BYTES} characters in all"
)


def check_topic(text: str) -> None:
    """Raise `InvalidArgument` unless `text` names exactly one topic."""
    if len(text) > MAX_BYTES or not _TOPIC.fullmatch(text):
        raise InvalidArgument(f"{text[:MAX_BYTES]!r} is not a topic: a topic is {_RULE}.")


def check_pattern(text: str) -> None:
    """Raise `InvalidArgument` unless `text` is a topic or a pattern."""
    if len(text) > MAX_BYTES or not _PATTERN.fullmatch(text):
        raise InvalidArgument(f"{text[:MAX_BYTES]!r} is not a topic or pattern: {_RULE}; a segment may be * or #.")


def is_wild(pattern: str) -> bool:
    """Say whether a valid `pattern` may describe more than the one topic it spells."""
    return "*" in pattern or "#" in pattern


def matches(pattern: tuple[str, ...], topic: tuple[str, ...]) -> bool:
    """Say whether the segments of `topic` fit those of `pattern`.

    Walks all readings of ``#`` side by side, so that the work is at most segments × segments.
    """
    reached = _skip_hashes(pattern, {0})
    for segment in topic:
        after = set()
        for at in reached:
            if at == len(pattern):
                continue
            if pattern[at] == "#":
                after.add(at)
            elif pattern[at] in ("*", segment):
                after.add(at + 1)
        reached = _skip_hashes(pattern, after)
        if not reached:
            return False
    return len(pattern) in reached


def _skip_hashes(pattern: tuple[str, ...], reached: set[int]) -> set[int]:
    """Add the places that are reached by letting ``#`` stand for nothing."""
    places = set(reached)
    for at in reached:
        while at < len(pattern) and pattern[at] == "#":
            at += 1
            places.add(at)
    return places
