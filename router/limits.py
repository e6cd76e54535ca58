"""Which rates a publish must keep: those of its connection, of its user, and of its user on its topic ◆"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from router.rules import Rule
from shared.store.port import Admit, Limit

CACHED_COMMANDS = 16_384
"""Commands that are kept for the next publish of the same connection on the same topic."""

UNLIMITED = Admit(())
"""What a back end's event needs: its rate is bounded by its partition's queue."""


@dataclass(frozen=True, slots=True)
class Rate:
    """So many a second, so many at once."""

    rate: float
    burst: int


class Limits:
    """Makes the store's commands."""

    def __init__(self, connection: Rate, user: Rate) -> None:
        self._connection = connection
        self._user = user
        self.of = lru_cache(maxsize=CACHED_COMMANDS)(self._of)
        """Return the command that lets one publish through."""

    def _of(self, gateway: str, session: int, user: str, topic: str, rule: Rule) -> Admit:
        connection, user_at_all = self._connection, self._user
        return Admit(
            (
                Limit(("connection", gateway, session), connection.rate, connection.burst),
                Limit(("user", user), user_at_all.rate, user_at_all.burst),
                Limit(("topic", user, topic), rule.rate, rule.burst),
            )
        )
