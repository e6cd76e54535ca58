"""The embedded bus: `MemoryBus`es share a `MemoryBroker`, in one process and on one event loop.

Handlers and confirms are called from the loop, never from within `publish`: one wake-up brings what there is then.
"""

from __future__ import annotations

import asyncio
from asyncio import Future
from collections.abc import Iterable, Sequence

from shared.bus.confirms import fail
from shared.bus.counters import BusCounters
from shared.bus.memory_broker import MemoryBroker
from shared.bus.memory_core import Connection
from shared.bus.memory_intake import MemoryIntake
from shared.bus.port import MAX_UNCONFIRMED, BusState, Depth, Handler, Message, Source, Watcher
from shared.bus.remembered import Remembered, bindings
from shared.bus.states import States
from shared.bus.topology import Topology
from shared.bus.wire import check_strings
from shared.errors import BusAway, BusBlocked, BusError, ConfigurationError, ConfirmTimeout, TopologyMismatch

__all__ = ["MemoryBroker", "MemoryBus"]


class MemoryBus:
    """A bus on a `MemoryBroker`; see `shared.bus.port.Bus`."""

    def __init__(self, broker: MemoryBroker, name: str = "memory") -> None:
        self.counters = BusCounters()
        self.failure: Exception | None = None
        self._broker = broker
        self._states = States(name)
        self._remembered = Remembered()
        self._intakes: dict[MemoryIntake, None] = {}
        self._connection: Connection | None = None
        self._generation = 0
        self._unsettled: list[tuple[Future[None], BusError | None]] = []
        self._opened: Future[None] | None = None

    @property
    def state(self) -> BusState:
        """Return whether the bus takes messages now."""
        return self._states.now

    def watch(self, watcher: Watcher) -> None:
        """Call `watcher` on each change of state from now on."""
        self._states.watch(watcher)

    async def open(self) -> None:
        """Connect; where the broker is stopped, return when it has started."""
        self._broker.add(self)
        self._opened = asyncio.get_running_loop().create_future()
        self._broker.wake()
        try:
            await self._opened
        except ConfigurationError:
            self._broker.remove(self)
            raise

    async def close(self) -> None:
        """Give back what is unacknowledged, wait for outstanding confirms, and disconnect."""
        if waiting := [future for future, _ in self._unsettled]:
            await asyncio.wait(waiting)
        self._broker.remove(self)
        self._disconnect()
        self._states.close()

    def crash(self) -> None:
        """Be gone as a process that is killed: nothing settled, nothing waited for, no coming back."""
        self._broker.remove(self)
        self._disconnect()
        self.settle(lost=True)
        self._states.change(BusState.AWAY, "crashed")

    async def declare(self, topology: Topology) -> None:
        """Have these exchanges, queues and bindings; see the port."""
        if self._connection is None:
            self._remembered.keep(topology)
            raise BusAway("no connection to the memory broker; declared when it is back")
        self._broker.core.declare(self._connection, topology)
        self._remembered.keep(topology)

    async def bind(self, queue: str, exchange: str, keys: Iterable[str], *, lasting: bool = True) -> None:
        """Let messages with these routing keys reach `queue`."""
        if lasting:
            await self.declare(bindings(queue, exchange, keys))
            return
        if self._connection is None:
            raise BusAway("no connection to the memory broker")
        self._broker.core.declare(self._connection, bindings(queue, exchange, keys))

    async def unbind(self, queue: str, exchange: str, keys: Iterable[str]) -> None:
        """Take bindings back."""
        gone = bindings(queue, exchange, keys)
        self._remembered.drop(gone)
        if self._connection is None:
            raise BusAway("no connection to the memory broker; unbound when it is back")
        for binding in gone.bindings:
            self._broker.core.unbind(binding)

    async def consume(self, sources: Sequence[Source], handler: Handler, *, prefetch: int) -> MemoryIntake:
        """Hand every message of these queues to `handler`."""
        intake = MemoryIntake(self._broker.core, self.counters, tuple(sources), handler, prefetch)
        if self._connection is not None:
            self._generation += 1
            try:
                intake.begin(self._connection, self._generation)
            except (BusAway, TopologyMismatch):
                await intake.cancel()
                raise
        self._intakes[intake] = None
        intake.forget = lambda: self._intakes.pop(intake, None)
        return intake

    def publish(self, exchange: str, routing_key: str, message: Message, *, mandatory: bool = False) -> Future[None]:
        """Send, and return a future of the broker's confirm."""
        future: Future[None] = asyncio.get_running_loop().create_future()
        if (refusal := self._refusal()) is not None:
            fail(future, refusal)
            return future
        check_strings(exchange, routing_key, message)
        self.counters.published += 1
        error = self._broker.core.publish(exchange, routing_key, message, mandatory)
        self._unsettled.append((future, error))
        self._broker.wake()
        return future

    async def depth(self, queue: str) -> Depth | None:
        """Return how full `queue` is, None where it does not exist."""
        if self._connection is None:
            raise BusAway("no connection to the memory broker")
        depth = self._broker.core.depth(self._connection, queue)
        return None if depth is None else Depth(*depth)

    def lose(self, cause: str) -> None:
        """Have lost the connection; come back when the broker lets it. For the broker, and for tests."""
        if self._connection is None:
            return
        self.counters.connections_lost += 1
        self._disconnect()
        self.settle(lost=True)
        self._states.change(BusState.AWAY, cause)
        self._broker.wake()

    def come_back(self) -> None:
        """Connect, and have everything again, where that is not so yet. For the broker."""
        if self._connection is not None:
            return
        connection = Connection()
        try:
            self._broker.core.declare(connection, self._remembered.topology)
            self._connection = connection
            for intake in self._intakes:
                self._generation += 1
                intake.begin(connection, self._generation)
        except (BusAway, TopologyMismatch) as error:
            self.failure = error
            self.counters.attempts_failed += 1
            self._disconnect()
            if self._opened is not None and not self._opened.done() and isinstance(error, ConfigurationError):
                self._opened.set_exception(error)
            return
        self._hear_ready()

    def hear_alarm(self) -> None:
        """Hold publishers back, or no more, as the broker says."""
        if self._connection is None:
            return
        if self._broker.alarm is None:
            self._states.change(BusState.READY, "the broker takes messages again")
        else:
            self._states.change(BusState.BLOCKED, self._broker.alarm)

    def settle(self, *, lost: bool = False) -> None:
        """Tell publishers what came of their messages. For the broker."""
        unsettled, self._unsettled = self._unsettled, []
        for future, outcome in unsettled:
            error = ConfirmTimeout("the connection was lost before the confirm came") if lost else outcome
            if error is None:
                self.counters.confirmed += 1
                if not future.done():
                    future.set_result(None)
            else:
                self.counters.count_failure(error)
                fail(future, error)

    def _hear_ready(self) -> None:
        self.failure = None
        if self._opened is not None and not self._opened.done():
            self._opened.set_result(None)
        else:
            self.counters.reconnections += 1
        self._states.change(BusState.READY, "connected to the memory broker")
        self.hear_alarm()

    def _refusal(self) -> BusError | None:
        if self.state is BusState.AWAY:
            self.counters.refused_away += 1
            return BusAway("no connection to the memory broker; it comes back by itself")
        if self.state is BusState.BLOCKED:
            self.counters.refused_blocked += 1
            return BusBlocked(f"the memory broker holds publishers back: {self._broker.alarm}")
        if len(self._unsettled) >= MAX_UNCONFIRMED:
            self.counters.refused_full += 1
            return BusBlocked(f"{MAX_UNCONFIRMED} messages wait for their confirms; wait for some of them")
        return None

    def _disconnect(self) -> None:
        connection, self._connection = self._connection, None
        for intake in self._intakes:
            intake.end()
        if connection is not None:
            self._broker.core.disconnect(connection)
