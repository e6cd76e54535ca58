"""Requests on their way, by the number their answer will carry ◆"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from .errors import ProtocolError


@dataclass(frozen=True, slots=True)
class Publishing:
    """A publish that the outbox keeps; `request` is the caller's name for it."""

    request: int


@dataclass(frozen=True, slots=True)
class Reading:
    """A read of a topic's history that the outbox keeps; `request` is the caller's name for it."""

    request: int


@dataclass(frozen=True, slots=True)
class CatchingUp:
    """A read of a topic's history for a subscriber that joined a subscription which was there before."""

    subscriber: int


@dataclass(frozen=True, slots=True)
class Subscribing:
    """A subscribe to this topic or pattern."""

    pattern: str


@dataclass(frozen=True, slots=True)
class Refreshing:
    """A new token."""


Pending: TypeAlias = Publishing | Reading | CatchingUp | Subscribing | Refreshing


class Requests:
    """Numbers requests and remembers them until they are answered, overdue or dropped.

    Bounded by its users: publishes and reads keep to `max_in_flight`; there is one subscribe per subscription, one
    `CatchingUp` per subscriber, and one refresh.
    """

    def __init__(self) -> None:
        self._pending: dict[int, tuple[Pending, float]] = {}
        self._number = 0
        self._earliest: float | None = None

    def __len__(self) -> int:
        return len(self._pending)

    def number(self) -> int:
        """Return a fresh number, for a request whose answer does not matter."""
        self._number += 1
        return self._number

    def add(self, pending: Pending, by: float) -> int:
        """Remember a request whose answer is due `by` a time; return its number."""
        number = self.number()
        self._pending[number] = (pending, by)
        self._earliest = by if self._earliest is None else min(self._earliest, by)
        return number

    def take(self, number: object, *kinds: type[Pending]) -> Pending | None:
        """Return the request that an answer belongs to, once; None when nobody waits for it any more.

        Raises `ProtocolError` when the request is of none of the `kinds` that this answer can be for.
        """
        if not isinstance(number, int) or number not in self._pending:
            return None
        pending = self._pending[number][0]
        if not isinstance(pending, kinds):
            raise ProtocolError(f"The gateway answered request {number} with an answer of another kind.")
        del self._pending[number]
        return pending

    def drop(self, unwanted: Pending) -> None:
        """Forget a request; its answer will be ignored."""
        for number, (pending, _) in self._pending.items():
            if pending == unwanted:
                del self._pending[number]
                return

    def forget(self, number: int) -> None:
        """Forget a request by its number; its answer will be ignored."""
        self._pending.pop(number, None)

    @property
    def earliest(self) -> float | None:
        """The time by which something may be overdue; never later than the true one."""
        # Not lowered when a request is answered: one idle look at that time is cheaper than a search per answer.
        return self._earliest

    def overdue(self, now: float) -> list[Pending]:
        """Remove and return what should have been answered."""
        if self._earliest is None or self._earliest > now:
            return []
        late = [number for number, (_, by) in self._pending.items() if by <= now]
        taken = [self._pending.pop(number)[0] for number in late]
        self._earliest = min((by for _, by in self._pending.values()), default=None)
        return taken

    def clear(self) -> None:
        """Forget everything: the connection is gone, no answer will come."""
        self._pending.clear()
        self._earliest = None
