"""Rates: all or none, in order, shared by key."""

import pytest

from shared.store.port import Admit, Admitted, Append, Store
from tests.contract.store.asking import admit, append, head, limit, one
from tests.support.eventually import eventually


async def test_a_command_without_limits_and_entry_is_let_through(store: Store) -> None:
    assert await one(store, Admit(())) == Admitted(0.0)


async def test_an_empty_batch_has_an_empty_answer(store: Store) -> None:
    assert list(await admit(store)) == []


async def test_a_rate_that_is_used_up_refuses_and_says_for_how_long(store: Store) -> None:
    mine = limit("user", "ada", rate=0.5, burst=3)
    assert [(await one(store, Admit((mine,)))).retry_after for _ in range(3)] == [0, 0, 0]
    refused = await one(store, Admit((mine,)))
    assert refused.retry_after == pytest.approx(2, abs=1.5)
    assert refused.refused_by == mine


async def test_what_is_refused_is_let_through_once_the_rate_has_filled_up_again(store: Store) -> None:
    mine = limit("user", "ada", rate=5.0)
    await one(store, Admit((mine,)))
    assert 0 < (await one(store, Admit((mine,)))).retry_after <= 0.2

    async def let_through() -> bool:
        return (await one(store, Admit((mine,)))).retry_after == 0

    await eventually(let_through)


async def test_of_several_that_refuse_the_longest_wait_is_told(store: Store) -> None:
    quick, slow = limit("quick", rate=0.1), limit("slow", rate=0.01)
    await one(store, Admit((quick, slow)))
    for limits in ((quick, slow), (slow, quick)):
        refused = await one(store, Admit(limits))
        assert refused.refused_by == slow
        assert refused.retry_after == pytest.approx(100, abs=5)


async def test_a_limit_that_refuses_leaves_the_others_unspent(store: Store) -> None:
    shared, mine = limit("shared", burst=2), limit("mine")
    await one(store, Admit((shared, mine)))
    assert (await one(store, Admit((shared, mine)))).refused_by == mine
    assert (await one(store, Admit((shared,)))).retry_after == 0
    assert (await one(store, Admit((shared,)))).retry_after > 0


async def test_commands_of_one_batch_are_carried_out_in_their_order(store: Store) -> None:
    answers = await admit(store, *[Admit((limit("a", burst=2),)) for _ in range(4)])
    assert [answer.retry_after == 0 for answer in answers] == [True, True, False, False]


async def test_keys_that_look_alike_when_joined_stay_apart(store: Store) -> None:
    for key in (("user", "a.b"), ("user.a", "b"), ("user", "a", "b"), ("user", 1), ("user", "1"), ("user:a", "b")):
        assert (await one(store, Admit((limit(*key),)))).retry_after == 0


async def test_what_is_refused_is_not_appended_and_uses_no_offset(store: Store) -> None:
    mine = limit("mine")
    command = Admit((mine,), Append("orders", b"x", 10, 60, ("k",)))
    first, second = await admit(store, command, Admit((mine,), Append("orders", b"y", 10, 60, ("l",))))
    assert first.position is not None
    assert (first.position.offset, second.position, second.refused_by) == (1, None, mine)
    assert (await head(store, "orders"))[1] == 1
    third = await one(store, append("orders", b"y", key=("l",)))
    assert third.position is not None
    assert (third.position.offset, third.repeated) == (2, False)


async def test_a_large_burst_is_not_eaten_by_rounding(store: Store) -> None:
    mine = limit("third", rate=1 / 3, burst=300)
    answers = await admit(store, *[Admit((mine,)) for _ in range(300)])
    assert [answer.retry_after for answer in answers] == [0] * 300
