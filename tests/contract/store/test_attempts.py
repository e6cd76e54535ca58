"""Attempts: begun, counted by their numbers, forgotten when one has come to its end."""

import asyncio
import uuid
from time import monotonic

import pytest

from shared.store.port import Store


@pytest.fixture
def key() -> str:
    return uuid.uuid4().hex


async def begin(store: Store, key: str, *numbers: int) -> list[int]:
    return [await store.begin(key, number, monotonic()) for number in numbers]


async def test_attempts_that_come_to_no_end_are_counted(store: Store, key: str) -> None:
    assert await begin(store, key, 2, 3, 4, 9) == [1, 2, 3, 4]


async def test_an_attempt_that_is_told_again_counts_once(store: Store, key: str) -> None:
    assert await begin(store, key, 0, 0, 5, 5, 0) == [1, 1, 2, 2, 2]


async def test_what_was_settled_begins_anew(store: Store, key: str) -> None:
    await begin(store, key, 2, 3)
    await store.settle(key, monotonic())
    assert await begin(store, key, 3) == [1]


async def test_what_was_never_begun_can_be_settled(store: Store, key: str) -> None:
    await store.settle(key, monotonic())
    assert await begin(store, key, 1) == [1]


async def test_each_key_has_attempts_of_its_own(store: Store, key: str) -> None:
    await begin(store, key, 1, 2)
    await begin(store, key + ":2", 1)
    await store.settle(key + ":2", monotonic())
    assert await begin(store, key, 3) == [3]


async def test_attempts_at_the_same_time_are_all_counted(store: Store, key: str) -> None:
    begun = await asyncio.gather(*(store.begin(key, number, monotonic()) for number in range(6)))
    assert sorted(begun) == [1, 2, 3, 4, 5, 6]
