"""A trie of patterns: which of many patterns match one topic ◆

The work for a topic is bounded by the number of patterns, whatever combination of ``#`` and ``*`` a client thinks of.
Patterns that mean the same are one. A pattern without ``#``, or with one at its end, is at one place at a time, and
shares it with all that begin as it does; those with a ``#`` before that are followed side by side, in a `Crowd`.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable, Iterator
from typing import Generic, TypeVar

from shared.crowd import Crowd, Pattern, Values
from shared.topics import MAX_SEGMENTS, canonical

V = TypeVar("V", bound=Hashable)

REMEMBERED_TOPICS = 4096
"""Topics whose patterns are remembered; the longest unused are looked up anew."""
REMEMBERED_PATTERNS = 16
"""Patterns that one topic may have to be remembered."""


class _Node(Generic[V]):
    __slots__ = ("children", "rest", "star", "values")

    def __init__(self) -> None:
        self.children: dict[str, _Node[V]] = {}
        self.star: _Node[V] | None = None
        self.values: Values[V] = {}
        """Of the pattern that ends here."""
        self.rest: Values[V] = {}
        """Of the pattern that has only ``#`` after this."""

    @property
    def empty(self) -> bool:
        return not (self.children or self.star or self.values or self.rest)

    def child(self, segment: str) -> _Node[V] | None:
        return self.star if segment == "*" else self.children.get(segment)

    def grow(self, segment: str) -> _Node[V]:
        node = self.child(segment)
        if node is None:
            node = _Node()
            if segment == "*":
                self.star = node
            else:
                self.children[segment] = node
        return node

    def cut(self, segment: str) -> None:
        if segment == "*":
            self.star = None
        else:
            del self.children[segment]


class PatternTrie(Generic[V]):
    """A many-to-many map of patterns, of at most `segments` segments each, to values, asked by topic."""

    __slots__ = ("_crowds", "_remembered", "_root", "_segments", "_size")

    def __init__(self, segments: int = MAX_SEGMENTS) -> None:
        self._segments = segments
        self._root: _Node[V] = _Node()
        self._crowds: dict[str, Crowd[V]] = {}
        """By what the patterns spell out before their first wildcard."""
        self._remembered: OrderedDict[str, list[Values[V]]] = OrderedDict()
        """It holds what the patterns hold, not a copy: only a pattern that is new makes it wrong."""
        self._size = 0

    def __len__(self) -> int:
        """Return how many (pattern, value) pairs it holds, patterns as they were given."""
        return self._size

    def add(self, pattern: str, value: V) -> None:
        """Let `value` be found under every topic that `pattern` matches; adding a pair again changes nothing."""
        values = self._grow(canonical(pattern))
        spellings = values.get(value, ())
        if pattern in spellings:
            return
        if not values:
            self._remembered.clear()
        values[value] = (*spellings, pattern)
        self._size += 1

    def remove(self, pattern: str, value: V) -> None:
        """Take a pair back and free what only it needed; a pair that is not there changes nothing."""
        segments = canonical(pattern)
        values = self._find(segments)
        if values is None or pattern not in values.get(value, ()):
            return
        self._size -= 1
        if left := tuple(each for each in values[value] if each != pattern):
            values[value] = left
            return
        del values[value]
        if not values:
            self._cut(segments)

    def match(self, topic: str) -> Iterator[V]:
        """Yield each value once whose pattern matches `topic`."""
        matching = self._remembered.get(topic)
        if matching is not None:
            self._remembered.move_to_end(topic)
        else:
            matching = self._look(topic)
            if len(matching) <= REMEMBERED_PATTERNS:
                self._remembered[topic] = matching
                if len(self._remembered) > REMEMBERED_TOPICS:
                    self._remembered.popitem(last=False)
        found: dict[V, None] = {}
        for values in matching:
            found.update(dict.fromkeys(values))
        return iter(found)

    def _look(self, topic: str) -> list[Values[V]]:
        segments = topic.split(".")
        found = self._in_crowds(topic, segments) if self._crowds else []
        active = [self._root]
        for segment in segments:
            following = []
            for node in active:
                if node.rest:
                    found.append(node.rest)
                if segment in node.children:
                    following.append(node.children[segment])
                if node.star is not None:
                    following.append(node.star)
            if not following:
                return found
            active = following
        for node in active:
            if node.rest:
                found.append(node.rest)
            if node.values:
                found.append(node.values)
        return found

    def _in_crowds(self, topic: str, segments: list[str]) -> list[Values[V]]:
        """Look in each crowd whose beginning `topic` has."""
        found: list[Values[V]] = []
        end = 0
        for done, segment in enumerate(segments):
            crowd = self._crowds.get(topic[:end])
            if crowd is not None:
                found += crowd.match(segments[done:])
            end += len(segment) + (done > 0)
        return found

    def _grow(self, segments: Pattern) -> Values[V]:
        beginning = _crowded(segments)
        if beginning is not None:
            crowd = self._crowds.setdefault(".".join(segments[:beginning]), Crowd(self._segments))
            return crowd.grow(segments[beginning:])
        node = self._root
        for segment in segments:
            if segment == "#":
                return node.rest
            node = node.grow(segment)
        return node.values

    def _find(self, segments: Pattern) -> Values[V] | None:
        beginning = _crowded(segments)
        if beginning is not None:
            crowd = self._crowds.get(".".join(segments[:beginning]))
            return None if crowd is None else crowd.find(segments[beginning:])
        node: _Node[V] | None = self._root
        for segment in segments:
            if node is None or segment == "#":
                break
            node = node.child(segment)
        if node is None:
            return None
        return node.rest if segments[-1] == "#" else node.values

    def _cut(self, segments: Pattern) -> None:
        """Free what `segments`, which has no values any more, needed alone."""
        beginning = _crowded(segments)
        if beginning is not None:
            key = ".".join(segments[:beginning])
            self._crowds[key].cut(segments[beginning:])
            if not len(self._crowds[key]):
                del self._crowds[key]
            return
        walked = segments[:-1] if segments[-1] == "#" else segments
        path = [self._root]
        for segment in walked:
            path.append(path[-1].grow(segment))
        for parent, segment, node in zip(reversed(path[:-1]), reversed(walked), reversed(path[1:]), strict=True):
            if not node.empty:
                return
            parent.cut(segment)


def _crowded(segments: Pattern) -> int | None:
    """Return how many segments a pattern of the crowds spells out before its first wildcard; None for the others."""
    if "#" not in segments[:-1]:
        return None
    return next(place for place, segment in enumerate(segments) if segment in ("*", "#"))
