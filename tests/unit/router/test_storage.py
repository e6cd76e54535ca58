"""What asks the store: who waits for it, who does not, and how it is found again."""

from __future__ import annotations

import asyncio
import logging

import pytest

from router import storage
from router.counters import Counters
from router.storage import Storage
from shared.errors import StoreAway
from shared.store.memory import MemoryStore
from shared.store.port import Admit, Admitted, Append, Limit, Read
from tests.support.eventually import eventually
from tests.unit.router.shelf import Shelf

RATE = Limit(("user", "ada"), 1.0, 1)


@pytest.fixture(autouse=True)
def _quick(monkeypatch):
    monkeypatch.setattr(storage, "RETRY_CAP", 0.01)


class Trying(Shelf):
    """A store that counts attempts to reach it, and fails on some topics in a way that nobody expected."""

    def __init__(self):
        super().__init__()
        self.attempts = 0
        self.poison = ""
        self.leaves_after = None

    def _reach(self):
        self.attempts += 1
        if self.leaves_after is not None and self.attempts > self.leaves_after:
            self.away = True
        super()._reach()

    async def admit(self, commands, now, turn=None):
        if any(command.append and command.append.topic == self.poison for command in commands):
            raise RuntimeError("surprise")
        return await super().admit(commands, now, turn)

    async def read(self, reads, now):
        if any(read.topic == self.poison for read in reads):
            raise RuntimeError("surprise")
        return await super().read(reads, now)


@pytest.fixture
async def asked():
    """A storage and its store."""
    store = Trying()
    asked = Storage(store, MemoryStore(), Counters())
    asked.store, asked.counters = store, asked._counters
    yield asked
    await asked.stop()


def appending(topic, key=None):
    return Admit((), Append(topic, b"1", 5, 60, key))


def told(outcomes):
    """The offset of each that was appended, True for what was let through, and the kind of each error."""
    return [
        type(each).__name__
        if isinstance(each, Exception)
        else each.position.offset
        if each.position
        else not each.retry_after
        for each in outcomes
    ]


async def test_commands_are_carried_out_in_their_order(asked):
    assert told(await asked.admit([appending("a"), Admit(()), appending("a")])) == [1, True, 2]
    assert await asked.admit([]) == ()
    assert asked.store.attempts == 1


async def test_while_the_store_is_away_rates_are_kept_here_and_logs_cannot_be_had(asked):
    asked.store.away = True
    commands = [appending("a"), Admit((RATE,)), Admit((RATE,)), appending("a"), Admit(())]
    assert told(await asked.admit(commands)) == ["StoreUnsure", True, False, "StoreUnsure", True]
    assert asked.away
    assert told(await asked.admit([appending("a")])) == ["StoreAway"], "nobody asked"
    assert await asked.recent(5.0) is None
    assert await asked.read([Read("a")]) == {}
    assert asked.counters.limited_alone == 2


async def test_nobody_waits_for_a_store_that_is_known_to_be_away(asked, monkeypatch):
    monkeypatch.setattr(storage, "RETRY_BASE", 1000.0)
    monkeypatch.setattr(storage, "RETRY_CAP", 1000.0)
    asked.store.away = True
    for _ in range(50):
        await asked.admit([appending("a")])
        await asked.read([Read("a")])
        await asked.recent(1.0)
    assert asked.store.attempts == 1


async def test_a_store_that_comes_back_is_found_and_told_of_once(asked, caplog):
    caplog.set_level(logging.INFO)
    came = []
    asked.on_back = lambda: came.append(asked.away)
    asked.store.away = True
    for _ in range(5):
        await asked.admit([appending("a")])
    assert asked.counters.store_away == 1
    await eventually(lambda: asked.store.attempts > 5)
    asked.store.away = False
    await eventually(lambda: came)
    assert came == [False]
    assert (asked.away, asked.counters.store_away, asked.counters.store_losses) == (False, 0, 1)
    assert asked.counters.store_away_seconds > 0
    assert told(await asked.admit([appending("a")])) == [1]
    assert [record.event for record in caplog.records] == ["store.away", "store.back"]


async def test_to_knock_at_the_store_changes_no_log(asked):
    asked.store.away = True
    await asked.admit([appending("a")])
    asked.store.away = False
    await eventually(lambda: not asked.away)
    assert asked.store.logs == {}


@pytest.mark.parametrize("call", [lambda asked: asked.read([Read("a")]), lambda asked: asked.recent(1.0)])
async def test_a_store_may_go_away_between_two_calls(asked, call):
    await asked.admit([appending("a")])
    asked.store.away = True
    assert not await call(asked)
    assert asked.away


async def test_who_is_not_to_ask_appends_nothing(asked):
    assert told(await asked.admit([appending("a"), Admit(())], ask=False)) == ["StoreAway", True]
    assert (asked.store.attempts, asked.away) == (0, False)


async def test_a_command_that_the_store_fails_on_costs_the_others_nothing(asked):
    asked.store.poison = "b"
    assert told(await asked.admit([appending("a"), appending("b"), appending("a")])) == [1, "RuntimeError", 2]


async def test_nothing_overtakes_what_could_not_be_appended_though_the_store_is_back_at_once(asked, monkeypatch):
    asked.store.poison = "b"
    asked.store.leaves_after = 1
    alone = Storage._admit_alone

    async def slowly(self, commands, why):
        if asked.away and asked.store.away:
            asked.store.leaves_after, asked.store.away = None, False
            await eventually(lambda: not asked.away)
        return await alone(self, commands, why)

    monkeypatch.setattr(Storage, "_admit_alone", slowly)
    outcomes = told(await asked.admit([appending("a"), appending("b"), appending("a"), appending("a")]))
    assert outcomes == [1, "RuntimeError", "StoreUnsure", "StoreAway"]


async def test_a_log_that_the_store_fails_on_costs_the_others_nothing(asked, caplog):
    asked.store.poison = "b"
    assert list(await asked.read([Read("a"), Read("b"), Read("c")])) == [Read("a"), Read("c")]
    assert asked.counters.faults == 1
    assert asked.counters.logs_read == 2


async def test_a_store_that_takes_knocks_and_no_work_is_asked_less_and_less(asked, monkeypatch):
    waits = []
    monkeypatch.setattr(storage, "full_jitter", lambda attempt, chance, base, cap: waits.append(attempt) or 0.0)

    async def refuses(commands, now, turn=None):
        if commands[0].append is not None:
            raise StoreAway("out of memory")
        return [Admitted(0.0)]

    monkeypatch.setattr(asked.store, "admit", refuses)
    for _ in range(4):
        await asked.admit([appending("a")])
        await eventually(lambda: not asked.away)
    assert waits == [0, 1, 2, 3]


async def test_after_a_stop_nobody_knocks(asked):
    asked.store.away = True
    await asked.admit([appending("a")])
    await asked.stop()
    attempts = asked.store.attempts
    await asyncio.sleep(5 * storage.RETRY_CAP)
    assert asked.store.attempts == attempts


async def test_attempts_are_counted_by_the_store_and_forgotten_when_settled(asked):
    assert [await asked.begin("a", number) for number in (2, 2, 3)] == [1, 1, 2]
    await asked.settle("a")
    assert await asked.begin("a", 4) == 1


async def test_nobody_counts_attempts_while_the_store_is_away_or_where_it_ends_with_us(asked):
    asked.store.lasting = False
    assert await asked.begin("a", 2) is None
    await asked.settle("a")
    asked.store.lasting, asked.store.away = True, True
    assert await asked.begin("a", 2) is None
    assert asked.away
    attempts = asked.store.attempts
    assert await asked.begin("a", 3) is None
    await asked.settle("a")
    assert asked.store.attempts == attempts, "it is not asked"


async def test_a_store_that_goes_away_before_an_attempt_is_settled_harms_nobody(asked):
    assert await asked.begin("a", 2) == 1
    asked.store.away = True
    await asked.settle("a")
    assert asked.away
