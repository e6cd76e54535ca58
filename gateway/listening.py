"""Since when topics are heard here through patterns ◆

A topic that somebody subscribes to by name has a beginning that a router told. One that is heard through patterns alone
has none: what counts is when the first of them began to listen. Times are seconds, monotonic.
"""

from __future__ import annotations

from shared.topics import has_wildcard
from shared.trie import PatternTrie


class Listening:
    """The patterns of all sessions, live or about to be; bounded as their subscriptions are."""

    def __init__(self) -> None:
        self._trie: PatternTrie[str] = PatternTrie()
        self._since: dict[str, float] = {}
        self._count: dict[str, int] = {}

    def __contains__(self, pattern: str) -> bool:
        return pattern in self._count

    def add(self, pattern: str, now: float) -> None:
        """Note that one subscription more listens to `pattern`; a topic changes nothing."""
        if not has_wildcard(pattern):
            return
        if pattern not in self._count:
            self._trie.add(pattern, pattern)
            self._since[pattern] = now
        self._count[pattern] = self._count.get(pattern, 0) + 1

    def remove(self, pattern: str) -> None:
        """Note that one subscription less does, of those that were added."""
        if not has_wildcard(pattern):
            return
        self._count[pattern] -= 1
        if not self._count[pattern]:
            del self._count[pattern], self._since[pattern]
            self._trie.remove(pattern, pattern)

    def since(self, topic: str) -> float | None:
        """Return since when somebody hears `topic` through a pattern, None where nobody does."""
        return min((self._since[pattern] for pattern in self._trie.match(topic)), default=None)

    def count(self, topic: str) -> int:
        """Return how many subscriptions to patterns hear `topic`."""
        return sum(self._count[pattern] for pattern in self._trie.match(topic))

    def patterns(self) -> dict[str, float]:
        """Return all that is listened to, each with the time since which it is."""
        return dict(self._since)
