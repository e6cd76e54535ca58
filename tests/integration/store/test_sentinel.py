"""The master is whichever server the Sentinels name."""

import asyncio
import contextlib
from collections.abc import Iterator

import pytest
from redis import Redis
from redis.exceptions import ConnectionError as RedisConnectionError

from shared.errors import ConfigurationError, StoreAway
from shared.store.port import Position, Store
from shared.store.valkey import open_store
from tests.integration.store.asking import answers, append, read
from tests.support.eventually import eventually, wait_until
from tests.support.store.node import Node
from tests.support.store.ways import started_node


@pytest.fixture
def trio() -> Iterator[Node]:
    """A master, its replica, and a Sentinel that watches them."""
    node = started_node((), (), ("--sentinel",))
    try:
        (host, port), replica, sentinel = node.addresses
        ask(replica, "REPLICAOF", host, port)
        wait_until(lambda: b"master_link_status:up" in ask(replica, "INFO", "replication"))
        ask(sentinel, "SENTINEL MONITOR", "orders", host, port, 1)
        wait_until(lambda: ask(sentinel, "SENTINEL REPLICAS", "orders"))
        yield node
    finally:
        node.dispose()


def ask(address: tuple[str, int], *command: str | int):  # type: ignore[no-untyped-def]
    client = Redis(host=address[0], port=address[1])
    client.response_callbacks.clear()
    try:
        return client.execute_command(*command)
    finally:
        client.close()


async def test_after_a_failover_the_new_master_is_found_and_begins_new_epochs(trio: Node) -> None:
    _, replica, sentinel = trio.addresses
    store = open_store(f"redis+sentinel://127.0.0.1:1,{sentinel[0]}:{sentinel[1]}/orders/0")
    before = await append(store, "a")
    assert before.offset == 1

    async def failed_over() -> bool:
        try:
            await asyncio.to_thread(ask, sentinel, "SENTINEL FAILOVER", "orders")
        except Exception as not_yet:
            raise AssertionError(str(not_yet)) from None
        return True

    await eventually(failed_over, within=30)
    await goes_on_with_a_new_epoch(store, replica, before)
    await store.close()


async def test_after_the_masters_death_the_replica_that_was_chosen_is_found_and_begins_new_epochs(trio: Node) -> None:
    master, replica, sentinel = trio.addresses
    ask(sentinel, "SENTINEL SET", "orders", "down-after-milliseconds", 500)
    store = open_store(f"redis+sentinel://{sentinel[0]}:{sentinel[1]}/orders/0")
    before = await append(store, "a")
    with contextlib.suppress(RedisConnectionError):  # the dead do not answer
        ask(master, "SHUTDOWN", "NOSAVE")
    with pytest.raises(StoreAway):
        await append(store, "a")
    await goes_on_with_a_new_epoch(store, replica, before)
    await store.close()


async def goes_on_with_a_new_epoch(store: Store, replica: tuple[str, int], before: Position) -> None:
    await eventually(lambda: b"role:master" in ask(replica, "INFO", "replication"), within=30)

    async def at_the_new_one() -> bool:
        try:
            return (await read(store, "a")).epoch != before.epoch
        except StoreAway:
            return False

    await eventually(at_the_new_one, within=30)
    await eventually(lambda: answers(store))
    assert (await append(store, "a")).offset == 1


async def test_a_service_that_no_sentinel_knows_and_no_sentinel_at_all_are_away(trio: Node) -> None:
    host, port = trio.addresses[2]
    for url in (f"redis+sentinel://{host}:{port}/other", "redis+sentinel://127.0.0.1:1/orders"):
        store = open_store(url)
        with pytest.raises((StoreAway, ConfigurationError), match="by way of"):
            await append(store, "a")
        await store.close()
