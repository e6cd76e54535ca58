"""How many connections each address has, of those that nobody vouches for ◆"""

from __future__ import annotations

from gateway.addresses import counted_as


class Callers:
    """Counts connections: at most `most` from one address (IPv6: from one /64).

    Addresses are kept only while they have connections.
    """

    __slots__ = ("_counts", "_most")

    def __init__(self, most: int) -> None:
        self._most = most
        self._counts: dict[str, int] = {}

    def __len__(self) -> int:
        return len(self._counts)

    def enter(self, address: str) -> bool:
        """Count one more from `address`, or say that these are too many; each that is counted has to `leave` once."""
        name = counted_as(address)
        before = self._counts.get(name, 0)
        if before >= self._most:
            return False
        self._counts[name] = before + 1
        return True

    def leave(self, address: str) -> None:
        """Count one less."""
        name = counted_as(address)
        left = self._counts[name] - 1
        if left:
            self._counts[name] = left
        else:
            del self._counts[name]
