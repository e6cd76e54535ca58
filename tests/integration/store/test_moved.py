"""A Cluster that gives a slot to another of its nodes while nobody is asked."""

from typing import Any

from redis import Redis

from shared.store.port import Position
from shared.store.valkey import open_store
from shared.topics import slot
from tests.integration.store.asking import append, read
from tests.support.store import OwnCluster


async def test_a_slot_that_moves_to_another_node_begins_new_epochs(own_cluster: OwnCluster) -> None:
    store = open_store(own_cluster.url, prefix="moved")
    before = [await append(store, "a", b"old") for _ in range(3)][-1]
    move_to_another_node(own_cluster, f"moved:{{{slot('a')}}}:head:a")
    after = await append(store, "a", b"new")
    assert (before.offset, after.offset, after.epoch == before.epoch) == (3, 1, False)
    assert await append(store, "a", b"newer") == Position(after.epoch, 2)
    assert list((await read(store, "a")).entries) == [(1, b"new"), (2, b"newer")]
    await store.close()


def move_to_another_node(cluster: OwnCluster, key: str) -> None:
    nodes: list[Any] = [Redis(host=host, port=port) for host, port in cluster.addresses]
    for node in nodes:
        node.response_callbacks.clear()
    try:
        number = nodes[0].execute_command("CLUSTER KEYSLOT", key)
        owner = next(node for node in nodes if node.execute_command("CLUSTER COUNTKEYSINSLOT", number))
        place = (nodes.index(owner) + 1) % len(nodes)
        taker, (host, port) = nodes[place], cluster.addresses[place]
        source, target = (node.execute_command("CLUSTER MYID") for node in (owner, taker))
        taker.execute_command("CLUSTER SETSLOT", number, "IMPORTING", source)
        owner.execute_command("CLUSTER SETSLOT", number, "MIGRATING", target)
        keys = owner.execute_command("CLUSTER GETKEYSINSLOT", number, 100)
        owner.execute_command("MIGRATE", host, port, "", 0, 5_000, "KEYS", *keys)
        for node in (taker, owner):
            node.execute_command("CLUSTER SETSLOT", number, "NODE", target)
    finally:
        for node in nodes:
            node.close()
