"""The port to the store: what must be remembered between two messages, by whichever router handles the next.

A router brings all of a batch's commands at once, so that a store over the network costs one round trip a batch.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Limit:
    """A rate: `rate` a second, `burst` at once, for everything that shares `key`.

    The key is a tuple, never a string put together: `("user", "a.b")` and `("user.a", "b")` stay apart.
    """

    key: tuple[str | int, ...]
    rate: float
    burst: int


@dataclass(frozen=True, slots=True)
class Admit:
    """Let one more through, if every limit allows it; one that refuses leaves the others unspent."""

    limits: tuple[Limit, ...]


@dataclass(frozen=True, slots=True)
class Admitted:
    """The outcome of an `Admit`: `retry_after` is 0 where it was let through, else seconds until it would be."""

    retry_after: float
    refused_by: Limit | None = None


class Store(Protocol):
    """What routers share."""

    async def execute(self, commands: Sequence[Admit], now: float) -> Sequence[Admitted]:
        """Carry out a batch of commands in their order, at the time `now` (seconds, monotonic).

        A store with a clock of its own goes by that one, for all routers alike.
        Raises `shared.errors.PenstockError` where the store cannot be reached; then no command was carried out.
        """

    async def close(self) -> None:
        """Let go of the store."""
