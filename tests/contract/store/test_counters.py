"""What a store counts, for whoever measures it."""

from time import monotonic

from shared.store.port import Admit, Read, Store
from shared.store.roll import Attend, Roll
from tests.contract.store.asking import admit, append, limit


async def test_calls_and_what_is_in_them_are_counted_by_what_they_ask_for(store: Store) -> None:
    now = monotonic()
    await admit(store, append("a", b"1"), append("b", b"1"), Admit((limit("mine"),)))
    await store.read([Read("a"), Read("b")], now)
    await store.recent(5.0, now)
    await store.call(Roll(20.0, commands=[Attend("a")]), now)
    await store.begin("k", 1, now)
    await store.settle("k", now)
    counted = store.counters
    assert counted.calls == {"admit": 1, "read": 1, "recent": 1, "presence": 1, "attempt": 2}
    assert counted.items == {"admit": 3, "read": 2, "recent": 1, "presence": 1, "attempt": 2}
    assert (counted.failures, counted.refused) == (0, 0)


async def test_what_is_repeated_or_refused_is_not_counted_as_appended(store: Store) -> None:
    await admit(store, append("a", b"1", key=("k",)), append("a", b"1", key=("k",)), append("a", b"2"))
    mine = limit("mine")
    await admit(store, Admit((mine,)), Admit((mine,), append("a", b"3").append))
    assert store.counters.appended == 2
