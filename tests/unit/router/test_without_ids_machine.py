"""Events without a message_id, whatever becomes of routers and store in whatever order: each is in its log once.

Whole routers share a memory broker and a store, on an event loop whose time passes only when nobody has anything to do.
So a schedule of Hypothesis' is the same each time, but for random pauses between attempts to reach the store.
"""

from __future__ import annotations

import asyncio
from collections import Counter

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule

from router import intake, outlet, rollcall, spill, storage
from shared.bus import topology
from shared.bus.memory import MemoryBroker
from shared.bus.memory_intake import MemoryIntake
from shared.bus.port import Message
from shared.errors import StoreAway
from tests.unit.router.edge import Edge, waiting
from tests.unit.router.running import made, opened
from tests.unit.router.shelf import Shelf

TICK = b'"tick"'
MOST = 3
"""Routers at once."""
PATIENCE = 30
"""Virtual seconds within which all is done after the last trouble."""


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop whose clock stands still while there is something to do, and jumps to the next timer then."""

    _passed = 1_000.0

    def time(self):
        return self._passed

    def _run_once(self):
        if not self._ready:
            assert self._scheduled, "nobody waits for anything any more"
            self._passed = max(self._passed, self._scheduled[0]._when)
        super()._run_once()


class Shared(Shelf):
    """A store that can be lost for a while ("away"), or once, before it hears ("unheard") or before it says."""

    trouble = ""


class Access:
    """A router's way to the store that all share, which ends with the router."""

    lasting = True

    def __init__(self, shelf):
        self.counters = shelf.counters
        self.shelf = shelf
        self.ended = False

    async def _ask(self, name, *given):
        await asyncio.sleep(0.001)
        shelf = self.shelf
        if self.ended or shelf.trouble == "away":
            raise StoreAway("the test took it away")
        if shelf.trouble and name == "admit" and any(command.append for command in given[0]):
            trouble, shelf.trouble = shelf.trouble, ""
            if trouble == "unsaid":
                await shelf.admit(*given)
            raise StoreAway(f"it is {trouble}")
        answer = await getattr(shelf, name)(*given)
        await asyncio.sleep(0.001)
        return answer

    def __getattr__(self, name):
        return lambda *given: self._ask(name, *given)


class Process:
    """A router, its connections, and what it may have acknowledged without the store's knowing."""

    def __init__(self, router, bus, access):
        self.router, self.bus, self.access = router, bus, access

    def untold(self):
        """How many events of each topic the store knows that may be acknowledged."""
        decider = self.router._intake._decider
        tenures = {turn.tenure for turn in (decider._turn, decider._ended) if turn is not None}
        known = self.access.shelf.unkeyed._topics.items()
        return Counter({name: len(topic.in_turn) for name, topic in known if topic.turn.tenure in tenures})


class Machine(RuleBasedStateMachine):
    def __init__(self):
        super().__init__()
        self.loop = VirtualLoop()
        self.patch = pytest.MonkeyPatch()
        for module in (intake, rollcall, spill, storage):
            self.patch.setattr(module, "monotonic", self.loop.time)
        self.patch.setattr(outlet, "RETRY_CAP", 0.05)
        for module in (outlet, storage):
            self.patch.setattr(module, "random", lambda: 0.5)
        self.patch.setattr(MemoryIntake, "flush", lambda intake, received: self._flush(intake, received))
        self.slow = 0.0
        self.shelf, self.processes, self.started = Shared(), [], 0
        self.published: Counter[tuple[str, bytes]] = Counter()
        self.alike: Counter[str] = Counter()
        """Twins that may be lost: nobody can have told the store that those before them were acknowledged."""
        self.broker = MemoryBroker()
        self.run(self._begin())

    def run(self, work):
        return self.loop.run_until_complete(work)

    async def _begin(self):
        self.edge = Edge(await opened(self.broker, "edge"))
        await self.edge.start()
        await self._start()

    async def _start(self):
        self.started += 1
        access = Access(self.shelf)
        bus = await opened(self.broker, f"bus {self.started}")
        router = made(bus, access, name=f"router {self.started}", auth={"secret": "x" * 40})
        await router.start()
        self.processes.append(Process(router, bus, access))

    async def _flush(self, intake, received):
        generation, connection = intake._generation, intake._connection
        await asyncio.sleep(self.slow)
        return intake._connection is connection is not None and received.generation == generation

    @rule(topic=st.sampled_from("ab"), twins=st.integers(1, 4), unique=st.integers(0, 3))
    def publish(self, topic, twins, unique):
        number = self.published.total()
        self.run(self._publish(topic, [TICK] * twins + [b"%d" % (number + place) for place in range(unique)]))

    async def _publish(self, topic, bodies):
        for body in bodies:
            self.published[topic, body] += 1
            self.broker.core.publish(topology.EVENTS, topic, Message(body), False)
        self.broker.wake()

    @rule(steps=st.integers(1, 40))
    def go_on(self, steps):
        async def some():
            for _ in range(steps):
                await asyncio.sleep(0)

        self.run(some())

    @rule(seconds=st.sampled_from((0.0005, 0.002, 0.005, 0.06, 0.3, 3.0)))
    def let_time_pass(self, seconds):
        self.run(asyncio.sleep(seconds))

    @rule(seconds=st.sampled_from((0.0, 0.002, 0.2)))
    def have_the_broker_answer_after(self, seconds):
        self.slow = seconds

    @precondition(lambda self: len(self.processes) < MOST)
    @rule()
    def start(self):
        self.run(self._start())

    @rule(
        trouble=st.sampled_from(("away", "unheard", "unsaid", "")),
        topic=st.sampled_from("ab"),
        later=st.sampled_from((0.0, 0.005, 0.06)),
    )
    def trouble_between_twins(self, trouble, topic, later):
        self.run(self._publish(topic, [TICK]))
        self.run(asyncio.sleep(later))
        self.shelf.trouble = trouble
        self.run(self._publish(topic, [TICK]))

    @rule(which=st.integers(0, MOST))
    def lose_the_connection(self, which):
        self.run(self._lose(self._one(which)))

    async def _lose(self, process):
        decider = process.router._intake._decider
        if decider._proof._answer is not None or decider._ended is not None or len(self.processes) > 1:
            self.alike += process.untold()  # who is next may ask the store before it was told
        process.bus.lose("the test cut it")

    @rule(which=st.integers(0, MOST))
    def kill(self, which):
        process = self._one(which)
        self.processes.remove(process)
        self.run(self._kill(process))
        if not self.processes:
            self.run(self._start())

    async def _kill(self, process):
        self.alike += process.untold()
        process.bus.crash()
        process.access.ended = True
        tasks = [process.router._intake._task, process.router._storage._task]
        for task in tasks:
            if task is not None:
                task.cancel()
        await asyncio.wait([task for task in tasks if task is not None])
        proof = process.router._intake._decider._proof
        if proof._answer is not None:
            await proof._answer

    @rule(which=st.integers(0, MOST))
    def stop(self, which):
        process = self._one(which)
        self.processes.remove(process)
        if process.router._storage.away or self.shelf.trouble:
            self.alike += process.untold()
        self.run(self._leave(process))
        if not self.processes:
            self.run(self._start())

    async def _leave(self, process):
        await process.router.stop()
        await process.bus.close()

    def _one(self, which):
        return self.processes[which % len(self.processes)]

    def teardown(self):
        try:
            self.run(self._end())
        finally:
            for process in self.processes:
                self.run(self._leave(process))
            self.run(self.edge.bus.close())
            self.patch.undo()
            self.loop.close()

    async def _end(self):
        self.slow, self.shelf.trouble = 0.0, ""
        await asyncio.sleep(PATIENCE)
        assert not await waiting(self.edge.bus)
        assert [each.router.counters.in_hand for each in self.processes] == [0] * len(self.processes)
        places = {}
        for entry in self.edge.entries:
            assert places.setdefault((entry.topic, entry.offset), entry.payload) == entry.payload
        assert set(places) == {(topic, place + 1) for topic, head in self.shelf.heads.items() for place in range(head)}
        logged = Counter((topic, payload) for (topic, _), payload in places.items())
        assert not logged - self.published, "logged twice"
        missing = self.published - logged
        assert all(body == TICK for _, body in missing), "lost"
        assert Counter({topic: count for (topic, _), count in missing.items()}) <= self.alike, "taken for another one"
        for topic in "ab":
            unique = [int(said) for (name, _), said in sorted(places.items()) if name == topic and said != TICK]
            assert unique == sorted(unique), "one overtook another"


TestMachine = Machine.TestCase
TestMachine.settings = settings(max_examples=60, stateful_step_count=25, deadline=None)
