"""Who is where: by user, by session, by gateway."""

from __future__ import annotations

from time import monotonic
from typing import Any

import pytest

from shared.store.port import Store
from shared.store.roll import LOOKED_AT, Attend, Attendance, Called, Member, Roll
from shared.topics import PARTITIONS, partition
from tests.support.eventually import eventually

LINGER, BRIEF, LEASE = 60.0, 0.2, 60.0
"""Seconds: one that does not end within a test, one that does, and a lease."""
SHORT = 0.3
"""Seconds of a lease that runs out within a test."""


def one(user: str, number: int = 1, gateway: str = "g1", info: bytes = b"\xc0") -> Member:
    return Member(user, f"{gateway}.{number}", info)


def come(*members: Member, topic: str = "a", gateway: str = "g1", **more: Any) -> Attend:
    return Attend(topic, gateway, came=members, **{"linger": LINGER} | more)


def go(*members: Member, topic: str = "a", gateway: str = "g1", linger: float = 0.0, stays: bool = True) -> Attend:
    return Attend(topic, gateway, went=members, linger=linger, stays=stays)


async def call(store: Store, *commands: Attend, lease: float = LEASE, **more: Any) -> Called:
    gateways = dict.fromkeys(command.gateway for command in commands if command.gateway)
    return await store.call(Roll(lease, **{"gateways": tuple(gateways)} | more, commands=commands), monotonic())


async def attend(store: Store, command: Attend, **more: Any) -> Attendance:
    [attendance] = (await call(store, command, **more)).attendances
    return attendance


async def look(store: Store, topic: str = "a", limit: int = 100, **more: Any) -> Attendance:
    return await attend(store, Attend(topic, limit=limit, **more))


def users(members: Any) -> list[str]:
    return sorted(member.user for member in members)


async def test_nobody_is_at_a_topic_that_nobody_came_to(store: Store) -> None:
    assert await look(store) == Attendance("a", [], [], 0, 0, [])


async def test_who_comes_has_joined_and_is_listed_with_session_and_info(store: Store) -> None:
    info = b"\x81\xa4name\xa3\xff\x00\x0a"
    ann, bob = one("ann", info=info), one("bob ü", 2)
    assert list((await attend(store, come(ann, bob))).joined) == [ann, bob]
    found = await look(store)
    assert (found.count, found.sessions, sorted(found.members)) == (2, 2, sorted([ann, bob]))
    assert (await look(store, "b")).count == 0


async def test_a_user_joins_with_the_first_session_and_leaves_with_the_last(store: Store) -> None:
    first, second, third = one("ann", 1), one("ann", 2), one("ann", 3, "g2")
    assert list((await attend(store, come(first, second))).joined) == [first]
    assert not (await attend(store, come(third, gateway="g2"))).joined
    found = await look(store)
    assert (found.count, found.sessions, list(found.members)) == (1, 3, [first])
    assert not (await attend(store, go(first))).left
    assert (await look(store)).members[0] in (second, third)
    assert not (await attend(store, go(third, gateway="g2"))).left
    assert list((await attend(store, go(second))).left) == [second]
    assert (await look(store)).count == 0


async def test_what_is_said_twice_changes_nothing(store: Store) -> None:
    ann = one("ann")
    await attend(store, come(ann))
    assert not (await attend(store, come(ann))).joined
    assert (await look(store)).sessions == 1
    assert list((await attend(store, go(ann))).left) == [ann]
    assert not (await attend(store, go(ann))).left
    assert not (await attend(store, go(one("nobody", 9)))).left


async def test_a_report_may_tell_of_both_and_who_has_come_back_has_not_left(store: Store) -> None:
    await attend(store, come(one("ann")))
    both = Attend("a", "g1", came=(one("bob", 2), one("ann", 3)), went=(one("ann"),))
    attendance = await attend(store, both)
    assert (users(attendance.joined), users(attendance.left)) == (["bob"], [])
    assert (await look(store)).sessions == 2


async def test_who_lingers_is_there_and_who_comes_back_has_never_left(store: Store) -> None:
    await attend(store, come(one("ann")))
    assert not (await attend(store, go(one("ann"), linger=LINGER, stays=False))).left
    found = await look(store)
    assert (found.count, found.sessions, users(found.members)) == (1, 0, ["ann"])
    again = one("ann", 7, "g2")
    assert not (await attend(store, come(again, gateway="g2"))).joined
    found = await look(store)
    assert (found.count, found.sessions, list(found.members)) == (1, 1, [again])


async def test_who_lingered_long_enough_is_found_gone_by_whoever_looks_and_once(store: Store) -> None:
    ann = one("ann")
    await attend(store, come(ann, one("bob", 2)))
    await attend(store, go(ann, linger=BRIEF))
    left: list[Member] = []

    async def gone() -> bool:
        found = await look(store)
        left.extend(found.left)
        return found.count == 1

    await eventually(gone)
    assert left == [ann]
    assert not (await look(store)).left


async def test_who_came_back_is_not_gone_when_the_time_is_over(store: Store) -> None:
    await attend(store, come(one("ann"), one("bob", 2)))
    await attend(store, go(one("ann"), one("bob", 2), linger=BRIEF))
    await attend(store, come(one("ann", 3)))

    async def bob_is_gone() -> bool:
        found = await look(store)
        assert "ann" in users(found.members)
        return found.count == 1

    await eventually(bob_is_gone)


async def test_the_list_is_capped_in_number_and_in_bytes_and_the_count_is_exact(store: Store) -> None:
    for start in range(0, 300, 100):
        await attend(store, come(*(one(f"user-{number}", number) for number in range(start, start + 100))))
    found = await look(store, limit=7)
    assert (found.count, found.sessions) == (300, 300)
    assert len({member.user for member in found.members}) == len(found.members) == 7
    assert len({member.user for member in (await look(store, limit=1000)).members}) == 300
    large = b"\xc6" + (30_000).to_bytes(4) + b"x" * 30_000
    await attend(store, come(*(one(f"user-{number}", number, info=large) for number in range(5)), topic="large"))
    found = await look(store, "large")
    assert (found.count, len(found.members)) == (5, 2)


async def test_all_sessions_are_listed_where_that_is_wanted_and_of_one_user(store: Store) -> None:
    await attend(store, come(one("ann", 1), one("ann", 2), one("bob", 3)))
    assert users((await look(store, each=True)).members) == ["ann", "ann", "bob"]
    assert len((await look(store, each=True, limit=2)).members) == 2
    found = await look(store, each=True, user="ann")
    assert (users(found.members), found.sessions) == (["ann", "ann"], 2)
    assert await look(store, each=True, user="eve") == Attendance("a", [], [], 2, 0, [])


async def test_the_sessions_of_a_user_are_counted_exactly_however_few_are_listed(store: Store) -> None:
    large = b"\xc6" + (30_000).to_bytes(4) + b"x" * 30_000
    await attend(store, come(*(one("ann", number, info=large) for number in range(5)), one("bob", 7)))
    await attend(store, come(one("ann", 1, "g2"), gateway="g2"))
    await attend(store, go(one("ann", 2)))
    for limit, listed in ((1, 1), (100, 2)):
        found = await look(store, each=True, user="ann", limit=limit)
        assert (found.sessions, users(found.members)) == (5, ["ann"] * listed)
    await attend(store, go(one("bob", 7), linger=LINGER))
    found = await look(store, each=True, user="bob")
    assert (found.sessions, users(found.members)) == (0, ["bob"]), "who lingers has no session"


async def test_a_topic_of_any_name_and_a_user_of_any_name_stay_apart(store: Store) -> None:
    topics = ["a", "a:b", "of:g1:a", "here:a", "/g1"]
    for topic in topics:
        await attend(store, come(one(f"user of {topic}"), topic=topic))
    for topic in topics:
        assert users((await look(store, topic)).members) == [f"user of {topic}"]


async def test_many_commands_are_carried_out_in_their_order(store: Store) -> None:
    commands = [come(one(f"user-{number}", number), topic=f"t.{number % 50}") for number in range(300)]
    called = await call(store, *commands, *(Attend(f"t.{number}") for number in range(50)))
    assert [attendance.topic for attendance in called.attendances[:300]] == [command.topic for command in commands]
    assert all(len(attendance.joined) == 1 for attendance in called.attendances[:300])
    assert [attendance.count for attendance in called.attendances[300:]] == [6] * 50


# Leases.


async def test_a_lease_keeps_its_name_as_long_as_it_is_renewed(store: Store) -> None:
    first = await call(store, gateways=("g1", "g2"))
    again = await call(store, gateways=("g1",))
    assert again.leases == {"g1": first.leases["g1"]}
    assert sorted(again.alive) == ["g1", "g2"]


async def test_a_lease_that_ran_out_is_another_one_when_it_comes_back(store: Store) -> None:
    first = await call(store, gateways=("g1",), lease=SHORT)

    async def run_out() -> bool:
        return not (await call(store)).alive

    await eventually(run_out)
    again = await call(store, gateways=("g1",))
    assert again.leases["g1"] != first.leases["g1"]
    assert list(again.alive) == ["g1"]


async def test_what_a_dead_gateway_reported_counts_no_more(store: Store) -> None:
    ann, bob, both = one("ann", 1), one("bob", 2), one("eve", 3)
    await attend(store, come(ann, bob, both), lease=SHORT)
    await attend(store, come(one("eve", 1, "g2"), one("kim", 2, "g2"), gateway="g2"))
    left: list[Member] = []

    async def gone() -> bool:
        found = await look(store)
        left.extend(found.left)
        return found.count == 2

    await eventually(gone)
    assert sorted(left) == [ann, bob]
    found = await look(store)
    assert (users(found.members), found.sessions) == (["eve", "kim"], 2)


async def test_who_lingers_of_a_dead_gateway_is_gone_in_time_and_once(store: Store) -> None:
    await attend(store, come(one("ann")), lease=SHORT)
    await attend(store, go(one("ann"), linger=BRIEF, stays=False), lease=SHORT)
    left: list[Member] = []

    async def gone() -> bool:
        found = await look(store)
        left.extend(found.left)
        return found.count == 0

    await eventually(gone)
    assert users(left) == ["ann"]


async def test_leases_that_ran_out_count_where_they_are_spared(store: Store) -> None:
    await attend(store, come(one("ann")), lease=SHORT)

    async def run_out() -> bool:
        return not (await call(store)).alive

    await eventually(run_out)
    spared = await call(store, Attend("a"), spare=True)
    assert (spared.attendances[0].count, list(spared.alive)) == (1, ["g1"])
    renewed = await call(store, Attend("a"), gateways=("g1",))
    assert renewed.attendances[0].count == 1


# Looking at topics whose time has come.


async def test_topics_are_looked_at_when_somebody_is_gone_for_good_in_their_partition_alone(store: Store) -> None:
    await attend(store, come(one("ann")))
    await attend(store, go(one("ann"), linger=BRIEF, stays=False))
    here = partition("a")
    others = tuple(number for number in range(PARTITIONS) if number != here)
    looked: list[Attendance] = []

    async def seen() -> bool:
        assert not (await call(store, partitions=others)).looked
        looked.extend((await call(store, partitions=(here,))).looked)
        return bool(looked)

    await eventually(seen)
    assert [(each.topic, users(each.left), each.count) for each in looked] == [("a", ["ann"], 0)]
    assert not (await call(store, partitions=(here,))).looked


async def test_topics_of_a_gateway_that_died_are_looked_at_once(store: Store) -> None:
    await call(store, come(one("ann"), topic="a"), come(one("bob", 2), topic="b"), lease=SHORT)
    await call(store, come(one("kim", 1, "g2"), gateway="g2"))
    looked: list[Attendance] = []

    async def seen() -> bool:
        looked.extend((await call(store, partitions=tuple(range(PARTITIONS)))).looked)
        return len(looked) == 2

    await eventually(seen)
    assert sorted((each.topic, users(each.left), each.count) for each in looked) == [
        ("a", ["ann"], 1),
        ("b", ["bob"], 0),
    ]
    assert not (await call(store, partitions=tuple(range(PARTITIONS)))).looked


async def test_a_topic_that_a_gateway_has_left_is_not_looked_at_for_its_death(store: Store) -> None:
    await call(store, come(one("ann"), topic="a"), come(one("bob", 2), topic="b"), lease=SHORT)
    await call(store, go(one("ann"), topic="a", stays=False), lease=SHORT)
    looked: list[str] = []

    async def seen() -> bool:
        looked.extend(each.topic for each in (await call(store, partitions=tuple(range(PARTITIONS)))).looked)
        return "b" in looked

    await eventually(seen)
    assert looked == ["b"]


async def test_where_many_topics_wait_some_are_looked_at_and_more_is_said(store: Store) -> None:
    number = partition("t.0")
    topics = [topic for topic in (f"t.{count}" for count in range(10_000)) if partition(topic) == number]
    topics = topics[: LOOKED_AT + 10]
    for start in range(0, len(topics), 100):
        await call(store, *(come(one("ann"), topic=topic) for topic in topics[start : start + 100]), lease=SHORT)
    looked: list[str] = []
    said: list[tuple[int, bool]] = []

    async def all_seen() -> bool:
        called = await call(store, partitions=(number,))
        looked.extend(each.topic for each in called.looked)
        said.append((len(called.looked), called.more))
        return len(looked) == len(topics)

    await eventually(all_seen)
    assert sorted(looked) == sorted(topics)
    assert [each for each in said if each[0]] == [(LOOKED_AT, True), (10, False)]


@pytest.mark.parametrize("count", [0, 1])
async def test_an_empty_batch_does_nothing(store: Store, count: int) -> None:
    called = await call(store, *[Attend("a")] * count)
    assert (called.leases, list(called.alive), list(called.looked), called.more) == ({}, [], [], False)
