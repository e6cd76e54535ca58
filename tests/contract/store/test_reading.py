"""What is read, from where, how much."""

import asyncio
from time import monotonic

import pytest

from shared.store.port import MAX_RECENT, Read, Store
from shared.topics import slot
from tests.contract.store.asking import admit, append, fill, head, offsets, read
from tests.support.eventually import eventually


async def test_a_topic_without_a_log_is_given_one_by_being_read(store: Store) -> None:
    log = await read(store, "new")
    assert (log.head, log.first, list(log.entries)) == (0, 1, [])
    assert await head(store, "new") == (log.epoch, 0)
    assert await fill(store, "new", 1) == log.epoch


async def test_a_limit_of_nothing_tells_where_the_log_stands(store: Store) -> None:
    epoch = await fill(store, "a", 9, history=4)
    log = await read(store, "a", limit=0)
    assert (log.epoch, log.head, log.first, list(log.entries)) == (epoch, 9, 6, [])


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ({}, [3, 4, 5, 6, 7, 8, 9, 10, 11, 12]),
        ({"after": 9}, [10, 11, 12]),
        ({"after": 12}, []),
        ({"after": 99}, []),
        ({"after": 1}, [3, 4, 5, 6, 7, 8, 9, 10, 11, 12]),
        ({"before": 5}, [3, 4]),
        ({"before": 3}, []),
        ({"before": 1}, []),
        ({"before": 99, "after": 10}, [11, 12]),
        ({"after": 5, "before": 9}, [6, 7, 8]),
        ({"after": 5, "before": 6}, []),
        ({"after": 8, "before": 6}, []),
        ({"limit": 2}, [3, 4]),
        ({"limit": 2, "newest": True}, [11, 12]),
        ({"limit": 2, "before": 9, "newest": True}, [7, 8]),
        ({"limit": 99, "after": 10, "newest": True}, [11, 12]),
        ({"limit": 2, "after": 7, "before": 11}, [8, 9]),
    ],
)
async def test_a_range_is_read_in_ascending_order(store: Store, asked: dict[str, int], found: list[int]) -> None:
    await fill(store, "a", 12, history=10)
    log = await read(store, "a", **asked)
    assert list(log.entries) == [(offset, b"%d" % offset) for offset in found]
    assert (log.head, log.first) == (12, 3)


async def test_many_entries_are_read_from_either_end(store: Store) -> None:
    await fill(store, "a", 300, history=300)
    assert offsets(await read(store, "a", limit=100)) == list(range(1, 101))
    assert offsets(await read(store, "a", limit=100, newest=True)) == list(range(201, 301))


async def test_bytes_bound_what_is_read_but_for_one_entry(store: Store) -> None:
    await admit(store, *[append("a", bytes(100)) for _ in range(5)])
    assert offsets(await read(store, "a", max_bytes=250)) == [1, 2]
    assert offsets(await read(store, "a", max_bytes=200)) == [1, 2]
    assert offsets(await read(store, "a", max_bytes=250, newest=True)) == [4, 5]
    assert offsets(await read(store, "a", max_bytes=1)) == [1]
    assert offsets(await read(store, "a", max_bytes=1, newest=True)) == [5]


async def test_many_logs_are_read_at_once_each_answer_in_its_place(store: Store) -> None:
    topics = [f"topic.{number}" for number in range(300)]
    await admit(store, *[append(topic, topic.encode()) for topic in topics])
    logs = await store.read([Read(topic, limit=1) for topic in reversed(topics)], monotonic())
    assert [log.entries[0][1].decode() for log in logs] == topics[::-1]
    assert list(await store.read([], monotonic())) == []


async def test_one_log_is_read_twice_in_one_call(store: Store) -> None:
    await fill(store, "a", 5)
    one, other = await store.read([Read("a", limit=1), Read("a", limit=1, newest=True)], monotonic())
    assert (offsets(one), offsets(other)) == ([1], [5])
    assert one.epoch == other.epoch


async def test_recent_topics_are_told_newest_first_and_each_once(store: Store) -> None:
    for topic in ("a", "b", "c", "a"):
        await fill(store, topic, 2)
    await read(store, "only-read")
    assert list(await store.recent(60, monotonic())) == ["a", "c", "b"]


async def test_topics_of_one_batch_are_recent_in_its_order(store: Store) -> None:
    # Of one slot: a Cluster has no order between several.
    a, b, c = [topic for topic in (f"t.{number}" for number in range(5_000)) if slot(topic) == 0][:3]
    await admit(store, append(a, b""), append(b, b""), append(a, b""), append(c, b""))
    assert list(await store.recent(60, monotonic())) == [c, a, b]


async def test_a_topic_that_is_quiet_is_no_longer_recent(store: Store) -> None:
    await fill(store, "a", 1)

    async def quiet() -> bool:
        return "a" not in await store.recent(0.2, monotonic())

    await eventually(quiet)
    assert list(await store.recent(60, monotonic())) == ["a"]


async def test_a_store_says_for_how_long_it_remembers_everything(store: Store) -> None:
    first = await store.age(monotonic())
    asked = monotonic()
    await fill(store, "a", 1)
    await eventually(lambda: monotonic() > asked + 0.05)
    later = await store.age(monotonic())
    assert 0 <= first < later
    assert later - first >= 0.04


async def test_recent_topics_are_bounded(store: Store) -> None:
    for start in range(0, MAX_RECENT + 1000, 1000):
        await admit(store, *[append(f"t.{number}", b"") for number in range(start, start + 1000)])
    recent = await store.recent(600, monotonic())
    assert len(recent) == len(set(recent)) == MAX_RECENT


async def test_calls_side_by_side_keep_their_order(store: Store) -> None:
    calls = [admit(store, append("a", b"%d" % number)) for number in range(40)]
    answers = await asyncio.gather(*calls)
    assert [answer.position.offset for [answer] in answers if answer.position] == list(range(1, 41))
