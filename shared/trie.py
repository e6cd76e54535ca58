"""A trie of patterns: which of many patterns match one topic ◆

It follows all alternatives at once, so the work for a topic is at most its segments times the patterns' nodes,
whatever combination of ``#`` and ``*`` a client thinks of.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from typing import Generic, TypeVar

V = TypeVar("V", bound=Hashable)


class _Node(Generic[V]):
    __slots__ = ("children", "hash", "is_hash", "star", "values")

    def __init__(self, is_hash: bool = False) -> None:
        self.children: dict[str, _Node[V]] = {}
        self.star: _Node[V] | None = None
        self.hash: _Node[V] | None = None
        self.is_hash = is_hash
        self.values: dict[V, None] = {}

    @property
    def empty(self) -> bool:
        return not (self.children or self.star or self.hash or self.values)

    def child(self, segment: str) -> _Node[V] | None:
        if segment == "*":
            return self.star
        return self.hash if segment == "#" else self.children.get(segment)

    def grow(self, segment: str) -> _Node[V]:
        node = self.child(segment)
        if node is not None:
            return node
        node = _Node(is_hash=segment == "#")
        if segment == "*":
            self.star = node
        elif segment == "#":
            self.hash = node
        else:
            self.children[segment] = node
        return node

    def cut(self, segment: str) -> None:
        if segment == "*":
            self.star = None
        elif segment == "#":
            self.hash = None
        else:
            del self.children[segment]


class PatternTrie(Generic[V]):
    """A many-to-many map of patterns to values, asked by topic."""

    __slots__ = ("_root", "_size")

    def __init__(self) -> None:
        self._root: _Node[V] = _Node()
        self._size = 0

    def __len__(self) -> int:
        """Return how many (pattern, value) pairs it holds."""
        return self._size

    def add(self, pattern: str, value: V) -> None:
        """Let `value` be found under every topic that `pattern` matches; adding a pair again changes nothing."""
        node = self._root
        for segment in pattern.split("."):
            node = node.grow(segment)
        self._size += value not in node.values
        node.values[value] = None

    def remove(self, pattern: str, value: V) -> None:
        """Take a pair back and free what only it needed; a pair that is not there changes nothing."""
        path = [self._root]
        segments = pattern.split(".")
        for segment in segments:
            node = path[-1].child(segment)
            if node is None:
                return
            path.append(node)
        if value not in path[-1].values:
            return
        del path[-1].values[value]
        self._size -= 1
        for parent, segment, node in zip(reversed(path[:-1]), reversed(segments), reversed(path[1:]), strict=True):
            if not node.empty:
                return
            parent.cut(segment)

    def match(self, topic: str) -> Iterator[V]:
        """Yield each value once whose pattern matches `topic`."""
        active = _with_hashes([self._root])
        for segment in topic.split("."):
            active = _with_hashes(_step(active, segment))
            if not active:
                return
        found: dict[V, None] = {}
        for node in active:
            found |= node.values
        yield from found


def _step(active: dict[_Node[V], None], segment: str) -> Iterator[_Node[V]]:
    for node in active:
        if node.is_hash:
            yield node
        if (child := node.children.get(segment)) is not None:
            yield child
        if node.star is not None:
            yield node.star


def _with_hashes(nodes: Iterator[_Node[V]] | list[_Node[V]]) -> dict[_Node[V], None]:
    """Add every ``#`` that may stand for nothing here."""
    active: dict[_Node[V], None] = {}
    for node in nodes:
        current: _Node[V] | None = node
        while current is not None and current not in active:
            active[current] = None
            current = current.hash
    return active
