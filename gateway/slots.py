"""Which slots this gateway needs, and when it may let go of one ◆

A slot is bound when the first subscriber needs it and kept `linger` seconds after the last one went, so that a client
that comes and goes moves no bindings. A pattern needs every slot: the one binding ``any``.
"""

from __future__ import annotations

from collections import Counter

from shared.bus.topology import ANY_SLOT
from shared.topics import has_wildcard, slot


def slot_key(pattern: str) -> str:
    """Return the routing key by which everything that `pattern` matches arrives."""
    return ANY_SLOT if has_wildcard(pattern) else str(slot(pattern))


class SlotLedger:
    """Counts who needs what. `bound` are the keys that the broker has, or will have when it is back."""

    __slots__ = ("_idle_since", "_linger", "_users", "bound")

    def __init__(self, linger: float) -> None:
        self._users: Counter[str] = Counter()
        self._idle_since: dict[str, float] = {}
        self._linger = linger
        self.bound: set[str] = set()

    def need(self, key: str) -> None:
        """Count one more subscription that needs `key`."""
        self._users[key] += 1
        self._idle_since.pop(key, None)

    def release(self, key: str, now: float) -> None:
        """Count one less."""
        self._users[key] -= 1
        if self._users[key] <= 0:
            del self._users[key]
            self._idle_since[key] = now

    def missing(self) -> list[str]:
        """Return the keys that are needed and not bound."""
        return [key for key in self._users if key not in self.bound]

    def expired(self, now: float) -> list[str]:
        """Return the bound keys that nobody has needed for as long as one lingers."""
        return [key for key, since in self._idle_since.items() if key in self.bound and now - since >= self._linger]

    def forget(self, keys: list[str]) -> None:
        """Note that these are not bound any more."""
        self.bound.difference_update(keys)
        for key in keys:
            self._idle_since.pop(key, None)
