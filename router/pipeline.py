"""Decides what becomes of everything that comes, in two halves around what the store is asked ◆

::

    received ── plan ──► Plan ── its commands ──► store ── admissions ──► reads ──► store ── logs ──► conclude ──► Deeds

All parts only decide; `router.intake` asks the store in between and does the deeds. Whatever is wrong with one item
is that item's affair: a client gets an answer, a back end's event becomes a dead letter, and the neighbours go on.

Logs are read after what comes is appended, so what an answer says of a log is true of all that is delivered before it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from router.events import Events
from router.history import entry_at, first_of, in_order
from router.inquiries import Inquiries, Logs
from router.plan import Asker, Attending, Deeds, Inquiry, Parked, Plan, Publication, Recent
from router.presence import conclude as conclude_presence
from router.reading import read_batch
from router.refusals import DeadReason, Refusal, Unprocessable, failed_on, internal, store_away, store_unsure, too_fast
from router.requests import Requests
from router.routing import Deliveries, replies_to
from shared.bus.port import Received
from shared.bus.topology import EVENTS, FRAMES
from shared.envelopes import AnyRequest, Entry, Published
from shared.errors import StoreAway, StoreUnsure
from shared.store.port import Admitted, Position, Read

NOTHING_READ: Logs = {}


class Pipeline:
    """The way of every message through a router."""

    def __init__(self, requests: Requests, events: Events, inquiries: Inquiries) -> None:
        self._requests = requests
        self._events = events
        self._inquiries = inquiries

    def waits_for_store(self, received: Received) -> bool:
        """Say whether nothing can come of a message while the store is away; its payload is not looked at."""
        return received.exchange == EVENTS and self._events.waits_for_store(received)

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
                plan.bury(received, failed_on("this message"))
        return plan

    def spans(self, plan: Plan) -> Sequence[float]:
        """Return for how many seconds back the plan needs to know which logs grew: none, one or two such times."""
        return self._inquiries.spans(plan.inquiries)

    def reads(
        self, plan: Plan, admissions: Sequence[Admitted | Exception], recents: Sequence[Recent | None]
    ) -> Sequence[Read]:
        """Return what the plan needs to read; `recents` has for each of the `spans` which logs grew, None: unknown."""
        reads = self._inquiries.reads(plan.inquiries, recents)
        for publication, admitted in zip(plan.publications, admissions, strict=True):
            if isinstance(admitted, Admitted) and admitted.repeated and admitted.position is not None:
                reads[first_of(publication.entry.topic, admitted.position)] = None
        return list(reads)

    def conclude(self, plan: Plan, admissions: Sequence[Admitted | Exception], logs: Logs = NOTHING_READ) -> Deeds:
        """Decide the rest, now that the store has said of each publication whether it admits it, or failed on it.

        `logs` is what was read; what could not be is not in it. A publication whose admission is `StoreAway` is refused
        to a client, and held where it is an event: nobody could tell its publisher. A client is told whether it may be
        in its log all the same.
        """
        entries: list[Entry] = []
        unread = _unread(plan, admissions, logs)
        for publication, admitted in zip(plan.publications, admissions, strict=True):
            if publication.origin is not None and publication.entry.topic in unread:
                publication.origin.redelivered = True
                self._hold(plan, publication, unsure=True)
                continue
            try:
                self._conclude_one(plan, entries, publication, admitted, logs)
            except Exception as fault:
                self._give_up(plan, publication, fault)
        for inquiry in plan.inquiries:
            self._conclude_inquiry(plan, inquiry, logs)
        notices = conclude_presence(plan)
        deliveries = Deliveries()
        for entry in in_order(entries) if plan.repeated else entries:
            deliveries.add(entry)
        replies = [out for gateway, several in plan.replies.items() for out in replies_to(gateway, several)]
        return Deeds([*deliveries.finish(), *notices], replies, plan.dead, plan.held, deliveries.entries)

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
        batch.asker.again = received.redelivered
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
                case Inquiry():
                    plan.inquiries.append(outcome)
                case Attending():
                    plan.attending.append(outcome)
                case Parked():
                    plan.parked.append(outcome)
                case reply:
                    plan.answer(asker, reply)

    def _conclude_one(
        self,
        plan: Plan,
        entries: list[Entry],
        publication: Publication,
        admitted: Admitted | Exception,
        logs: Logs,
    ) -> None:
        if isinstance(admitted, Exception):
            if not isinstance(admitted, StoreAway):
                raise admitted
            if isinstance(admitted, StoreUnsure) and publication.origin is not None:
                publication.origin.redelivered = True  # it may stand in its log when it is held no longer
            self._hold(plan, publication, unsure=isinstance(admitted, StoreUnsure))
            return
        asker, entry, position = publication.asker, publication.entry, admitted.position
        if admitted.retry_after:
            assert asker is not None, "events are not limited"
            plan.refuse(asker, publication, too_fast(admitted))
            return
        if position is None:
            entries.append(entry)
        elif admitted.repeated:
            if not self._repeat(plan, entries, entry.topic, position, logs):
                self._hold(plan, publication, unsure=True)
                return
        else:
            entry.epoch, entry.offset = position
            entries.append(entry)
        if asker is not None:
            plan.answer(asker, Published(publication.session, publication.id, *(position or ())))

    def _repeat(self, plan: Plan, entries: list[Entry], topic: str, position: Position, logs: Logs) -> bool:
        """Deliver again what stands at `position`; return False where it could not be read.

        It may have been appended by a router that died before it delivered it, or by a store that could not tell us so.
        A gateway that has it drops it, by its offset; one that lacks it gets what all others got, which is not
        necessarily what came now: a client can give a key of its own to something else. What was kept no longer nobody
        gets, but whoever asked is told that it was published, as it was.
        """
        log = logs.get(first_of(topic, position))
        if log is None:
            return False
        plan.repeated += 1
        first = entry_at(position, log)
        if first is not None:
            entries.append(first)
        return True

    def _hold(self, plan: Plan, publication: Publication, *, unsure: bool) -> None:
        if publication.asker is not None:
            plan.refuse(publication.asker, publication, store_unsure() if unsure else store_away())
        elif publication.origin is not None:
            plan.held.append(publication.origin)

    def _conclude_inquiry(self, plan: Plan, inquiry: Inquiry, logs: Logs) -> None:
        try:
            reply = self._inquiries.answer(inquiry, logs)
        except Refusal as refusal:
            plan.refuse(inquiry.asker, inquiry.request, refusal)
        except Exception as fault:
            plan.faults.append(fault)
            plan.refuse(inquiry.asker, inquiry.request, internal())
        else:
            if reply is None:
                plan.refuse(inquiry.asker, inquiry.request, store_away())
            else:
                plan.answer(inquiry.asker, reply)

    def _give_up(self, plan: Plan, publication: Publication, fault: Exception) -> None:
        plan.faults.append(fault)
        if publication.asker is not None:
            plan.refuse(publication.asker, publication, internal())
        elif publication.origin is not None:
            plan.bury(publication.origin, failed_on("this event"))


def _unread(plan: Plan, admissions: Sequence[Admitted | Exception], logs: Logs) -> set[str]:
    """Return the topics of events that stand in their logs and could not be read there.

    All their events are held: what is new would stay among what may come again, and be taken for what is held.
    """
    return {
        publication.entry.topic
        for publication, admitted in zip(plan.publications, admissions, strict=True)
        if publication.origin is not None
        and isinstance(admitted, Admitted)
        and admitted.repeated
        and admitted.position is not None
        and first_of(publication.entry.topic, admitted.position) not in logs
    }
