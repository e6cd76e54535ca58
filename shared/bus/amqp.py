"""The bus on RabbitMQ 3.10 to 4.x: `AmqpBus` heals itself, over plain connections and with full jitter.

What runs: one task lives through the sessions, one after the other; a session that is up may have tasks that mend a
channel or a consumer of it. Everything else happens where bytes arrive.
"""

from __future__ import annotations

import asyncio
import logging
import random
from asyncio import Future, Task
from collections.abc import Awaitable, Callable, Iterable, Sequence

from shared.backoff import full_jitter
from shared.bus.amqp_intake import AmqpIntake
from shared.bus.amqp_publisher import Publisher
from shared.bus.amqp_refusals import Refusal, culprit
from shared.bus.amqp_session import Session
from shared.bus.amqp_url import HEARTBEAT, broker_url
from shared.bus.confirms import fail
from shared.bus.counters import BusCounters
from shared.bus.port import BusState, Depth, Handler, Message, Source, Watcher
from shared.bus.remembered import Remembered, bindings
from shared.bus.states import States
from shared.bus.topology import Topology
from shared.errors import BusAway, BusBlocked, BusError, ConfigurationError

log = logging.getLogger(__name__)

BACKOFF_CAP = 5.0
"""Seconds; the longest pause between two attempts to connect."""

MAX_TOLD = 16
"""Causes that are logged while the bus is away; further ones are counted only (`attempts_failed`)."""

MAX_MENDINGS = 8
"""Attempts, one after the other, to consume again over a connection, before it is given up for a new one."""

STABLE_AFTER = 30.0
"""Seconds of life after which a session that is lost counts as the first to be."""


class AmqpBus:
    """A bus on RabbitMQ; see `shared.bus.port.Bus`. Make it where an event loop runs, or before; open it in one."""

    def __init__(self, url: str, name: str = "penstock", *, heartbeat: int = HEARTBEAT) -> None:
        self.counters = BusCounters()
        self.failure: Exception | None = None
        self._url = broker_url(url)
        self._name = name
        self._heartbeat = heartbeat
        self._states = States(name)
        self._remembered = Remembered()
        self._intakes: dict[AmqpIntake, None] = {}
        self._publisher: Publisher | None = None
        self._session: Session | None = None
        self._orders = asyncio.Lock()
        """Orders to the broker go one after the other, and none between losing a session and having all in the next."""
        self._opened: Future[None] | None = None
        self._life: Task[None] | None = None
        self._mendings: set[Task[None]] = set()
        self._told: set[str] = set()
        """The causes that were logged since the bus was last ready: each once, not once per attempt."""

    @property
    def state(self) -> BusState:
        """Return whether the bus takes messages now."""
        return self._states.now

    def watch(self, watcher: Watcher) -> None:
        """Call `watcher` on each change of state from now on."""
        self._states.watch(watcher)

    async def open(self) -> None:
        """Connect, and keep trying; return when the bus has been `READY` once. See the port."""
        self._publisher = Publisher(self.counters)
        self._opened = asyncio.get_running_loop().create_future()
        self._life = asyncio.create_task(self._live(), name=f"bus {self._name}")
        await self._opened

    async def close(self) -> None:
        """Wait for outstanding confirms, give back what is unacknowledged, and disconnect."""
        if self._publisher is not None and (waiting := self._publisher.waiting()):
            await asyncio.wait(waiting)
        if self._opened is not None and not self._opened.done():
            self._opened.set_exception(BusAway("the bus was closed before it was open"))
        if self._life is not None:
            self._life.cancel()
            await asyncio.gather(self._life, return_exceptions=True)
        self._states.close()

    async def declare(self, topology: Topology) -> None:
        """Have these exchanges, queues and bindings, now and after each reconnection. See the port."""
        async with self._orders:
            try:
                await self._session_now().declare(topology)
            except BusAway as error:
                self._remembered.keep(topology)
                self._retry(error)
                raise
            self._remembered.keep(topology)

    async def bind(self, queue: str, exchange: str, keys: Iterable[str], *, lasting: bool = True) -> None:
        """Let messages with these routing keys reach `queue`; return when the broker has the bindings. See the port."""
        if lasting:
            await self.declare(bindings(queue, exchange, keys))
            return
        async with self._orders:
            await self._session_now().declare(bindings(queue, exchange, keys))

    async def unbind(self, queue: str, exchange: str, keys: Iterable[str]) -> None:
        """Take bindings back, in the same way."""
        gone = bindings(queue, exchange, keys)
        async with self._orders:
            self._remembered.drop(gone)
            await self._session_now().unbind(gone.bindings)

    async def consume(self, sources: Sequence[Source], handler: Handler, *, prefetch: int) -> AmqpIntake:
        """Hand every message of these queues to `handler`. See the port."""
        intake = AmqpIntake(tuple(sources), handler, prefetch, self.counters, self._mend_intake, self._forget)
        async with self._orders:
            if (session := self._session) is not None:
                try:
                    await intake.begin(session.consuming)
                except BusAway as error:
                    intake.end()
                    if not session.lost.done():
                        raise
                    log.debug("%s begins to consume when it is back: %s", self._name, error)
            self._intakes[intake] = None
        asyncio.get_running_loop().call_soon(intake.release)
        return intake

    def publish(self, exchange: str, routing_key: str, message: Message, *, mandatory: bool = False) -> Future[None]:
        """Send, and return a future of the broker's confirm. See the port."""
        try:
            if self._states.now is not BusState.READY or self._publisher is None:
                raise self._refusal()
            return self._publisher.publish(exchange, routing_key, message, mandatory)
        except BusError as error:
            future: Future[None] = asyncio.get_running_loop().create_future()
            fail(future, error)
            return future

    async def depth(self, queue: str) -> Depth | None:
        """Return how full `queue` is, None where it does not exist."""
        async with self._orders:
            return await self._session_now().depth(queue)

    async def _live(self) -> None:
        attempt = 0
        loop = asyncio.get_running_loop()
        while True:
            began = loop.time()
            session = Session(self._url, self._name, self._heartbeat, self._hear_lost, self._hear_alarm, self.counters)
            try:
                await self._begin(session)
                cause = await session.lost
                attempt = attempt if loop.time() - began < STABLE_AFTER else 0
            except (BusError, ConfigurationError) as error:
                cause = str(error)
                self.failure = error
                self.counters.attempts_failed += 1
                if isinstance(error, ConfigurationError) and self._has_not_opened(error):
                    return
            finally:
                self._leave(session)
                await session.close()
            self._tell_failure(cause)
            await asyncio.sleep(full_jitter(attempt, random.random(), cap=BACKOFF_CAP))
            attempt += 1

    async def _begin(self, session: Session) -> None:
        """Connect, and have everything again; only then be ready."""
        assert self._publisher is not None  # `open` made it
        assert self._opened is not None  # this, too
        await session.open()
        async with self._orders:
            await session.declare(self._remembered.topology)
            for intake in self._intakes:
                await intake.begin(session.consuming)
            await self._publisher.begin(session.publishing, self._mend_publisher)
            if session.lost.done():
                raise BusAway(session.lost.result())
            self._session = session
        self.failure = None
        self._told.clear()
        if self._opened.done():
            self.counters.reconnections += 1
        else:
            self._opened.set_result(None)
        self._states.change(BusState.READY, f"connected to {self._url.host}:{self._url.port}")
        self._hear_alarm(session)
        for intake in list(self._intakes):  # not before: what a handler publishes should find the bus ready
            intake.release()

    def _hear_lost(self, session: Session, cause: str) -> None:
        if session is self._session:
            self._told.add(cause)
            self.counters.connections_lost += 1
            self._leave(session)
            self._states.change(BusState.AWAY, cause)

    def _leave(self, session: Session) -> None:
        """Let everybody know at once that nothing goes over this session any more."""
        self._session = None
        for task in self._mendings:
            task.cancel()
        if self._publisher is not None:
            self._publisher.end()
        for owner in (*session.consuming.owners.values(), *self._intakes):
            if isinstance(owner, AmqpIntake):
                owner.end()

    def _mend_publisher(self, refusal: Refusal) -> None:
        if (session := self._session) is not None:
            log.warning("bus %s opens its publishing channel again: %s", self._name, refusal)
            self._mend(session, lambda: self._open_publisher(session, culprit(refusal)[0]))

    async def _open_publisher(self, session: Session, missing: str | None) -> None:
        """Open the publishing channel again, and have the exchange that is `missing`, where it is one of ours."""
        assert self._publisher is not None
        async with self._orders:
            if missing is not None and self._remembered.has_exchange(missing):
                await session.declare(self._remembered.topology)  # what was bound to it is gone, too
            await self._publisher.begin(session.publishing, self._mend_publisher)

    def _mend_intake(self, intake: AmqpIntake, cause: str) -> None:
        if (session := self._session) is not None and intake in self._intakes:
            log.warning("bus %s consumes again: %s", self._name, cause)
            self._mend(session, lambda: self._begin_again(session, intake, cause))

    async def _begin_again(self, session: Session, intake: AmqpIntake, cause: str) -> None:
        times = intake.count_mending(asyncio.get_running_loop().time())
        if times > MAX_MENDINGS:
            raise BusAway(f"after {MAX_MENDINGS} attempts, {cause}")
        if times > 1:
            await asyncio.sleep(full_jitter(times, random.random(), cap=BACKOFF_CAP))
        async with self._orders:
            await session.declare(self._remembered.topology)  # the queue may be what is gone
            try:
                await intake.begin(session.consuming)
            except (BusAway, ConfigurationError) as error:
                # The broker says no by closing the channel, and that calls for the next attempt. So it is where a queue
                # is being deleted: it can still be declared then, and not consumed from any more.
                log.debug("bus %s could not yet consume again: %s", self._name, error)
                return
        intake.release()

    def _mend(self, session: Session, deed: Callable[[], Awaitable[None]]) -> None:
        async def mend() -> None:
            try:
                await deed()
            except (BusError, ConfigurationError) as error:
                session.fail(f"what the broker closed could not be opened again: {error}")

        task = asyncio.create_task(mend(), name=f"bus {self._name} mends")
        self._mendings.add(task)
        task.add_done_callback(self._mendings.discard)

    def _hear_alarm(self, session: Session) -> None:
        if session is not self._session:
            return
        if session.alarm is None:
            self._states.change(BusState.READY, "the broker takes messages again")
        else:
            self._states.change(BusState.BLOCKED, f"the broker holds publishers back: {session.alarm}")

    def _forget(self, intake: AmqpIntake) -> None:
        self._intakes.pop(intake, None)

    def _session_now(self) -> Session:
        if self._session is None:
            raise BusAway(f"no connection to {self._url.host}:{self._url.port}; it comes back by itself")
        return self._session

    def _retry(self, error: BusAway) -> None:
        """Begin a new session where the broker keeps something from us for now, as a queue of our last connection."""
        if self._session is not None:
            self._session.fail(str(error))

    def _refusal(self) -> BusError:
        if self._states.now is BusState.BLOCKED:
            self.counters.refused_blocked += 1
            return BusBlocked("the broker holds publishers back (a memory or disk alarm)")
        self.counters.refused_away += 1
        return BusAway(f"no connection to {self._url.host}:{self._url.port}; it comes back by itself")

    def _has_not_opened(self, error: ConfigurationError) -> bool:
        """Let `open` raise `error`, where it still waits."""
        if self._opened is None or self._opened.done():
            return False
        self._opened.set_exception(error)
        return True

    def _tell_failure(self, cause: str) -> None:
        if cause not in self._told and len(self._told) < MAX_TOLD:
            self._told.add(cause)
            log.warning("bus %s is away and tries again: %s", self._name, cause)
