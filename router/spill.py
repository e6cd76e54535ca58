"""Events that wait for the store, moved out of the way of everything else in their partition.

A router may hold so many messages of a partition and no more. So when half of these wait for the store, they go, in
their order, into a quorum queue beside the partition's: `penstock.spill.{p}`. From then on the partition has a `Lane`:
every event of it that needs the store goes the same way, behind those before it, and all else goes on. When the store
is back the lane is drained, and only what is logged by then is followed by anything newer.

The first of them, the lane's marker, is acknowledged last of all. So whoever takes over from a router that died is
given one that came back, looks into the queue beside, and finds the lane. What lies there names its marker, which is
not logged a second time.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace

from router.counters import Counters
from router.lane import Lane, is_used
from router.line import Line
from shared.bus.port import Bus, HeaderValue, Intake, Message, Received, Source
from shared.bus.topology import EVENTS, spill, spill_queue
from shared.clock import monotonic
from shared.errors import BusError, ConfigurationError

TOPIC, MARKER, AGAIN = "x-penstock-topic", "x-penstock-marker", "x-penstock-again"
"""The headers in which an event's topic travels (a queue's name is its routing key), what its lane began with, and
whether it may stand in its log already."""

RETURNING = 0.1
"""Seconds in which what a dead router had taken out of a lane returns to it."""

DRAINS = 4
"""Turns for what waited beside a partition to one for what is new: the former has to get less."""

HEAD_WITHIN, HEAD_LOOKS = 1.0, 100
"""Seconds in which the first of what waits beside a partition comes to who has found it, and how often is looked."""

LOOK_AGAIN = 1.0
"""Seconds within which that is not waited for again: what marks a lane is the first that comes back to a partition."""

OUTRANKED_AFTER = 1.0
"""Seconds without a message of a partition in which some wait, and for which there is room, until it is looked at once
more, and as many until it counts as somebody else's: the broker gives none to us any more, and none to who outranks us
before our hands are empty."""

PROMPT = 0.2
"""Seconds within which the broker answers then. Where it takes longer it is busy, and what waits may be on its way to
us: who gave the partition away would have others done before that."""

SETTLED_AFTER = 2.0
"""Seconds for which a lane is empty until it counts as drained, where some of it went another way: to the dead letters,
or because an operator purged it."""


class Spill:
    """All lanes of a router. `waits` says whether an event needs the store, `came` is told of each that is taken out.

    `prefetch` bounds what is taken out and not done.
    """

    def __init__(
        self,
        bus: Bus,
        waits: Callable[[Received], bool],
        came: Callable[[Received], None],
        counters: Counters,
        prefetch: int,
    ) -> None:
        self.lanes: dict[str, Lane] = {}
        self._bus = bus
        self._waits = waits
        self._came = came
        self._counters = counters
        self._prefetch = prefetch
        self._ended: list[Intake] = []
        self._drained = 0
        """Turns since the last one for what is new."""
        self._losses = 0
        self.came: dict[str, float] = {}
        """When a message of a route came last, by route; seconds, monotonic."""
        self._rested_at = 0.0
        self._looked: dict[str, float] = {}
        """When it was last waited for what may return to a route's lane, by route; seconds, monotonic."""

    def takes(self, received: Received) -> bool:
        """Say whether a message is a matter of a lane: its partition has one, and it needs the store."""
        return received.queue in self.lanes and self._waits(received)

    def lose(self) -> int:
        """Have no lane any more: what marks them has ceased to be ours. Returns how many messages were in hand."""
        self._losses += 1
        in_hand = 0
        for lane in self.lanes.values():
            in_hand += len(lane.line) + len(lane.kept)
            lane.line.clear()  # whoever is about to take a turn of it finds nothing
            lane.kept.clear()
            if lane.consumption is not None:
                self._ended.append(lane.consumption)
        self.lanes.clear()
        return in_hand

    def is_ours(self, held: Line, consumption: Intake) -> bool:
        """Say whether what is held, and marks lanes, is in our hands still: nobody tells that a channel was closed."""
        first = [held.first, *(lane.marker or lane.kept.first for lane in self.lanes.values())]
        return all(each is None or consumption.holds(each) for each in first)

    @property
    def has_ended(self) -> bool:
        """Say whether there is something for `clear`."""
        return bool(self._ended)

    async def clear(self) -> None:
        """Take nothing more out of lanes that are not ours, and put back what was taken out and is not done."""
        ended, self._ended = self._ended, []
        for consumption in ended:
            with contextlib.suppress(BusError):
                await consumption.leave()

    async def find(self, turn: Sequence[Received], held: Line, consumption: Intake) -> None:
        """Look for lanes that a router before us has left. What is `held` goes there: it is newer. Raises `BusAway`."""
        began = self._losses
        back: dict[str, Received] = {}
        for each in turn:
            if each.redelivered and each.queue not in self.lanes and self._waits(each):
                back.setdefault(each.queue, each)
        if not back:
            return
        depths = {route: await self._bus.depth(spill_queue(route)) for route in back}
        now = monotonic()
        empty = [route for route, depth in depths.items() if depth is not None and not is_used(depth)]
        if empty := [route for route in empty if now - self._looked.get(route, -LOOK_AGAIN) >= LOOK_AGAIN]:
            await asyncio.sleep(RETURNING)
            self._looked.update(dict.fromkeys(empty, monotonic()))
            depths |= {route: await self._bus.depth(spill_queue(route)) for route in empty}
        if began != self._losses:
            return
        found = [route for route, depth in depths.items() if depth is not None and is_used(depth)]
        for route in found:
            self.lanes[route] = Lane(route)
            self.lanes[route].mark_with(back[route])
        if found:
            await self._see_heads(found)
            await self.put_held(held, found, consumption)

    def count(self, held: Line) -> None:
        """Bring the gauges up to date."""
        self._counters.held = len(held) + sum(len(lane.kept) for lane in self.lanes.values())
        self._counters.spilling = len(self.lanes)

    async def put(self, events: Sequence[Received], consumption: Intake) -> list[Received]:
        """Move `events` beside their partitions; return those for which there is no room, and are kept in hand.

        Where lanes are lost meanwhile, all of them come anew, and none is kept.
        """
        began = self._losses
        stay: list[Received] = []
        for queue in dict.fromkeys(event.queue for event in events):
            stay += await self._put(queue, [event for event in events if event.queue == queue], consumption)
            if began != self._losses:
                return []
        for event in stay:
            self.lanes[event.queue].kept.put(event)
        self._counters.spilling = len(self.lanes)
        return stay

    async def put_held(self, held: Line, queues: Collection[str], consumption: Intake) -> None:
        """Move what is held of these queues beside them."""
        events = held.take_out(queues)
        stay = await self.put(events, consumption)
        self._counters.in_hand -= len(events) - len(stay)

    async def make_room(self, held: Line, consumption: Intake) -> None:
        """Move what is held beside its partition, where that has no room for much more."""
        if many := [queue for queue, count in held.queues().items() if 2 * count > self._prefetch]:
            await self.put_held(held, many, consumption)

    async def rest(self, wake: asyncio.Event, held: Line, consumption: Intake) -> None:
        """Wait for `wake`, and meanwhile leave partitions to a router that outranks us, and finds what waits there."""
        if not self.lanes and not held:
            await wake.wait()
            return
        if monotonic() - self._rested_at >= OUTRANKED_AFTER:
            self._rested_at = monotonic()
            with contextlib.suppress(BusError):
                for route in dict.fromkeys((*self.lanes, *held.queues())):
                    await self._hand_over(route, held, consumption)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(OUTRANKED_AFTER):
                await wake.wait()

    async def drain(self, new: Line) -> tuple[Intake, Line] | None:
        """Return the next messages that may be done, and whose they are; None where it is the turn of what is new."""
        if new and self._drained >= DRAINS:
            self._drained = 0
            return None
        for route, lane in list(self.lanes.items()):
            if lane.consumption is None:
                await self._take_out(route, lane)
            if lane.line and lane.consumption is not None:
                self._drained += 1
                return lane.consumption, lane.line
        self._drained = 0
        return None

    def settle(self, line: Line, done: int) -> None:
        """Note that so many of a lane's messages are done."""
        for lane in self.lanes.values():
            if lane.line is line:
                lane.settled += done
                self._counters.spill_drained += done

    async def end(self, consumption: Intake) -> Line | None:
        """End lanes that are drained; return what one of them kept in hand, where that is next."""
        for route, lane in list(self.lanes.items()):
            if not await self._is_drained(lane) or self.lanes.get(route) is not lane:
                continue
            if lane.marker is not None and not lane.proven:
                self._counters.in_hand += 1
                lane.kept.put_back([lane.marker])
                lane.marker, lane.full = None, True  # what comes now must stay behind it
            if lane.kept:
                return lane.kept
            del self.lanes[route]
            if lane.consumption is not None:
                self._ended.append(lane.consumption)
            if lane.marker is not None:
                consumption.ack(lane.marker)
        return None

    async def _hand_over(self, route: str, held: Line, consumption: Intake) -> None:
        began, asked = self._losses, monotonic()
        depth = await self._bus.depth(route)
        now = monotonic()
        waits = depth is not None and depth.messages > 0 and now - asked <= PROMPT
        if not waits or now - self.came.get(route, 0.0) < OUTRANKED_AFTER:
            if (lane := self.lanes.get(route)) is not None:
                lane.silent_since = None
            return
        await self.put_held(held, [route], consumption)
        self.count(held)
        lane = self.lanes.get(route)
        if lane is None or lane.marker is None or lane.kept:
            return
        if lane.silent_since is None:  # there was no room, perhaps, until now
            lane.silent_since = monotonic()
            return
        del self.lanes[route]
        if lane.consumption is not None:
            self._counters.in_hand -= len(lane.line)
            lane.line.clear()
            self._ended.append(lane.consumption)
            lane.consumption = None
            await self.clear()
        if began != self._losses:
            return
        if self.came.get(route, 0.0) >= lane.silent_since:
            lane.silent_since = None
            self.lanes[route] = lane
            return
        self._counters.spilling = len(self.lanes)
        self._counters.handed_over += 1
        consumption.reject(lane.marker, requeue=True)
        await consumption.renew(route)  # only that has RabbitMQ look for who is next: an active one that rejects stays

    async def _put(self, route: str, events: Sequence[Received], consumption: Intake) -> list[Received]:
        lane = self.lanes.get(route)
        if lane is None:
            lane = self.lanes[route] = Lane(route)
            with contextlib.suppress(BusError, ConfigurationError):
                await self._bus.declare(spill(route))
        events = [event for event in events if event is not lane.marker]
        if lane.marker is None and events and not lane.full:
            # Alone, so that what marks the lane is the first of it whatever becomes of the others.
            lane.mark_with(events[0])
            lane.proven = await _confirmed(self._publish(lane, events[0]))
            if lane.proven:
                self._counters.spilled += 1
                lane.expected += 1
                events = events[1:]
            else:
                lane.marker, lane.full = None, True
        confirms = [] if lane.full else [self._publish(lane, event) for event in events]
        stay: list[Received] = []
        moved: list[Received] = []
        for place, event in enumerate(events):
            if place < len(confirms) and await _confirmed(confirms[place]):
                self._counters.spilled += 1
                lane.expected += 1
                moved.append(event)
            else:
                lane.full = True  # what comes after it must stay behind it
                stay.append(event)
        consumption.ack_all(moved)
        return stay

    async def _see_heads(self, routes: Collection[str]) -> None:
        """Have the first of found lanes come out: it tells what marks them, which all that is put there names.

        Where none comes, what is put there names nothing, and proves nothing to who comes after us.
        """
        for route in routes:
            if (lane := self.lanes.get(route)) is not None:
                with contextlib.suppress(BusError):
                    await self._take_out(route, lane)
        for _ in range(HEAD_LOOKS):
            if all(lane.line for route in routes if (lane := self.lanes.get(route)) is not None):
                return
            await asyncio.sleep(HEAD_WITHIN / HEAD_LOOKS)

    async def _take_out(self, route: str, lane: Lane) -> None:
        depth = await self._bus.depth(lane.queue)
        lane.expected, lane.settled = 0 if depth is None else max(lane.expected, depth.messages), 0
        if depth is None:
            return
        with contextlib.suppress(ConfigurationError):  # it was deleted meanwhile, and nothing waits there
            consumption = await self._bus.consume((Source(lane.queue),), self._keeper(lane), prefetch=self._prefetch)
            if self.lanes.get(route) is lane:
                lane.consumption = consumption
            else:
                self._ended.append(consumption)

    async def _is_drained(self, lane: Lane) -> bool:
        depth = await self._bus.depth(lane.queue)
        # Another one that consumes from it has some of it in hand: a router that does not know yet that it lost it. And
        # where we consume, and are told that nobody does, the broker was too busy to look.
        consumers = range(int(lane.consumption is not None), 2)
        if lane.line or (depth is not None and (depth.messages or depth.consumers not in consumers)):
            lane.empty_since = None
            return False
        if lane.empty_since is None:
            lane.empty_since = monotonic()
        return 0 < lane.expected <= lane.settled or monotonic() - lane.empty_since >= SETTLED_AFTER

    def _publish(self, lane: Lane, event: Received) -> asyncio.Future[None] | None:
        headers: dict[str, HeaderValue] = {TOPIC: event.routing_key, AGAIN: event.redelivered}
        if lane.proven or event is lane.marker:  # else it would prove what nobody has seen there
            headers[MARKER] = lane.mark
        if "traceparent" in event.headers:
            headers["traceparent"] = event.headers["traceparent"]
        message = Message(event.body, event.content_type, event.message_id, event.timestamp, headers)
        try:
            return self._bus.publish("", lane.queue, message, mandatory=True)
        except ValueError:  # a property that is too long to be written again
            return None

    def _keeper(self, lane: Lane) -> Callable[[Received], None]:
        def keep(received: Received) -> None:
            if lane not in self.lanes.values():
                return  # it goes back with all that was taken out
            if received.generation != lane.generation:  # what was taken out went back, and comes again
                self._counters.in_hand -= len(lane.line)
                lane.line.clear()
                lane.generation = received.generation
            lane.proven = lane.proven or received.headers.get(MARKER) == lane.mark
            topic = received.headers.get(TOPIC)
            event = replace(received, exchange=EVENTS, routing_key=topic if isinstance(topic, str) else "")
            event.redelivered = received.redelivered or received.headers.get(AGAIN) is True
            lane.line.put(event)
            self._came(event)

        return keep


async def _confirmed(confirm: asyncio.Future[None] | None) -> bool:
    if confirm is None:
        return False
    try:
        await confirm
    except BusError:
        return False
    return True
