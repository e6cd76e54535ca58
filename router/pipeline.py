"""Decides what becomes of everything that comes, in two halves around one call to the store ◆

::

    received ── plan ──► Plan ── its commands ──► store ── admissions ──► conclude ──► Deeds

Both halves only decide; `router.intake` asks the store in between and does the deeds. Whatever is wrong with one item
is that item's affair: a client gets an answer, a back end's event becomes a dead letter, and the neighbours go on.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from router.events import Events
from router.plan import Asker, Deeds, Parked, Plan, Publication
from router.reading import read_batch
from router.refusals import DeadReason, Refusal, Unprocessable, internal, too_fast
from router.requests import Requests
from router.routing import Deliveries, replies_to
from shared.bus.port import Received
from shared.bus.topology import EVENTS, FRAMES
from shared.envelopes import AnyRequest, Published
from shared.store.port import Admitted


class Pipeline:
    """The way of every message through a router."""

    def __init__(self, requests: Requests, events: Events) -> None:
        self._requests = requests
        self._events = events

    def plan(self, batch: Iterable[Received], now: float) -> Plan:
        """Decide all that can be decided without the store. `now` is seconds since 1970."""
        plan = Plan(now)
        for received in batch:
            try:
                self._plan_one(plan, received)
            except Unprocessable as why:
                plan.bury(received, why)
            except Exception as fault:
                plan.faults.append(fault)
                plan.bury(received, _failed_on("this message"))
        return plan

    def conclude(self, plan: Plan, admissions: Sequence[Admitted | Exception]) -> Deeds:
        """Decide the rest, now that the store has said of each publication whether it admits it, or failed on it."""
        deliveries = Deliveries()
        for publication, admitted in zip(plan.publications, admissions, strict=True):
            try:
                self._conclude_one(plan, deliveries, publication, admitted)
            except Exception as fault:
                self._give_up(plan, publication, fault)
        replies = [out for gateway, several in plan.replies.items() for out in replies_to(gateway, several)]
        return Deeds(deliveries.finish(), replies, plan.dead, deliveries.entries)

    def unpark(self, waiting: Iterable[Parked], now: float) -> Plan:
        """Decide what had to wait for the issuer's keys; whatever these are by now, nothing waits a second time."""
        plan = Plan(now)
        for parked in waiting:
            asker = Asker(parked.asker.gateway, parked.asker.grants, waited=True)
            self._plan_request(plan, asker, parked.request)
        return plan

    def _plan_one(self, plan: Plan, received: Received) -> None:
        if received.exchange == FRAMES:
            self._plan_frames(plan, received)
        elif received.exchange == EVENTS:
            plan.events += 1
            plan.publications.append(self._events.decide(received, plan.now))
        else:
            detail = f"it came through exchange {received.exchange!r}, and not through {EVENTS} or {FRAMES}"
            raise Unprocessable(DeadReason.UNKNOWN_ORIGIN, detail)

    def _plan_frames(self, plan: Plan, received: Received) -> None:
        batch = read_batch(received.body)
        plan.requests += len(batch.requests)
        for request in batch.requests:
            self._plan_request(plan, batch.asker, request)
        for item in batch.unreadable:
            why = Unprocessable(DeadReason.UNREADABLE_REQUEST, "a request in the batch cannot be read")
            plan.bury(received, why, item)

    def _plan_request(self, plan: Plan, asker: Asker, request: AnyRequest) -> None:
        try:
            outcome = self._requests.decide(request, asker, plan.now)
        except Refusal as refusal:
            plan.refuse(asker, request, refusal)
        except Exception as fault:
            plan.faults.append(fault)
            plan.refuse(asker, request, internal())
        else:
            match outcome:
                case Publication():
                    plan.publications.append(outcome)
                case Parked():
                    plan.parked.append(outcome)
                case reply:
                    plan.answer(asker, reply)

    def _conclude_one(
        self, plan: Plan, deliveries: Deliveries, publication: Publication, admitted: Admitted | Exception
    ) -> None:
        if isinstance(admitted, Exception):
            raise admitted
        asker = publication.asker
        if admitted.retry_after:
            assert asker is not None, "events are not limited"
            plan.refuse(asker, publication, too_fast(admitted))
            return
        deliveries.add(publication.entry)
        if asker is not None:
            plan.answer(asker, Published(publication.session, publication.id))

    def _give_up(self, plan: Plan, publication: Publication, fault: Exception) -> None:
        plan.faults.append(fault)
        if publication.asker is not None:
            plan.refuse(publication.asker, publication, internal())
        elif publication.origin is not None:
            plan.bury(publication.origin, _failed_on("this event"))


def _failed_on(what: str) -> Unprocessable:
    return Unprocessable(DeadReason.INTERNAL, f"the router failed on {what}; its log says how")
