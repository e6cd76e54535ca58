"""Asks the store who is where, and is lenient with gateways that could not say that they live.

A lease also runs out when the broker or the store was away, or no router was there: that is nobody's death. So for a
while after each of these, leases that have run out count all the same, and gateways find the time to renew them.
"""

from __future__ import annotations

from collections.abc import Iterable

from router.plan import Plan
from router.presence import roll_of
from router.storage import Storage
from shared.attending import SessionsRequest
from shared.bus.port import Bus, BusState
from shared.clock import monotonic
from shared.store.roll import Attendance, Roll, connected, together

LENIENCY = 0.25
"""For which part of a lease's time leases that have run out count, after a time without service."""


class RollCall:
    """See above. `lease` is the seconds for which a gateway that says nothing counts as alive."""

    def __init__(self, storage: Storage, bus: Bus, lease: float) -> None:
        self._storage = storage
        self._lease = lease
        self._since = monotonic()
        bus.watch(self._follow)

    async def take(self, plan: Plan) -> None:
        """Have all that a plan asks about presence answered; nothing is where the store is away."""
        if not plan.attending:
            return
        plan.lease = self._lease
        roll = roll_of(plan.attending, self._lease, spare=self._is_lenient())
        called = await self._storage.call(roll)
        wanted = dict.fromkeys(
            each.request.user for each in plan.attending if isinstance(each.request, SessionsRequest)
        )  # fmt: skip
        if called is not None:
            for user in wanted:
                found = await self._connected(called.alive, user)
                if found is None:
                    return
                plan.connected[user] = found
        plan.called = called

    async def _connected(self, gateways: Iterable[str], user: str | None) -> Attendance | None:
        called = await self._storage.call(
            Roll(self._lease, commands=connected(gateways, user), spare=self._is_lenient())
        )
        return None if called is None else together(called.attendances)

    def _is_lenient(self) -> bool:
        return monotonic() < max(self._since, self._storage.back_at) + LENIENCY * self._lease

    def _follow(self, state: BusState, cause: str) -> None:
        if state is BusState.READY:
            self._since = monotonic()
