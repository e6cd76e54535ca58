import pytest

from shared.store.memory import MemoryStore
from shared.store.port import Admit, Admitted, Append, Limit


def limit(*key, rate=1.0, burst=1):
    return Limit(key, rate, burst)


async def admit(store, *limits, now=0.0):
    [admitted] = await store.admit([Admit(limits)], now)
    return admitted


async def test_a_command_without_limits_is_let_through():
    assert await admit(MemoryStore()) == Admitted(0.0)


async def test_a_rate_that_is_used_up_refuses_and_says_for_how_long():
    store = MemoryStore()
    mine = limit("user", "ada", rate=2.0, burst=3)
    assert [(await admit(store, mine)).retry_after for _ in range(3)] == [0, 0, 0]
    refused = await admit(store, mine)
    assert refused.retry_after == pytest.approx(0.5)
    assert refused.refused_by == mine
    assert (await admit(store, mine, now=0.5)).retry_after == 0


async def test_of_several_that_refuse_the_longest_wait_is_told():
    store = MemoryStore()
    quick, slow = limit("quick", rate=10.0), limit("slow", rate=0.1)
    await admit(store, quick, slow)
    refused = await admit(store, quick, slow)
    assert refused.refused_by == slow
    assert refused.retry_after == pytest.approx(10)


async def test_a_limit_that_refuses_leaves_the_others_unspent():
    store = MemoryStore()
    shared, mine = limit("shared", burst=2), limit("mine")
    await admit(store, shared, mine)
    assert (await admit(store, shared, mine)).refused_by == mine
    assert (await admit(store, shared)).retry_after == 0


async def test_commands_of_one_batch_are_carried_out_in_their_order():
    store = MemoryStore()
    first, second = await store.admit([Admit((limit("a"),)), Admit((limit("a"),))], 0.0)
    assert (first.retry_after, second.retry_after) == (0, pytest.approx(1))


async def test_keys_that_look_alike_when_joined_stay_apart():
    store = MemoryStore()
    await admit(store, limit("user", "a.b"))
    assert (await admit(store, limit("user.a", "b"))).retry_after == 0
    assert (await admit(store, limit("user", "a", "b"))).retry_after == 0


async def test_beyond_its_bound_it_forgets_the_longest_unused_rate():
    store = MemoryStore(max_keys=2)
    for key in ("a", "b", "a2", "a"):
        await admit(store, limit(key, burst=9))
    assert store.rates == 2
    assert store.counters.rates_evicted == 2
    used = MemoryStore(max_keys=2)
    for key in ("a", "b", "a", "c"):
        await admit(used, limit(key, burst=2))
    assert (await admit(used, limit("a", burst=2))).retry_after > 0, "a was used later than b, and is still known"


async def test_forgetting_a_rate_that_is_whole_again_is_not_counted_as_forgiving():
    store = MemoryStore(max_keys=1)
    await admit(store, limit("a", rate=1.0), now=0.0)
    await admit(store, limit("b", rate=1.0), now=5.0)
    assert (store.counters.rates_evicted, store.counters.rates_forgiven) == (1, 0)
    await admit(store, limit("c", rate=1.0), now=5.1)
    assert (store.counters.rates_evicted, store.counters.rates_forgiven) == (2, 1)


async def test_closing_forgets_everything():
    store = MemoryStore()
    await admit(store, limit("a"))
    await store.close()
    assert store.rates == 0


async def test_it_remembers_everything_since_the_last_entry_of_a_log_that_it_had_no_room_for():
    store = MemoryStore(max_logs=1)
    for at, topic in ((5.0, "a"), (7.0, "b")):
        await store.admit([Admit((), Append(topic, b"", 10, 60))], at)
    assert await store.age(8.0) == 3.0
