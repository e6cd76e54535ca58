"""Requests that wait for the issuer's keys, while the batches that brought them are long acknowledged ◆

A router that dies takes them along; their gateway then answers ``timeout`` by itself, as it does for any lost request.
"""

from __future__ import annotations

from router.plan import Parked, Plan
from router.refusals import no_keys

RETRY_AFTER = 1.0
"""Seconds after which those may try again for whom there is no room."""


class Parking:
    """Room for `places` requests."""

    def __init__(self, places: int) -> None:
        self.turned_away = 0
        self._places = places
        self._waiting: list[Parked] = []

    def __len__(self) -> int:
        """Return how many wait."""
        return len(self._waiting)

    def take(self, plan: Plan) -> None:
        """Let the plan's parked requests wait here; refuse those for whom there is no place."""
        room = self._places - len(self._waiting)
        self._waiting += plan.parked[:room]
        self.turned_away += len(plan.parked[room:])
        _refuse(plan, plan.parked[room:])
        plan.parked.clear()

    def leave(self) -> list[Parked]:
        """Return all who waited; they do so no more."""
        left, self._waiting = self._waiting, []
        return left

    def dismiss(self, plan: Plan) -> None:
        """Have all who wait refused."""
        _refuse(plan, self.leave())


def _refuse(plan: Plan, several: list[Parked]) -> None:
    for parked in several:
        plan.refuse(parked.asker, parked.request, no_keys(RETRY_AFTER))
