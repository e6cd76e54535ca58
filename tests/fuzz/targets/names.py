"""Topics and patterns: their grammar, what they match, and whether all who ask agree ◆"""

from __future__ import annotations

import string

from penstock_client import patterns
from penstock_client.errors import InvalidArgument

from shared.topics import (
    MAX_BYTES,
    MAX_SEGMENTS,
    PARTITIONS,
    SLOTS,
    canonical,
    covers,
    has_wildcard,
    is_pattern,
    is_topic,
    matches,
    partition,
    slot,
)
from shared.trie import PatternTrie
from tests.fuzz.target import CUT, Growth, Target, parts

LETTERS = frozenset(string.ascii_letters + string.digits + "_~:@=-")


def read_names(data: bytes) -> None:
    """Take two patterns and a topic, and hold everything that is said of them against each other."""
    one, other, topic = (part.decode("utf-8", "replace") for part in parts(data, 3))
    for text in (one, other, topic):
        _is_judged(text)
    if not (is_pattern(one) and is_pattern(other)):
        return
    assert covers(one, one) or one.count("#") > 1, "what is exact covers itself"
    if not is_topic(topic):
        return
    heard = [pattern for pattern in (one, other) if _matched(pattern.split("."), topic.split("."))]
    assert [pattern for pattern in (one, other) if matches(pattern, topic)] == heard
    assert matches(".".join(canonical(one)), topic) == (one in heard)
    segments = tuple(topic.split("."))
    assert patterns.matches(tuple(one.split(".")), segments) == (one in heard), "the client agrees"
    if covers(one, other):
        assert one in heard or other not in heard, "who covers another hears what it hears"
    _trie_agrees({one, other}, topic, set(heard))


def _is_judged(text: str) -> None:
    segments = text.split(".")
    spelled = [bool(segment) and set(segment) <= LETTERS for segment in segments]
    fits = len(text.encode()) <= MAX_BYTES and len(segments) <= MAX_SEGMENTS
    wild = [segment in ("*", "#") for segment in segments]
    assert is_topic(text) == (fits and all(spelled))
    assert is_pattern(text) == (fits and all(a or b for a, b in zip(spelled, wild, strict=True)))
    assert _accepts(patterns.check_topic, text) == is_topic(text), "the client agrees"
    assert _accepts(patterns.check_pattern, text) == is_pattern(text), "the client agrees"
    if is_topic(text):
        assert 0 <= slot(text) < SLOTS
        assert 0 <= partition(text) < PARTITIONS
        assert not has_wildcard(text)
        assert canonical(text) == tuple(segments)
    elif is_pattern(text):
        assert has_wildcard(text)
        assert canonical(".".join(canonical(text))) == canonical(text)


def judge(data: bytes) -> bool:
    """Say whether it is a topic or a pattern."""
    text = data.decode("utf-8", "replace")
    return is_topic(text) or is_pattern(text)


def _accepts(check: object, text: str) -> bool:
    try:
        check(text)  # type: ignore[operator]
    except InvalidArgument:
        return False
    return True


def _matched(pattern: list[str], topic: list[str]) -> bool:
    """Say whether a pattern describes a topic, as one would by hand: row by row, no automaton."""
    row = [True] + [False] * len(topic)
    for segment in pattern:
        if segment == "#":
            row = [any(row[: place + 1]) for place in range(len(row))]
        else:
            row = [False, *(row[place] and segment in ("*", here) for place, here in enumerate(topic))]
    return row[-1]


def _trie_agrees(those: set[str], topic: str, heard: set[str]) -> None:
    trie: PatternTrie[str] = PatternTrie()
    for pattern in those:
        trie.add(pattern, pattern)
    assert set(trie.match(topic)) == heard
    for pattern in those:
        trie.remove(pattern, pattern)
    assert len(trie) == 0
    assert not list(trie.match(topic))


TARGETS = (
    Target(
        "names",
        read_names,
        (
            CUT.join((b"orders.*", b"orders.#", b"orders.42")),
            CUT.join((b"#.a.#", b"a.*.a", b"a.b.a")),
            CUT.join((b"*.#.*", b"#", b"a")),
            b".".join([b"a"] * 16) + CUT + b".".join([b"#", b"a"] * 8) + CUT + b".".join([b"a"] * 16),
            b"a" * 200 + CUT + b"~:@=-_.Z" + CUT + b"a..b",
        ),
        words=(b"*", b"#", b".", b"a", b"b", CUT, b"a.", b"#.", b"*.", "é".encode(), b"\n"),
        growth=(Growth(b"a"), Growth(b"a."), Growth(b"#."), Growth(b"*.#."), Growth("é".encode())),
        bare=judge,
    ),
)
