"""Takes what the bus brings, turn by turn, and does what the pipeline decides.

While one turn waits for the broker, what arrives gathers for the next one (natural batching): no timer adds latency
when there is little to do, and the more there is, the fuller the batches. Turns follow one another strictly, so order
per partition holds whatever has to be tried again. A turn is acknowledged when its deliveries, answers and dead letters
are confirmed, and not before: they happen at least once.

Events that cannot be logged, as the store is away, are held back when their turn is acknowledged. They come first when
the store is back, and until the last of them is done nothing newer is logged: it waits behind them. Where there are
many of one partition they wait beside it (`router.spill`), so that the rest of it goes on.

A message may end whoever works on it. So one that has come back again and again is a turn of its own, each attempt at
it is noted in the store before it begins, and when too many came to no end it is put away unseen.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Sequence

from router import journal
from router.acknowledging import acknowledge
from router.counters import Counters
from router.decider import Decider, note_dead, note_faults
from router.doubt import Doubt, identity
from router.line import Line
from router.outlet import Outlet, Stale
from router.parking import Parking
from router.pipeline import Pipeline
from router.plan import DeadLetter, Deeds, Plan
from router.refusals import Unprocessable, failed_on
from router.rollcall import RollCall
from router.spill import Spill
from router.storage import Storage
from shared.bus.port import STOP_PATIENCE, Bus, BusState, Received, Source
from shared.bus.port import Intake as Consumption
from shared.bus.topology import route_queue
from shared.clock import monotonic
from shared.errors import BusError
from shared.topics import PARTITIONS, rank

FINISH_TIMEOUT = 10.0
"""Seconds that a stop waits for the turn that is under way."""

GATHERING = 0.1
"""Seconds from the first doubtful message to its turn: which of them is first matters, see `router.line`."""
DOUBT_LASTS = 5.0
"""Seconds without any after which the next doubtful message is the first."""


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
        self._decider = Decider(pipeline, storage, parking, roll_call, counters)
        self._outlet = outlet
        self._counters = counters
        self._router_id = router_id
        self._prefetch = prefetch
        self._waiting = Line()
        self._held = Line()
        """Events that wait for the store, all of them older than what waits for a turn."""
        self._doubt = Doubt()
        self._doubted_at = -DOUBT_LASTS
        """When a doubtful message was last there; seconds, monotonic."""
        self._in_turn: list[Received] = []
        self._turn_began = 0
        self._generation = 0
        self._spill = Spill(bus, pipeline.waits_for_store, self._came_out, counters, prefetch)
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
        """Finish and acknowledge the turn that is under way, and give back all that has not begun, in its order.

        It would be overtaken were it finished here: a broker gives whoever is next newer messages as soon as nobody
        wants more of them here. What is not done `within` so many seconds goes back as well: `STOP_PATIENCE` where the
        store is away, and twice that where the bus is silent.
        """
        self._stopping = True
        self._wake.set()
        if self._task is not None:
            await self._finish(self._task, within)
        if self._consumption is not None:
            if given_back := self._let_go():
                journal.given_back(given_back)
            with contextlib.suppress(BusError, TimeoutError):
                async with asyncio.timeout(STOP_PATIENCE):
                    await self._spill.clear()  # first, so that whoever is given what marks a lane finds it
                    await self._consumption.leave()
        await self._storage.stop()

    async def _finish(self, task: asyncio.Task[None], within: float) -> None:
        began = monotonic()
        await asyncio.wait((task,), timeout=min(within, STOP_PATIENCE))
        if not task.done() and not self._storage.away:
            with contextlib.suppress(BusError, TimeoutError):
                async with asyncio.timeout(STOP_PATIENCE):
                    await self._bus.depth(route_queue(0))  # any answer will do
                await asyncio.wait((task,), timeout=max(0.0, within - (monotonic() - began)))
        if not task.done():
            journal.unfinished(len(self._in_turn))
            task.cancel()
            await asyncio.wait((task,))

    def keys_came(self) -> None:
        """Decide soon about what waits for the issuer's keys: it has answered, or failed to."""
        self._keys_came = True
        self._wake.set()

    def _store_came(self) -> None:
        """Go on with what is held."""
        self._wake.set()

    def _keep(self, received: Received) -> None:
        """Put a message behind the others; the prefetch bounds how many there can be."""
        if self._stopping:
            return  # it goes back, with all that has not begun
        self._counters.received += 1
        if received.redelivered:
            self._counters.redelivered += 1
            self._counters.doubtful += received.doubtful
        if received.generation != self._generation:
            self._generation = received.generation
            self._lose()
        self._doubt.note(received)
        self._spill.came[received.queue] = monotonic()
        self._waiting.put(received)
        self._counters.in_hand += 1
        self._wake.set()

    def _follow(self, state: BusState, cause: str) -> None:
        if state is BusState.AWAY:
            self._lose()

    def _lose(self) -> None:
        """Let go of what waits or is held, and of the turn when it would be tried again: all of it comes anew."""
        if lost := self._let_go():
            self._count_stale(lost)
        self._wake.set()

    def _let_go(self) -> int:
        """Have nothing in hand any more but the turn; return how many messages these were."""
        self._losses += 1
        self._decider.come_anew()
        self._doubt.clear()
        in_hand = len(self._waiting) + len(self._held) + self._spill.lose()
        self._counters.spilling = self._counters.held = 0
        self._counters.in_hand -= in_hand
        self._waiting.clear()
        self._held.clear()
        return in_hand

    async def _run(self, consumption: Consumption) -> None:
        while True:
            if self._keys_came:
                self._keys_came = False
                await self._answer(self._decider.unparked)
            elif self._stopping:
                await self._answer(self._decider.dismissed)
                await self._decider.leave()
                return
            elif self._spill.has_ended:
                await self._spill.clear()
            elif not self._storage.away and not self._spill.is_ours(self._held, consumption):
                self._lose()
            elif self._held and not self._storage.away:  # before the lanes: other partitions' are in none of them
                await self._turn(consumption, self._held)
            elif self._spill.lanes and not self._storage.away:
                await self._drain(consumption)
            elif self._waiting:  # while anything is held, the store is away: `_turn` looks whether it has come back
                await self._turn(consumption, self._waiting)
            else:
                self._wake.clear()
                await self._decider.settle(self._wake)
                await self._spill.rest(self._wake, self._held, consumption)

    async def _drain(self, consumption: Consumption) -> None:
        """Take a turn of what waited beside its partition, or of what is new, or see whether there is an end of it."""
        try:
            ready = await self._spill.drain(self._waiting)
            if ready is not None:
                await self._turn(*ready)
                return
            next_line = self._waiting or await self._spill.end(consumption)
            self._counters.spilling = len(self._spill.lanes)
            if next_line:
                await self._turn(consumption, next_line)
                return
        except BusError as error:
            journal.held("what waits beside a partition", error, 0)
        if self._spill.lanes:
            self._wake.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(GATHERING):
                    await self._wake.wait()

    def _came_out(self, received: Received) -> None:
        self._doubt.note(received)
        self._counters.in_hand += 1
        self._wake.set()

    async def _turn(self, consumption: Consumption, source: Line) -> None:
        await self._decider.proven()
        if source.doubtful:
            await self._beware()
        if not source or (source is self._waiting and self._held and not self._storage.away):
            return  # it was lost meanwhile, or the store is back, and what is held comes first
        self._in_turn = turn = source.take()
        self._counters.turns += 1
        self._turn_began = self._losses
        held: list[Received] = []
        waits_again = 0
        try:
            rest = await self._set_aside(turn, consumption, held) if source is self._waiting else turn
            if source is self._waiting and self._held and not self._storage.away:
                source.put_back(rest)  # the same
                waits_again = len(rest)
            elif rest and rest[0].doubtful:
                held += self._hold(await self._dare(rest[0], source.rivals, consumption), source)
            elif rest:
                held += self._hold(await self._work(rest, consumption), source)
        except Stale:
            self._count_stale(len(turn))
        else:
            self._spill.settle(source, len(turn) - len(held))
        self._in_turn = []
        done = len(turn) - len(held) - waits_again
        if self._held and self._storage.away:
            await self._spill.make_room(self._held, consumption)
        self._spill.count(self._held)
        self._counters.in_hand -= done

    async def _set_aside(self, turn: list[Received], consumption: Consumption, held: list[Received]) -> list[Received]:
        """Put what has to go beside its partition there; return the rest. What stays in hand goes to `held`."""
        try:
            await self._spill.find(turn, self._held, consumption)
        except BusError:
            raise Stale from None
        if self._is_stale():
            raise Stale
        if self._spill.lanes and (aside := [each for each in turn if self._spill.takes(each)]):
            held += await self._spill.put(aside, consumption)
            turn = [each for each in turn if not self._spill.takes(each)]
        return turn

    async def _dare(self, received: Received, rivals: int, consumption: Consumption) -> list[Received]:
        """Do all that follows from a doubtful message, unless it is condemned; return it where it is to be held.

        Its attempts are numbered by its returns, so one that we hold and make again counts once.
        """
        attempts = identity(received)
        begun = await self._storage.begin(attempts, received.returns)
        if self._is_stale():
            raise Stale
        if self._storage.away and self._pipeline.waits_for_store(received):
            return [received]
        why = self._doubt.verdict(received, rivals, begun)
        if why is not None:
            await self._bury(received, why, consumption)
            return []
        held = await self._work([received], consumption)
        if not held:
            await self._storage.settle(attempts)
        return held

    async def _work(self, turn: Sequence[Received], consumption: Consumption) -> list[Received]:
        """Do all that follows from `turn`, and return what of it is to be held.

        Where we fail on it, each message is done by itself, and only the one that we fail on again is dead.
        """
        if self._is_stale():
            raise Stale
        if not consumption.holds(turn[0]):  # its channel is lost: it comes again, and must not be done before
            if consumption is self._consumption:
                self._lose()
            raise Stale
        try:
            deeds = await self._decider.decide(turn)
        except Exception as fault:
            note_faults(self._counters, [fault])
            if len(turn) == 1:
                await self._bury(turn[0], failed_on("this message"), consumption)
                return []
            self._decider.come_anew()
            held: list[Received] = []
            for received in turn:
                received.redelivered = True  # whatever comes of it may have been done before we failed
                if held and self._pipeline.waits_for_store(received):
                    held.append(received)  # though the store may be back by now
                else:
                    held += await self._work([received], consumption)
            return held
        if self._is_stale():
            raise Stale
        try:
            await self._perform(deeds, turn, consumption)
        except Stale:
            raise
        except Exception as fault:  # its deliveries are out: it must not be done again, and is kept
            note_faults(self._counters, [fault])
            for received in turn:
                consumption.reject(received, requeue=False)
            return []
        self._decider.acknowledged(turn[-1], consumption)
        return deeds.held

    async def _bury(self, received: Received, why: Unprocessable, consumption: Consumption) -> None:
        """Have a whole message be dead."""
        letter = DeadLetter(received, why.reason, why.detail)
        note_dead(self._counters, [letter])
        if await self._outlet.bury([letter], self._is_stale):
            consumption.reject(received, requeue=False)
        else:
            consumption.ack(received)

    async def _beware(self) -> None:
        """Prepare for a doubtful message: it may be the end of us.

        Where it is the first, what comes from other partitions is to be there. And what we have acknowledged has to be
        with the broker: else what is done already would be the first that comes back, and not the culprit.
        """
        if monotonic() - self._doubted_at > DOUBT_LASTS:
            await asyncio.sleep(GATHERING)
        with contextlib.suppress(BusError):
            await self._bus.depth(route_queue(0))  # whatever the answer is, it comes after all that we have sent
        self._doubted_at = monotonic()

    def _hold(self, events: list[Received], source: Line) -> list[Received]:
        """Hold `events` of a turn that is done, in their place among those held, and return them."""
        if self._is_stale():
            if events:
                self._count_stale(len(events))
            return []
        if source is not self._waiting:
            source.put_back(events)
        else:
            for event in events:
                self._held.put(event)
        return events

    async def _perform(self, deeds: Deeds, turn: Sequence[Received], consumption: Consumption) -> None:
        await self._outlet.send(deeds.deliveries, self._is_stale)
        await self._outlet.send(deeds.replies, self._is_stale)
        rejected = {received.tag for received in await self._outlet.bury(deeds.dead, self._is_stale)}
        held = {received.tag for received in deeds.held}
        acknowledge(turn, consumption, rejected=rejected, held=held)

    async def _answer(self, plan: Callable[[], Plan]) -> None:
        """Answer requests whose messages are acknowledged already."""
        try:
            deeds = self._decider.conclude(plan())
            await self._outlet.send(deeds.replies, lambda: False)
        except Exception as fault:  # ours; their gateways will answer for us, in time
            note_faults(self._counters, [fault])

    def _is_stale(self) -> bool:
        return self._turn_began != self._losses

    def _count_stale(self, messages: int) -> None:
        self._counters.dropped_stale += messages
        journal.stale(messages)
