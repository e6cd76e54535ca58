"""The messages that wait for their confirms, in the order in which they were sent ◆"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Generic, Protocol, TypeVar


class Waiting(Protocol):
    """Something that waits for a confirm, until `deadline` (seconds, monotonic)."""

    deadline: float


W = TypeVar("W", bound=Waiting)


class Unconfirmed(Generic[W]):
    """Numbers what is sent on one channel as the broker does: 1, 2, 3 … (`confirm.select` starts the count).

    Deadlines never go down from one item to the next, so the first that waits is the first that expires.
    """

    __slots__ = ("_first", "_last", "_waiting")

    def __init__(self) -> None:
        self._waiting: dict[int, W] = {}
        self._first = 1
        """No smaller number waits. Looking for the first in the dict itself would pass all that was there before it."""
        self._last = 0

    def __len__(self) -> int:
        """Return how many wait."""
        return len(self._waiting)

    def __iter__(self) -> Iterator[W]:
        """Yield what waits, in order."""
        return iter(self._waiting.values())

    def add(self, item: W) -> None:
        """Let `item`, which is being sent now, wait."""
        self._last += 1
        self._waiting[self._last] = item

    def confirm(self, number: int, *, multiple: bool) -> list[W]:
        """Take out what the broker confirmed: `number`, and with `multiple` all before it."""
        if not multiple:
            item = self._waiting.pop(number, None)
            self._advance()
            return [] if item is None else [item]
        items = [self._waiting.pop(each) for each in range(self._first, number + 1) if each in self._waiting]
        self._advance()
        return items

    def expire(self, now: float) -> list[W]:
        """Take out what has waited too long."""
        items: list[W] = []
        while (item := self._waiting.get(self._first)) is not None and item.deadline <= now:
            items.append(self._waiting.pop(self._first))
            self._advance()
        return items

    def first(self) -> W | None:
        """Return what has waited longest."""
        return self._waiting.get(self._first)

    def clear(self) -> list[W]:
        """Take out everything, and count from 1 again."""
        items = list(self._waiting.values())
        self._waiting = {}
        self._first, self._last = 1, 0
        return items

    def _advance(self) -> None:
        while self._first not in self._waiting and self._first <= self._last:
            self._first += 1
