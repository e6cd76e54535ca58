"""A server that dies, hangs, restarts, is full or is not the master: told as away, and back by itself."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from time import monotonic

import pytest

from shared.errors import StoreAway
from shared.store.port import Admit, Append, Position, Store, Turn
from shared.store.valkey import open_store
from shared.store.valkey_turns import CALL_TIMEOUT, MAX_WAITING
from tests.integration.store.asking import answers, append, append_or_none, is_away, read
from tests.support.eventually import eventually
from tests.support.store import OwnServer
from tests.support.store.ways import started_node


@pytest.fixture
async def store(own_store: OwnServer) -> AsyncIterator[Store]:
    store = open_store(own_store.url)
    yield store
    await store.close()


@pytest.fixture
def keeping_store() -> Iterator[OwnServer]:
    """A server that has its data again when it comes back."""
    node = started_node(("--appendonly", "yes", "--appendfsync", "always"))
    try:
        yield OwnServer(node)
    finally:
        node.dispose()


async def test_a_killed_server_is_away_and_back_by_itself_with_new_epochs(own_store: OwnServer, store: Store) -> None:
    before = await append(store, "a")
    await asyncio.to_thread(own_store.kill)
    words = await is_away(store)
    assert "cannot be reached" in words
    assert "\n" not in words
    await asyncio.to_thread(own_store.start)
    await eventually(lambda: answers(store))
    after = await append(store, "a")
    assert after.offset == 1
    assert after.epoch != before.epoch


async def test_a_server_that_comes_back_with_its_data_begins_new_epochs_and_serves_nothing_old(
    keeping_store: OwnServer,
) -> None:
    store = open_store(keeping_store.url)
    first = await append(store, "a", b"old", ("k",))
    unkeyed = Append("b", b"old", 100, 300, digest=b"8 bytes.")
    await store.admit([Admit((), unkeyed)], monotonic(), Turn(b"router-1", 1))
    await asyncio.to_thread(keeping_store.kill)
    await asyncio.to_thread(keeping_store.start)
    await eventually(lambda: answers(store))
    assert keeping_store.ask("EXISTS", "penstock:{202}:log:a", "penstock:{90}:log:a") >= 0
    assert await store.age(monotonic()) < 1.0, "of what it has had before it does not know whether it is whole"
    log = await read(store, "a")
    assert (log.head, log.first, list(log.entries)) == (0, 1, [])
    assert log.epoch != first.epoch
    assert await append(store, "a", b"old", ("k",)) == first, "a key is answered as before"
    assert await append(store, "a", b"new") == Position(log.epoch, 1)
    [again] = await store.admit([Admit((), replace(unkeyed, again=True))], monotonic(), Turn(b"router-2", 1))
    assert not again.repeated, "what was in a log that is gone is given to who listens now"
    await store.close()


async def test_a_server_that_hangs_is_away_within_bounds(own_store: OwnServer, store: Store) -> None:
    await append(store, "a")
    await asyncio.to_thread(own_store.freeze)
    began = monotonic()
    with pytest.raises(StoreAway, match="does not answer"):
        await append(store, "a")
    assert monotonic() - began < CALL_TIMEOUT + 1
    assert store.counters.failures == 1
    assert store.counters.seconds > 1, "those of the call that failed are counted too"
    await asyncio.to_thread(own_store.thaw)
    await eventually(lambda: answers(store))


async def test_calls_that_wait_for_a_server_that_hangs_are_bounded(own_store: OwnServer, store: Store) -> None:
    await append(store, "a")
    await asyncio.to_thread(own_store.freeze)
    waiting = [asyncio.create_task(append(store, "a")) for _ in range(MAX_WAITING + 1)]
    await eventually(lambda: store.turns._waiting == MAX_WAITING)  # type: ignore[attr-defined]
    with pytest.raises(StoreAway, match="too slow"):
        await append(store, "a")
    for task in waiting:
        task.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)
    await asyncio.to_thread(own_store.thaw)
    await eventually(lambda: answers(store))
    assert store.counters.refused == 1


async def test_a_caller_that_leaves_does_not_get_the_next_ones_answer(own_store: OwnServer, store: Store) -> None:
    first = await append(store, "a")
    await asyncio.to_thread(own_store.freeze)
    leaving = asyncio.create_task(append(store, "b"))
    await eventually(lambda: store.turns._one.locked())  # type: ignore[attr-defined]
    leaving.cancel()
    with pytest.raises(asyncio.CancelledError):
        await leaving
    await asyncio.to_thread(own_store.thaw)
    # The same key each time: a machine that holds the server up for longer than the store waits changes nothing.
    assert await eventually(lambda: append_or_none(store, "a", b"x", ("next",))) == Position(first.epoch, 2)


async def test_a_full_server_is_away_and_nothing_is_done_by_halves(own_store: OwnServer, store: Store) -> None:
    first = await append(store, "a")
    own_store.ask("CONFIG", "SET", "maxmemory", "1")
    with pytest.raises(StoreAway, match="full"):
        await append(store, "a", b"x", ("k",))
    own_store.ask("CONFIG", "SET", "maxmemory", "0")
    assert await append(store, "a", b"x", ("k",)) == Position(first.epoch, 2)


async def test_a_replica_is_no_store(own_store: OwnServer, store: Store) -> None:
    await append(store, "a")
    own_store.ask("REPLICAOF", "127.0.0.1", "1")
    with pytest.raises(StoreAway, match="replica"):
        await append(store, "a")
    own_store.ask("REPLICAOF", "NO", "ONE")
    await eventually(lambda: answers(store))
