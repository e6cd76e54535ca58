"""The exchanges of the memory broker: which queues a message goes to ◆"""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import blake2b

from shared.bus.topology import Binding, Exchange, ExchangeKind
from shared.trie import PatternTrie

MAX_WORDS = 256
"""In a routing key, which has at most 255 bytes."""


class MemoryExchange:
    """Bindings of one exchange. A target is the name of a queue, or of an exchange with True beside it."""

    def __init__(self, shape: Exchange) -> None:
        self.shape = shape
        self.bindings: dict[Binding, None] = {}
        self._patterns: PatternTrie[tuple[str, bool]] = PatternTrie(MAX_WORDS)
        self._keys: dict[str, dict[tuple[str, bool], None]] = {}
        self._buckets: list[tuple[str, bool]] = []

    def bind(self, binding: Binding) -> None:
        """Add a binding; a second one just like it changes nothing."""
        self.bindings[binding] = None
        self._index()

    def unbind(self, binding: Binding) -> None:
        """Take a binding back; one that is not there changes nothing."""
        if self.bindings.pop(binding, binding) is None:
            self._index()

    def targets(self, key: str) -> Iterable[tuple[str, bool]]:
        """Yield the targets of a message with this routing key, each once."""
        kind = self.shape.kind
        if kind is ExchangeKind.TOPIC:
            return self._patterns.match(key)
        if kind is ExchangeKind.MODULUS_HASH:
            if not self._buckets:
                return ()
            digest = int.from_bytes(blake2b(key.encode(), digest_size=4).digest(), "big")
            return (self._buckets[digest % len(self._buckets)],)
        return self._keys.get("" if kind is ExchangeKind.FANOUT else key, ())

    def _index(self) -> None:
        # Made anew at each change: bindings are few, and change rarely against the messages that ask for them.
        self._patterns, self._keys, self._buckets = PatternTrie(MAX_WORDS), {}, []
        for binding in self.bindings:
            target = (binding.destination, binding.to_exchange)
            match self.shape.kind:
                case ExchangeKind.TOPIC:
                    self._patterns.add(binding.key, target)
                case ExchangeKind.MODULUS_HASH:
                    self._buckets.append(target)
                case ExchangeKind.FANOUT:
                    self._keys.setdefault("", {})[target] = None
                case ExchangeKind.DIRECT:
                    self._keys.setdefault(binding.key, {})[target] = None


class Routes:
    """All exchanges, and the way through them."""

    def __init__(self) -> None:
        self.exchanges: dict[str, MemoryExchange] = {}

    def queues(self, exchange: str, keys: Iterable[str]) -> dict[str, None]:
        """Return the names of the queues, each once, that a message with these routing keys reaches."""
        found: dict[str, None] = {}
        seen = set()
        todo = [(exchange, key) for key in keys]
        while todo:
            step = todo.pop()
            if step in seen:
                continue
            seen.add(step)
            name, key = step
            for target, is_exchange in self.exchanges[name].targets(key):
                if is_exchange:
                    todo.append((target, key))
                else:
                    found[target] = None
        return found

    def forget_queue(self, queue: str) -> None:
        """Drop every binding to a queue that is no more."""
        for exchange in self.exchanges.values():
            for binding in [each for each in exchange.bindings if each.destination == queue]:
                if not binding.to_exchange:
                    exchange.unbind(binding)
