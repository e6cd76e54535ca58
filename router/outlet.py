"""Publishes what was decided, and does not let go of it before the broker has confirmed it."""

from __future__ import annotations

import asyncio
from asyncio import Future
from collections.abc import Callable, Sequence
from random import random

from router import deadletters, journal
from router.counters import Counters
from router.plan import DeadLetter, Outgoing
from shared.backoff import full_jitter
from shared.bus.confirms import fail
from shared.bus.port import Bus, BusState, Received
from shared.clock import wall
from shared.errors import BusAway, BusBlocked, BusError

RETRY_BASE = 0.05
RETRY_CAP = 2.0
"""Seconds of the first and of the longest span within which something is tried again."""

QUIET_ATTEMPTS = 1
"""Attempts that fail before anybody is told."""


class Stale(Exception):
    """What is in hand came over a connection that was lost: it comes again, to this router or to another."""


class Outlet:
    """Sends, and insists. `is_stale` is asked before each new attempt; where it is so, `Stale` is raised."""

    def __init__(self, bus: Bus, counters: Counters, router_id: str) -> None:
        self._bus = bus
        self._counters = counters
        self._router_id = router_id
        self._ready = asyncio.Event()
        self._follow(bus.state, "")
        bus.watch(self._follow)

    async def send(self, messages: Sequence[Outgoing], is_stale: Callable[[], bool]) -> None:
        """Publish `messages` in their order, and return when all are confirmed.

        What the broker did not take is published again, still in its order. A refusal of some among others can only
        come from a gateway's queue that is going away, so nobody sees the others overtake them. One that no bus can
        carry is lost, told and counted, and costs the others nothing.
        """
        attempt = 0
        while messages:
            confirms = [self._try(each) for each in messages]
            missing, reason = [], None
            for message, confirm in zip(messages, confirms, strict=True):
                if confirm is None:
                    continue
                try:
                    await confirm
                except BusError as error:
                    missing.append(message)
                    reason = error
            if reason is not None:
                await self.pause("a delivery", reason, attempt, is_stale)
            messages, attempt = missing, attempt + 1

    async def bury(self, letters: Sequence[DeadLetter], is_stale: Callable[[], bool]) -> list[Received]:
        """Publish dead letters; return the messages that are to be left to the broker's own dead-lettering.

        These are the ones whose letters ``penstock.dead`` does not take, for it is full or gone, say, or no bus can
        carry. A part of a batch cannot be left to the broker, as the batch's other parts are done: it is lost, told
        and counted.
        """
        rejected = []
        confirms = [(letter, self._send_letter(letter)) for letter in letters]
        for letter, confirm in confirms:
            attempt = 0
            while True:
                try:
                    await confirm
                except (BusAway, BusBlocked) as reason:
                    await self.pause("a dead letter", reason, attempt, is_stale)
                    attempt += 1
                    confirm = self._send_letter(letter)
                    continue
                except BusError as reason:
                    journal.dead_refused(letter, reason)
                    if letter.part is None:
                        self._counters.dead_rejected += 1
                        rejected.append(letter.origin)
                    else:
                        self._counters.dead_lost += 1
                break
        return rejected

    async def pause(self, what: str, reason: BaseException, attempt: int, is_stale: Callable[[], bool]) -> None:
        """Wait before something is tried again, and for the bus to be ready; raise `Stale` if that was in vain."""
        self._counters.retries += 1
        if attempt >= QUIET_ATTEMPTS:
            journal.held(what, reason, attempt)
        await asyncio.sleep(full_jitter(attempt, random(), base=RETRY_BASE, cap=RETRY_CAP))
        if not is_stale():
            await self._ready.wait()
        if is_stale():
            raise Stale

    def _publish(self, outgoing: Outgoing) -> Future[None]:
        return self._bus.publish(outgoing.exchange, outgoing.routing_key, outgoing.message)

    def _try(self, outgoing: Outgoing) -> Future[None] | None:
        """Publish, or return None where `outgoing` cannot even be written down."""
        try:
            return self._publish(outgoing)
        except Exception as fault:  # as a gateway's name that is too long for a routing key
            self._counters.unsendable += 1
            journal.failed([fault])
            return None

    def _send_letter(self, letter: DeadLetter) -> Future[None]:
        try:
            outgoing = deadletters.outgoing(letter, self._router_id, wall())
            # Mandatory: the broker confirms what no queue takes, and would leave it nowhere.
            return self._bus.publish(outgoing.exchange, outgoing.routing_key, outgoing.message, mandatory=True)
        except Exception as fault:
            self._counters.faults += 1
            journal.failed([fault])
            failed: Future[None] = asyncio.get_running_loop().create_future()
            fail(failed, BusError(f"no letter could be made of it ({type(fault).__name__})"))
            return failed

    def _follow(self, state: BusState, cause: str) -> None:
        if state is BusState.READY:
            self._ready.set()
        else:
            self._ready.clear()
