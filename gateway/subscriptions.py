"""Who hears a topic ◆"""

from __future__ import annotations

from collections.abc import Collection, Hashable
from typing import Generic, TypeVar

from shared.topics import has_wildcard
from shared.trie import PatternTrie

S = TypeVar("S", bound=Hashable)


class Subscriptions(Generic[S]):
    """The subscribers of topics and of patterns.

    Its size is bounded by what may subscribe: the connections of a gateway times the subscriptions of each.
    """

    __slots__ = ("_exact", "_patterns", "_size")

    def __init__(self) -> None:
        self._exact: dict[str, dict[S, None]] = {}
        self._patterns: PatternTrie[S] = PatternTrie()

    def __len__(self) -> int:
        """Return how many topics and (pattern, subscriber) pairs there are; 0 where nobody hears anything."""
        return len(self._exact) + len(self._patterns)

    def add(self, pattern: str, subscriber: S) -> None:
        """Let `subscriber` hear every topic that `pattern` matches."""
        if has_wildcard(pattern):
            self._patterns.add(pattern, subscriber)
        else:
            self._exact.setdefault(pattern, {})[subscriber] = None

    def remove(self, pattern: str, subscriber: S) -> None:
        """Take that back; what was not there changes nothing."""
        if has_wildcard(pattern):
            self._patterns.remove(pattern, subscriber)
            return
        subscribers = self._exact.get(pattern)
        if subscribers is not None:
            subscribers.pop(subscriber, None)
            if not subscribers:
                del self._exact[pattern]

    @property
    def named(self) -> int:
        """Return how many topics somebody subscribes to by name."""
        return len(self._exact)

    def is_named(self, topic: str) -> bool:
        """Say whether somebody subscribes to `topic` by its name."""
        return topic in self._exact

    def of(self, topic: str) -> Collection[S]:
        """Return each subscriber of `topic` once, however many of its subscriptions match.

        What is returned is only good until the next `add` or `remove`.
        """
        exact = self._exact.get(topic)
        if not len(self._patterns):
            return exact or ()
        found = dict.fromkeys(self._patterns.match(topic))
        return found if exact is None else exact | found
