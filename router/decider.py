"""From a turn to the deeds that follow from it: the pipeline decides, the store is asked in between."""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import Sequence

from router import journal
from router.counters import Counters
from router.inquiries import Logs
from router.parking import Parking
from router.pipeline import NOTHING_READ, Pipeline
from router.plan import DeadLetter, Deeds, Plan
from router.proof import PATIENCE, Proof
from router.rollcall import RollCall
from router.storage import Storage
from router.tenure import Tenure
from shared.bus.port import Intake as Consumption
from shared.bus.port import Received
from shared.clock import wall
from shared.errors import StoreUnsure
from shared.store.port import MAX_TO_COME, Admitted, Turn

LEAVE_PATIENCE = 0.5
"""Seconds for which the broker's word is waited for where nothing else is to be done."""

SETTLED_AFTER = 0.05
"""Seconds without a turn after which the store is told that the last one is acknowledged; else the next one says it."""


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
        self._tenure = Tenure()
        self._turn = self._tenure.turn()
        self._unsettled = False
        """Whether the store knows events by this turn until that is acknowledged."""
        self._ended: Turn | None = None
        """The last turn of a tenure that ended, until the store has heard that those before it are acknowledged."""
        self._proof = Proof(lambda fault: note_faults(counters, [fault]))
        self._unproven: Counter[str] = Counter()
        """How many entries without an id this turn gave to each topic."""

    def come_anew(self) -> None:
        """Know that of what is in hand some may be done already: what comes again is looked for in its log."""
        if self._ended is None and self._turn.number > 1:  # else the store was asked nothing since, or knows it
            self._ended = self._turn
        self._tenure.end()
        self._begin_turn()

    def acknowledged(self, last: Received, consumption: Consumption) -> None:
        """Know that all up to `last` is acknowledged; find out whether the broker knows it, where that matters."""
        if not self._unsettled:
            return
        self._proof.need(last, consumption)

    async def proven(self, within: float = PATIENCE) -> None:
        """Wait until the broker has the acknowledgements that were given, or may lack some of them for good.

        Where it has not said so `within` so many seconds, what is decided next belongs to the same turn: nothing is
        forgotten before.
        """
        match await self._proof.wait(within):
            case True:
                self._begin_turn()
            case False:
                self.come_anew()

    async def settle(self, wake: asyncio.Event) -> None:
        """Have the store forget by what it would know the events of the last turn, unless there is work before that."""
        if not self._unsettled:
            return
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(SETTLED_AFTER):
                await wake.wait()
        if not wake.is_set():
            await self.leave()

    async def leave(self) -> None:
        """Have the store know what is acknowledged: who comes next must not take anything for that."""
        await self.proven(LEAVE_PATIENCE)
        if await self._tell() and self._turn.number > 1:
            await self._storage.begin_turn(self._turn)

    async def _tell(self) -> bool:
        """Tell the store of a tenure that ended, before it knows the events of the next; return whether it knows."""
        if self._ended is not None and await self._storage.begin_turn(self._ended):
            self._ended = None
        return self._ended is None

    def _begin_turn(self) -> None:
        self._turn = self._tenure.turn()
        self._unsettled = False
        self._unproven.clear()
        self._proof.drop()

    async def decide(self, turn: Sequence[Received]) -> Deeds:
        """Decide what follows from `turn`."""
        plan = self._pipeline.plan(turn, wall())
        self._parking.take(plan)
        storage = self._storage
        await self._tell()
        admissions = await storage.admit(plan.commands, self._turn)
        recents = [await storage.recent(span) for span in self._pipeline.spans(plan)]
        logs = await storage.read(self._pipeline.reads(plan, admissions, recents))
        await self._roll_call.take(plan)
        deeds = self.conclude(plan, admissions, logs)
        if deeds.held and any(map(_may_stand, admissions)):
            self.come_anew()
        else:
            for command, admitted in zip(plan.commands, admissions, strict=True):
                if (append := command.append) is not None and append.digest is not None:
                    self._note_unkeyed(append.topic, admitted)
        return deeds

    def _note_unkeyed(self, topic: str, admitted: Admitted | Exception) -> None:
        self._unsettled = True
        if isinstance(admitted, Exception) or admitted.position is None:
            return
        self._unproven[topic] += 1
        self._counters.unkeyed_forgotten += self._unproven[topic] > MAX_TO_COME

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


def _may_stand(admitted: Admitted | Exception) -> bool:
    """Say whether what is held after this outcome may stand in its log already."""
    return isinstance(admitted, StoreUnsure) or (isinstance(admitted, Admitted) and admitted.repeated)


def note_dead(counters: Counters, letters: Sequence[DeadLetter]) -> None:
    """Count and tell dead letters."""
    counters.dead.update(letter.reason.value for letter in letters)
    journal.buried(letters)


def note_faults(counters: Counters, faults: Sequence[Exception]) -> None:
    """Count and tell exceptions that nobody expected."""
    counters.faults += len(faults)
    journal.failed(faults)
