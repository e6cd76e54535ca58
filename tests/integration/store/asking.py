"""Shorthands for tests in which a store has a hard time."""

from time import monotonic

import pytest

from shared.errors import StoreAway
from shared.store.port import Admit, Append, Log, Position, Read, Store


async def append(store: Store, topic: str, entry: bytes = b"x", key: tuple[str | int, ...] | None = None) -> Position:
    [admitted] = await store.admit([Admit((), Append(topic, entry, 100, 300, key))], monotonic())
    assert admitted.position is not None
    return admitted.position


async def append_or_none(store: Store, topic: str, entry: bytes, key: tuple[str | int, ...]) -> Position | None:
    try:
        return await append(store, topic, entry, key)
    except StoreAway:
        return None


async def read(store: Store, topic: str) -> Log:
    [log] = await store.read([Read(topic, limit=100)], monotonic())
    return log


async def is_away(store: Store) -> str:
    """See that every verb says that the store is away, and return the words."""
    with pytest.raises(StoreAway):
        await read(store, "a")
    with pytest.raises(StoreAway):
        await store.recent(60, monotonic())
    with pytest.raises(StoreAway) as away:
        await append(store, "a")
    return str(away.value)


async def answers(store: Store) -> bool:
    try:
        await read(store, "probe")
    except StoreAway:
        return False
    return True
