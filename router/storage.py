"""Asks the store, and knows when it is away.

While it is, nobody waits for it: rates are checked by what this router alone lets through, and what needs a log is told
that it cannot be had. One attempt at a time is made to reach it, with growing pauses, beside the turns.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from random import random
from typing import Protocol

from router import journal
from router.counters import Counters
from router.plan import Recent
from shared.backoff import full_jitter
from shared.clock import monotonic, wall
from shared.errors import StoreAway, StoreUnsure
from shared.store.port import Admit, Admitted, Limit, Log, Read, Store, Turn
from shared.store.roll import Called, Roll

RETRY_BASE = 0.05
RETRY_CAP = 2.0
"""Seconds of the first and of the longest span within which it is tried again to reach the store."""

_KNOCK = (Admit((Limit(("router", "knock"), 1e6, 1_000_000),)),)
"""A command that writes, as ours do, and changes nothing for anybody."""


class Rates(Protocol):
    """What knows rates, and need not know logs."""

    async def admit(self, commands: Sequence[Admit], now: float) -> Sequence[Admitted]:
        """See `shared.store.port.Store.admit`."""


class Storage:
    """The `store`, and the one that stands in for its rates while it is away.

    `on_back` is called when the store can be reached again.
    """

    def __init__(self, store: Store, stand_in: Rates, counters: Counters) -> None:
        self.on_back: Callable[[], None] = lambda: None
        self._store = store
        self._stand_in = stand_in
        self._counters = counters
        self.back_at = 0.0
        """When the store could be reached again at last; monotonic, 0 where it was never away."""
        self._attempt = 0
        self._since = 0.0
        self._counted_until = 0.0
        self._task: asyncio.Task[None] | None = None

    @property
    def away(self) -> bool:
        """Say whether the store cannot be reached."""
        return self._task is not None

    async def stop(self) -> None:
        """Try no more to reach the store."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait((self._task,))

    async def admit(
        self, commands: Sequence[Admit], turn: Turn | None = None, *, ask: bool = True
    ) -> Sequence[Admitted | Exception]:
        """Have `commands` carried out, and return the outcome of each; an exception where there is none.

        That is `StoreAway` for what needs a log, where the store is away or we are not to `ask` it, and `StoreUnsure`
        where it was lost as we asked. One that the store fails on costs the others nothing but a second call.
        """
        if not commands:
            return ()
        if self.away or not ask:
            return await self._admit_alone(commands, StoreAway("the store is away"))
        try:
            admissions = await self._store.admit(commands, monotonic(), turn)
        except StoreAway as reason:
            self._lose(reason)
            return await self._admit_alone(commands, StoreUnsure(str(reason)))
        except Exception as fault:
            if len(commands) == 1:
                return [fault]
            return await self._admit_one_by_one(commands, turn)
        self._attempt = 0
        return admissions

    async def begin_turn(self, turn: Turn) -> bool:
        """Tell the store that the turns before this one are acknowledged; return whether it heard."""
        if self.away:
            return False
        try:
            await self._store.admit((), monotonic(), turn)
        except StoreAway as reason:
            self._lose(reason)
            return False
        except Exception as fault:
            self._count_fault(fault)
            return False
        return True

    async def recent(self, within: float) -> Recent | None:
        """Return the topics whose logs grew within so many seconds; None where the store cannot say."""
        if self.away:
            return None
        try:
            topics = await self._store.recent(within, monotonic())
            # Asked for behind them, so that a store that is emptied in between shows it.
            age = await self._store.age(monotonic())
            return Recent(topics, wall() - age)
        except StoreAway as reason:
            self._lose(reason)
        except Exception as fault:
            self._count_fault(fault)
        return None

    async def read(self, reads: Sequence[Read]) -> dict[Read, Log]:
        """Return what was read, without what could not be. One that the store fails on costs the others a few calls."""
        if not reads or self.away:
            return {}
        try:
            logs = await self._store.read(reads, monotonic())
        except StoreAway as reason:
            self._lose(reason)
            return {}
        except Exception as fault:
            if len(reads) == 1:
                self._count_fault(fault)
                return {}
            half = len(reads) // 2
            return await self.read(reads[:half]) | await self.read(reads[half:])
        self._counters.logs_read += len(reads)
        return dict(zip(reads, logs, strict=True))

    async def call(self, roll: Roll) -> Called | None:
        """Return the outcome of a roll; None where there is none, as the store is away or fails on it."""
        if self.away:
            return None
        try:
            return await self._store.call(roll, monotonic())
        except StoreAway as reason:
            self._lose(reason)
        except Exception as fault:
            self._count_fault(fault)
        return None

    async def begin(self, key: str, number: int) -> int | None:
        """Return how many attempts have begun, this one included; None where nobody can say that outlives us."""
        if self.away or not self._store.lasting:
            return None
        try:
            return await self._store.begin(key, number, monotonic())
        except StoreAway as reason:
            self._lose(reason)
        except Exception as fault:
            self._count_fault(fault)
        return None

    async def settle(self, key: str) -> None:
        """Have attempts forgotten, where that can be; else they are in time, and count for a twin until then."""
        if self.away or not self._store.lasting:
            return
        try:
            await self._store.settle(key, monotonic())
        except StoreAway as reason:
            self._lose(reason)
        except Exception as fault:
            self._count_fault(fault)

    async def _admit_one_by_one(
        self, commands: Sequence[Admit], turn: Turn | None
    ) -> Sequence[Admitted | Exception]:
        outcomes: list[Admitted | Exception] = []
        lost = False
        for command in commands:
            # Though it may be back by now: what comes after one that was not appended must not overtake it.
            outcomes += await self.admit([command], turn, ask=not lost)
            lost = lost or isinstance(outcomes[-1], StoreAway)
        return outcomes

    async def _admit_alone(self, commands: Sequence[Admit], away: StoreAway) -> Sequence[Admitted | Exception]:
        unlogged = [command for command in commands if command.append is None]
        self._counters.limited_alone += sum(bool(command.limits) for command in unlogged)
        admissions = iter(await self._stand_in.admit(unlogged, monotonic()))
        return [next(admissions) if command.append is None else away for command in commands]

    def _lose(self, reason: StoreAway) -> None:
        self._since = self._counted_until = monotonic()
        self._counters.store_away = 1
        self._counters.store_losses += 1
        journal.store_away(reason)
        self._task = asyncio.create_task(self._come_back(), name="storage")

    async def _come_back(self) -> None:
        """Try until the store takes a command."""
        while True:
            await asyncio.sleep(full_jitter(self._attempt, random(), base=RETRY_BASE, cap=RETRY_CAP))
            # Begins anew only when work was done: a store that lets us knock and no more is not asked more often.
            self._attempt += 1
            self._counters.retries += 1
            self._count_time()
            try:
                await self._store.admit(_KNOCK, monotonic())
                await self._store.age(monotonic())  # where it has lost everything, from now on it is counted
            except StoreAway:
                continue
            except Exception as fault:
                self._count_fault(fault)
                continue
            break
        self._task = None
        self._count_time()
        self._counters.store_away = 0
        self.back_at = monotonic()
        journal.store_back(monotonic() - self._since)
        self.on_back()

    def _count_time(self) -> None:
        now = monotonic()
        self._counters.store_away_seconds += now - self._counted_until
        self._counted_until = now

    def _count_fault(self, fault: Exception) -> None:
        self._counters.faults += 1
        journal.failed([fault])
