"""Grammar of topics and patterns, and where a topic is carried ◆

A topic is 1-16 segments joined by ``.``, each one or more of ``A-Z a-z 0-9 _ ~ : @ = -``, at most 200 bytes in all.
In a pattern a segment may also be ``*`` (one segment) or ``#`` (none or more), as in AMQP 0-9-1 (section 3.1.3.3).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache
from hashlib import blake2b

MAX_BYTES = 200
MAX_SEGMENTS = 16
PARTITIONS = 16
SLOTS = 256

COVER_STEPS = 512
"""Bound of the work for one question what is covered, about half a millisecond; beyond it the answer is no."""

_SEGMENT = r"[A-Za-z0-9_~:@=-]+"
_TOPIC = re.compile(rf"{_SEGMENT}(?:\.{_SEGMENT}){{0,{MAX_SEGMENTS - 1}}}", re.ASCII)
_WILD = rf"(?:{_SEGMENT}|\*|#)"
_PATTERN = re.compile(rf"{_WILD}(?:\.{_WILD}){{0,{MAX_SEGMENTS - 1}}}", re.ASCII)

_ANY_OTHER = ""
"""Stands for every segment that neither pattern spells out; no segment is empty."""


def is_topic(text: str) -> bool:
    """Say whether `text` names exactly one topic."""
    return len(text) <= MAX_BYTES and _TOPIC.fullmatch(text) is not None


def is_pattern(text: str) -> bool:
    """Say whether `text` is a pattern; every topic is one."""
    return len(text) <= MAX_BYTES and _PATTERN.fullmatch(text) is not None


def has_wildcard(pattern: str) -> bool:
    """Say whether a valid `pattern` may match more than the one topic it spells."""
    return "*" in pattern or "#" in pattern


@lru_cache(maxsize=16_384)
def canonical(pattern: str) -> tuple[str, ...]:
    """Return the segments of the one pattern that stands for all that match what `pattern` matches.

    In a run of wildcards the order says nothing, nor does more than one ``#``: ``a.#.*.#`` is ``a.*.#``. And every
    topic has a first segment, so ``*.#`` is ``#``.
    """
    segments: list[str] = []
    stars, more = 0, False
    for segment in (*pattern.split("."), None):
        if segment == "*":
            stars += 1
        elif segment == "#":
            more = True
        else:
            segments += ["*"] * stars + ["#"] * more
            stars, more = 0, False
            if segment is not None:
                segments.append(segment)
    return ("#",) if segments == ["*", "#"] else tuple(segments)


def matches(pattern: str, topic: str) -> bool:
    """Say whether `topic` is one of those that `pattern` describes; both must be valid."""
    if not has_wildcard(pattern):
        return pattern == topic
    automaton = _Automaton(pattern.split("."))
    at = automaton.start
    for segment in topic.split("."):
        at = automaton.step(at, segment)
        if not at:
            return False
    return at & automaton.end != 0


def covers(right: str, wanted: str) -> bool:
    """Say whether every topic that `wanted` matches is matched by `right` too; both must be valid patterns.

    Exact up to `COVER_STEPS` steps of work; a pair that needs more is answered with no, which grants nothing.
    """
    return any_covers((right,), wanted)


def any_covers(rights: Iterable[str], wanted: str) -> bool:
    """Say whether one of `rights` alone covers `wanted`, within `COVER_STEPS` steps of work for all of them.

    Only rights with a ``#`` before their end take any steps, and the others are asked first.
    """
    wish = canonical(wanted)
    hard = []
    for right in rights:
        have = canonical(right)
        if have[0] not in ("*", "#", wish[0]):
            continue
        if "#" in have[:-1]:
            hard.append(have)
        elif _covers_plainly(have, wish):
            return True
    steps = COVER_STEPS
    for have in hard:
        if have == wish:
            return True
        covered, steps = _covers_stepwise(have, wish, steps)
        if covered:
            return True
    return False


def _covers_plainly(have: tuple[str, ...], want: tuple[str, ...]) -> bool:
    """Decide for a right, in canonical form, that is always at one place: it has no ``#``, or one at its end."""
    if have[-1] != "#":
        return "#" not in want and len(have) == len(want) and _fit(have, want)
    # Behind the last segment that it spells, only the number of segments counts.
    spelled = max((place for place, segment in enumerate(have, 1) if segment not in ("*", "#")), default=0)
    begin = want[:spelled]
    if len(begin) < spelled or "#" in begin or not _fit(have, begin):
        return False
    return len(want) - want.count("#") >= len(have) - 1


def _fit(have: tuple[str, ...], want: tuple[str, ...]) -> bool:
    """Say whether each segment that is wanted is the one in the same place, or there is ``*``."""
    return all(mine in ("*", theirs) for mine, theirs in zip(have, want, strict=False))


def _covers_stepwise(right: tuple[str, ...], wanted: tuple[str, ...], steps: int) -> tuple[bool, int]:
    """Decide in at most `steps`, reading both at once; return how many are left too. Without any left it says no."""
    have, want = _Automaton(right), _Automaton(wanted)
    alphabet = have.segments | want.segments | {_ANY_OTHER}
    start = (want.start, have.start)
    seen, todo = {start}, [start]
    while todo:
        wanted_at, covered_at = todo.pop()
        for segment in alphabet:
            if not steps:
                return False, 0
            steps -= 1
            pair = (want.step(wanted_at, segment), have.step(covered_at, segment))
            if not pair[0]:
                continue
            # Every place in a pattern leads to its end: what `right` has lost, `wanted` matches sooner or later.
            if not pair[1] or (pair[0] & want.end and not pair[1] & have.end):
                return False, steps
            if pair not in seen:
                seen.add(pair)
                todo.append(pair)
    return True, steps


class _Automaton:
    """A pattern, read segment by segment.

    Where one is in it is a set of places, as the bits of a number: bit n says that n of its segments may be done.
    """

    __slots__ = ("_hashes", "_leaving", "_stars", "end", "segments", "start")

    def __init__(self, pattern: Iterable[str]) -> None:
        spelled: dict[str, int] = {"*": 0, "#": 0}
        bit = 1
        for segment in pattern:
            spelled[segment] = spelled.get(segment, 0) | bit
            bit <<= 1
        self._stars, self._hashes = spelled.pop("*"), spelled.pop("#")
        self._leaving = {segment: places | self._stars for segment, places in spelled.items()}
        self.segments = spelled.keys()
        """Those that the pattern spells out."""
        self.end = bit
        self.start = self._with_hashes(1)

    def step(self, at: int, segment: str) -> int:
        """Return where one is after one more segment of a topic; 0 is nowhere."""
        moved = (at & self._leaving.get(segment, self._stars)) << 1
        return self._with_hashes(moved | at & self._hashes)

    def _with_hashes(self, at: int) -> int:
        """Add the places that are reached by letting ``#`` stand for nothing."""
        while (further := at | (at & self._hashes) << 1) != at:
            at = further
        return at


@lru_cache(maxsize=16_384)
def slot(topic: str) -> int:
    """Return the delivery slot of `topic`, 0 to `SLOTS` - 1."""
    return blake2b(topic.encode(), digest_size=1).digest()[0]


@lru_cache(maxsize=16_384)
def partition(key: str) -> int:
    """Return the partition, 0 to `PARTITIONS` - 1, that keeps the order of everything with this `key`."""
    return blake2b(key.encode(), digest_size=2, person=b"partition").digest()[0] % PARTITIONS


def rank(router: str, of_partition: int) -> int:
    """Return how much `router` wants a partition: its AMQP consumer priority, 0 to 2³¹ - 1.

    The highest rank holds the partition (rendezvous hashing), so each has the same owner whoever computes it, and one
    that comes or goes moves only its own. Every router has an order of its own in which it wants the partitions; where
    two want one equally, chance decides. Of five routers one is without work in one fleet of sixty, with plain hashes
    in one of eight.
    """
    place = sorted(range(PARTITIONS), key=lambda number: _chance(router, number)).index(of_partition)
    return place << 27 | _chance(router, of_partition) >> 5


def _chance(router: str, number: int) -> int:
    digest = blake2b(f"{number}:{router}".encode(), digest_size=4, person=b"rank").digest()
    return int.from_bytes(digest, "big")
