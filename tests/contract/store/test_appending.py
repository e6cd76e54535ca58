"""Offsets, keys, history, age."""

from shared.store.port import Position, Store
from tests.contract.store.asking import admit, append, fill, head, offsets, one, read
from tests.support.eventually import eventually


async def test_offsets_count_from_one_in_the_order_of_commands_over_batches(store: Store) -> None:
    answers = [*await admit(store, append("a", b"1"), append("b", b"1"), append("a", b"2"))]
    answers += await admit(store, append("a", b"3"))
    positions = [answer.position for answer in answers]
    assert all(positions)
    assert [position.offset for position in positions if position] == [1, 1, 2, 3]
    assert positions[0].epoch == positions[2].epoch == positions[3].epoch  # type: ignore[union-attr]
    assert not any(answer.repeated for answer in answers)


async def test_an_epoch_is_url_safe_and_another_for_each_topic_that_begins_at_another_time(store: Store) -> None:
    first, second = await fill(store, "a", 1), await fill(store, "b", 1)
    assert first != second
    assert len(first) >= 8
    assert first.replace("-", "").replace("_", "").isalnum()


async def test_a_topic_may_hold_all_that_its_grammar_allows(store: Store) -> None:
    topics = ["a:b", "a", "b", "a:b.c", "A=~@-_:.1", "log:a", "head:a", "x" * 200]
    for number, topic in enumerate(topics):
        await fill(store, topic, number + 1)
    for number, topic in enumerate(topics):
        assert (await head(store, topic))[1] == number + 1


async def test_entries_are_any_bytes(store: Store) -> None:
    entries = [b"", b"\x00\xff\xfe", "ü{}\r\n".encode(), b"x" * 200_000]
    await admit(store, *[append("a", entry) for entry in entries])
    log = await read(store, "a", max_bytes=2**20)
    assert [entry for _, entry in log.entries] == entries


async def test_more_than_one_call_can_carry_is_appended_in_order(store: Store) -> None:
    await fill(store, "a", 500, history=1000)
    log = await read(store, "a")
    assert list(log.entries) == [(n, b"%d" % n) for n in range(1, 501)]


async def test_only_the_history_is_kept(store: Store) -> None:
    await fill(store, "a", 250, history=7)
    await fill(store, "b", 105, history=100)
    log, longer = await read(store, "a"), await read(store, "b")
    assert (log.head, log.first, offsets(log)) == (250, 244, list(range(244, 251)))
    assert (longer.head, longer.first, offsets(longer)) == (105, 6, list(range(6, 106)))


async def test_a_history_that_was_made_smaller_counts_from_the_next_entry_on(store: Store) -> None:
    await fill(store, "a", 5, history=5)
    await admit(store, append("a", b"6", history=2))
    assert offsets(await read(store, "a")) == [5, 6]


async def test_entries_older_than_their_time_are_not_served_and_the_offset_goes_on(store: Store) -> None:
    epoch = await fill(store, "a", 3, ttl=1)

    async def too_old() -> bool:
        log = await read(store, "a")
        assert offsets(log) in ([1, 2, 3], [])
        return (log.first, log.head, log.entries) == (4, 3, []) or (log.first, log.head, log.entries) == (4, 3, ())

    await eventually(too_old)
    answer = await one(store, append("a", b"4", ttl=1))
    assert answer.position == Position(epoch, 4)
    assert offsets(await read(store, "a")) == [4]


async def test_of_entries_of_different_age_the_old_ones_go(store: Store) -> None:
    await fill(store, "a", 20, ttl=60)

    async def some_time_later() -> bool:
        await admit(store, append("a", b"more", history=1000, ttl=1))
        log = await read(store, "a")
        assert offsets(log) == list(range(log.first, log.head + 1))
        return log.first > 20

    await eventually(some_time_later)


async def test_a_key_that_comes_again_is_answered_where_it_stands(store: Store) -> None:
    first, again = await admit(store, append("a", b"1", key=("c", "k")), append("a", b"other", key=("c", "k")))
    later = await one(store, append("a", b"1", key=("c", "k")))
    assert first.position is not None
    assert first.position.offset == 1
    assert (first.repeated, again.repeated, later.repeated) == (False, True, True)
    assert first.position == again.position == later.position
    assert list((await read(store, "a")).entries) == [(1, b"1")]


async def test_a_key_is_known_after_its_entry_was_trimmed(store: Store) -> None:
    first = await one(store, append("a", b"1", history=1, key=("k",)))
    await fill(store, "a", 300, history=1)
    again = await one(store, append("a", b"1", history=1, key=("k",)))
    assert again.repeated
    assert again.position == first.position


async def test_keys_of_other_topics_and_other_shapes_stay_apart(store: Store) -> None:
    keys = [("a", "b"), ("a b",), ("ab",), ("a", "b", ""), ("a:b",), (1,), ("1",), ("ü\x00",)]
    answers = await admit(store, *[append("t", b"x", key=key) for key in keys], append("t:a", b"x", key=("b",)))
    assert not any(answer.repeated for answer in answers)
    assert (await head(store, "t"))[1] == len(keys)
