"""From a turn to the deeds that follow from it: the pipeline decides, the store is asked in between."""

from __future__ import annotations

from collections.abc import Sequence

from router import journal
from router.counters import Counters
from router.inquiries import Logs
from router.parking import Parking
from router.pipeline import NOTHING_READ, Pipeline
from router.plan import DeadLetter, Deeds, Plan
from router.rollcall import RollCall
from router.storage import Storage
from shared.bus.port import Received
from shared.clock import wall
from shared.store.port import Admitted


class Decider:
    """See above; counts what was decided."""

    def __init__(
        self, pipeline: Pipeline, storage: Storage, parking: Parking, roll_call: RollCall, counters: Counters
    ) -> None:
        self._pipeline = pipeline
        self._storage = storage
        self._parking = parking
        self._roll_call = roll_call
        self._counters = counters

    async def decide(self, turn: Sequence[Received]) -> Deeds:
        """Decide what follows from `turn`."""
        plan = self._pipeline.plan(turn, wall())
        self._parking.take(plan)
        storage = self._storage
        admissions = await storage.admit(plan.commands)
        since = self._pipeline.since(plan)
        recent = None if since is None else await storage.recent(since)
        logs = await storage.read(self._pipeline.reads(plan, admissions, recent))
        await self._roll_call.take(plan)
        return self.conclude(plan, admissions, logs)

    def conclude(
        self, plan: Plan, admissions: Sequence[Admitted | Exception] = (), logs: Logs = NOTHING_READ
    ) -> Deeds:
        """Decide the rest of a plan, see `Pipeline.conclude`."""
        deeds = self._pipeline.conclude(plan, admissions, logs)
        counters = self._counters
        counters.requests += plan.requests
        counters.events += plan.events - len(deeds.held)
        counters.published += deeds.published
        counters.repeated += plan.repeated
        counters.noticed += plan.noticed
        counters.delivery_batches += len(deeds.deliveries)
        counters.reply_batches += len(deeds.replies)
        counters.parked, counters.parked_refused = len(self._parking), self._parking.turned_away
        if plan.denials:
            counters.denied.update(denial.refusal.code.value for denial in plan.denials)
            journal.denied(plan.denials)
        if plan.dead:
            note_dead(counters, plan.dead)
        if plan.faults:
            note_faults(counters, plan.faults)
        return deeds

    def unparked(self) -> Plan:
        """Decide what waited for the issuer's keys."""
        return self._pipeline.unpark(self._parking.leave(), wall())

    def dismissed(self) -> Plan:
        """Refuse what waits for them still."""
        plan = Plan(wall())
        self._parking.dismiss(plan)
        return plan


def note_dead(counters: Counters, letters: Sequence[DeadLetter]) -> None:
    """Count and tell dead letters."""
    counters.dead.update(letter.reason.value for letter in letters)
    journal.buried(letters)


def note_faults(counters: Counters, faults: Sequence[Exception]) -> None:
    """Count and tell exceptions that nobody expected."""
    counters.faults += len(faults)
    journal.failed(faults)
