"""Takes what the bus brings, turn by turn, and does what the pipeline decides.

While one turn waits for the broker, what arrives gathers for the next one (natural batching): no timer adds latency
when there is little to do, and the more there is, the fuller the batches. Turns follow one another strictly, so order
per partition holds whatever has to be tried again. A turn is acknowledged when its deliveries, answers and dead letters
are confirmed, and not before: they happen at least once.

Events that cannot be logged, as the store is away, are held back when their turn is acknowledged. They come first when
the store is back, and until the last of them is done nothing newer is logged: it waits behind them. The prefetch bounds
how many can be held; a partition of which so many are held waits.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable, Sequence

from router import journal
from router.counters import Counters
from router.inquiries import Logs
from router.outlet import Outlet, Stale
from router.parking import Parking
from router.pipeline import NOTHING_READ, Pipeline
from router.plan import Deeds, Plan
from router.rollcall import RollCall
from router.storage import Storage
from shared.bus.port import Bus, BusState, Received, Source
from shared.bus.port import Intake as Consumption
from shared.bus.topology import route_queue
from shared.clock import wall
from shared.envelopes import MAX_BYTES, MAX_ITEMS
from shared.errors import BusError
from shared.store.port import Admitted
from shared.topics import PARTITIONS, rank

FINISH_TIMEOUT = 10.0
"""Seconds that a stop waits for what is in hand."""


class Intake:
    """Works on every partition that the broker gives this router, `prefetch` messages in hand of each at most."""

    def __init__(
        self,
        bus: Bus,
        storage: Storage,
        pipeline: Pipeline,
        parking: Parking,
        outlet: Outlet,
        counters: Counters,
        roll_call: RollCall,
        *,
        router_id: str,
        prefetch: int,
    ) -> None:
        self._bus = bus
        self._storage = storage
        storage.on_back = self._store_came
        self._pipeline = pipeline
        self._parking = parking
        self._outlet = outlet
        self._counters = counters
        self._router_id = router_id
        self._prefetch = prefetch
        self._waiting: deque[Received] = deque()
        self._held: deque[Received] = deque()
        """Events that wait for the store, all of them older than what waits for a turn."""
        self._in_turn: list[Received] = []
        self._turn_began = 0
        self._generation = 0
        self._roll_call = roll_call
        self._losses = 0
        """How often what was in hand has ceased to be ours."""
        self._wake = asyncio.Event()
        self._keys_came = False
        self._stopping = False
        self._consumption: Consumption | None = None
        self._task: asyncio.Task[None] | None = None

    @property
    def running(self) -> bool:
        """Say whether turns are taken."""
        return self._task is not None and not self._task.done()

    async def start(self) -> None:
        """Begin to consume from all partitions; the broker decides which of them are this router's."""
        self._bus.watch(self._follow)
        sources = [Source(route_queue(each), rank(self._router_id, each)) for each in range(PARTITIONS)]
        self._consumption = await self._bus.consume(sources, self._keep, prefetch=self._prefetch)
        self._task = asyncio.create_task(self._run(self._consumption), name="intake")

    async def stop(self, within: float = FINISH_TIMEOUT) -> None:
        """Take no more, finish and acknowledge what is in hand; what is not done in time is left to the broker."""
        if self._consumption is not None:
            with contextlib.suppress(BusError):
                await self._consumption.cancel()
        self._stopping = True
        self._wake.set()
        if self._task is not None:
            await asyncio.wait((self._task,), timeout=within)
            if not self._task.done():
                journal.unfinished(len(self._in_turn) + len(self._waiting) + len(self._held))
                self._task.cancel()
                await asyncio.wait((self._task,))
        await self._storage.stop()

    def keys_came(self) -> None:
        """Decide soon about what waits for the issuer's keys: it has answered, or failed to."""
        self._keys_came = True
        self._wake.set()

    def _store_came(self) -> None:
        """Go on with what is held."""
        self._wake.set()

    def _keep(self, received: Received) -> None:
        """Put a message behind the others; the prefetch bounds how many there can be."""
        self._counters.received += 1
        self._counters.redelivered += received.redelivered
        if received.generation != self._generation:
            self._generation = received.generation
            self._lose()
        self._waiting.append(received)
        self._counters.in_hand += 1
        self._wake.set()

    def _follow(self, state: BusState, cause: str) -> None:
        if state is BusState.AWAY:
            self._lose()

    def _lose(self) -> None:
        """Let go of what waits or is held, and of the turn when it would be tried again: all of it comes anew."""
        self._losses += 1
        if in_hand := len(self._waiting) + len(self._held):
            self._count_stale(in_hand)
            self._counters.in_hand -= in_hand
            self._waiting.clear()
            self._held.clear()
            self._counters.held = 0

    async def _run(self, consumption: Consumption) -> None:
        while True:
            if self._keys_came:
                self._keys_came = False
                await self._answer(self._unparked)
            elif self._held and not self._storage.away:
                await self._turn(consumption, self._held)
            elif self._waiting:  # while anything is held, the store is away, and appends nothing of this
                await self._turn(consumption, self._waiting)
            elif self._stopping:
                if self._held:
                    journal.unfinished(len(self._held))
                await self._answer(self._dismissed)
                return
            else:
                self._wake.clear()
                await self._wake.wait()

    async def _turn(self, consumption: Consumption, source: deque[Received]) -> None:
        self._in_turn = turn = self._take(source)
        self._turn_began = self._losses
        held: list[Received] = []
        try:
            deeds = await self._decide(turn)
            if self._is_stale():
                raise Stale
            await self._perform(deeds, turn, consumption)
            held = self._hold(deeds.held, source)
        except Stale:
            self._count_stale(len(turn))
        except Exception as fault:  # ours; the queues' delivery limit ends it, if it comes each time
            self._count_faults([fault])
            for received in turn:
                consumption.reject(received, requeue=True)
        self._in_turn = []
        self._counters.held = len(self._held)
        self._counters.in_hand -= len(turn) - len(held)

    def _take(self, source: deque[Received]) -> list[Received]:
        """Take the first of `source`: at most `MAX_ITEMS` messages and `MAX_BYTES` bytes, or a larger one alone."""
        turn = [source.popleft()]
        size = len(turn[0].body)
        while source and len(turn) < MAX_ITEMS and (size := size + len(source[0].body)) <= MAX_BYTES:
            turn.append(source.popleft())
        self._counters.turns += 1
        return turn

    def _hold(self, events: list[Received], source: deque[Received]) -> list[Received]:
        """Hold `events` of a turn that is done, in their place among those held, and return them."""
        if self._is_stale():
            if events:
                self._count_stale(len(events))
            return []
        if source is self._held:
            self._held.extendleft(reversed(events))
        else:
            self._held.extend(events)
        return events

    async def _decide(self, turn: Sequence[Received]) -> Deeds:
        plan = self._pipeline.plan(turn, wall())
        self._parking.take(plan)
        storage = self._storage
        admissions = await storage.admit(plan.commands)
        since = self._pipeline.since(plan)
        recent = None if since is None else await storage.recent(since)
        logs = await storage.read(self._pipeline.reads(plan, admissions, recent))
        await self._roll_call.take(plan)
        return self._conclude(plan, admissions, logs)

    def _conclude(
        self, plan: Plan, admissions: Sequence[Admitted | Exception] = (), logs: Logs = NOTHING_READ
    ) -> Deeds:
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
            counters.dead.update(letter.reason.value for letter in plan.dead)
            journal.buried(plan.dead)
        if plan.faults:
            self._count_faults(plan.faults)
        return deeds

    async def _perform(self, deeds: Deeds, turn: Sequence[Received], consumption: Consumption) -> None:
        await self._outlet.send(deeds.deliveries, self._is_stale)
        await self._outlet.send(deeds.replies, self._is_stale)
        rejected = {received.tag for received in await self._outlet.bury(deeds.dead, self._is_stale)}
        held = {received.tag for received in deeds.held}
        one_by_one = bool(held or self._held)  # an acknowledgement of all before would take what is held along
        done = None
        for received in turn:
            if received.tag in rejected:
                consumption.reject(received, requeue=False)
            elif received.tag in held:
                continue
            elif one_by_one:
                consumption.ack(received)
            else:
                done = received
        if done is not None:
            consumption.ack(done, through=True)

    async def _answer(self, plan: Callable[[], Plan]) -> None:
        """Answer requests whose messages are acknowledged already."""
        try:
            deeds = self._conclude(plan())
            await self._outlet.send(deeds.replies, _never)
        except Exception as fault:  # ours; their gateways will answer for us, in time
            self._count_faults([fault])

    def _unparked(self) -> Plan:
        return self._pipeline.unpark(self._parking.leave(), wall())

    def _dismissed(self) -> Plan:
        plan = Plan(wall())
        self._parking.dismiss(plan)
        return plan

    def _is_stale(self) -> bool:
        return self._turn_began != self._losses

    def _count_stale(self, messages: int) -> None:
        self._counters.dropped_stale += messages
        journal.stale(messages)

    def _count_faults(self, faults: Sequence[Exception]) -> None:
        self._counters.faults += len(faults)
        journal.failed(faults)


def _never() -> bool:
    return False
