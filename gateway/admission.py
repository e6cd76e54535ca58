"""How many connections there may be: in all, unauthenticated, from one address, of one user ◆

A connection is counted from its handshake to its end, first as unauthenticated, then as its user's. Names are kept only
while they have connections, so all of this is bounded by the number of connections in all.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from gateway.addresses import counted_as


@dataclass(frozen=True, slots=True)
class AdmissionLimits:
    """The most connections at a time, of each kind."""

    connections: int
    unauthenticated: int
    per_address: int
    per_user: int


class Verdict(Enum):
    """Whether a connection may come in; the value is for people."""

    ADMITTED = "admitted"
    FULL = "this gateway has as many connections as it may have"
    CROWDED = "too many connections have not authenticated yet"
    ADDRESS = "too many connections from this address"


class Admission:
    """Counts connections. Each that was `ADMITTED` has to `leave` exactly once."""

    def __init__(self, limits: AdmissionLimits) -> None:
        self._limits = limits
        self._addresses: dict[str, int] = {}
        self._users: dict[str, int] = {}
        self.connections = 0
        """All that were admitted and have not left."""
        self.unauthenticated = 0
        """Of these, the ones that were not identified."""

    def enter(self, address: str) -> Verdict:
        """Let a connection from `address` in, and count it, or say why not."""
        if self.connections >= self._limits.connections:
            return Verdict.FULL
        name = counted_as(address)
        before = self._addresses.get(name, 0)
        if before >= self._limits.per_address:
            return Verdict.ADDRESS
        if self.unauthenticated >= self._limits.unauthenticated:
            return Verdict.CROWDED
        self._addresses[name] = before + 1
        self.connections += 1
        self.unauthenticated += 1
        return Verdict.ADMITTED

    def identify(self, user: str) -> bool:
        """Count an unauthenticated connection as one of `user` from now on, or say that these are too many."""
        before = self._users.get(user, 0)
        if before >= self._limits.per_user:
            return False
        self._users[user] = before + 1
        self.unauthenticated -= 1
        return True

    def leave(self, address: str, user: str | None) -> None:
        """Count a connection no longer; `user` is None where it was not identified."""
        _take_one(self._addresses, counted_as(address))
        self.connections -= 1
        if user is None:
            self.unauthenticated -= 1
        else:
            _take_one(self._users, user)


def _take_one(counts: dict[str, int], name: str) -> None:
    left = counts[name] - 1
    if left:
        counts[name] = left
    else:
        del counts[name]
