"""What a server will not let in, told in one line without the password."""

from collections.abc import Iterator
from time import monotonic
from typing import Any
from urllib.parse import urlsplit

import pytest

from shared.errors import ConfigurationError, StoreAway
from shared.store.port import Position, Store
from shared.store.roll import Attend, Member, Roll
from shared.store.valkey import open_store
from shared.topics import PARTITIONS
from tests.integration.store.asking import answers, append
from tests.support.eventually import eventually
from tests.support.store import OwnCluster, OwnServer
from tests.support.store.server import asking
from tests.support.store.ways import started_node

RIGHTS = (
    "~penstock:*", "-@all", "+evalsha", "+eval", "+select", "+client|setname", "+info", "+time",
    "+mget", "+get", "+set", "+unlink", "+pexpire", "+rpush", "+ltrim", "+llen", "+lindex", "+lrange", "+zadd",
    "+zremrangebyrank", "+zrevrangebyscore",
    "+hget", "+hset", "+hdel", "+hgetall", "+hlen", "+hscan", "+sadd", "+srem", "+spop", "+smembers", "+exists",
    "+zrem", "+zrangebyscore",
)  # fmt: skip


@pytest.fixture
def locked_store() -> Iterator[OwnServer]:
    node = started_node(("--requirepass", "s3cret-canary"))
    try:
        yield OwnServer(node)
    finally:
        node.dispose()


def with_login(server: OwnServer, login: str, path: str = "/0") -> str:
    return f"redis://{login}@{urlsplit(server.url).netloc}{path}"


async def refusal(url: str) -> str:
    store = open_store(url)
    with pytest.raises(ConfigurationError) as refused:
        await store.recent(1, monotonic())
    await store.close()
    words = str(refused.value)
    assert "\n" not in words
    assert "canary" not in words
    return words


async def test_a_wrong_password_and_none_are_told_apart(locked_store: OwnServer) -> None:
    assert "refuses the user or the password" in await refusal(with_login(locked_store, ":wrong-canary"))
    assert "refuses the user or the password" in await refusal(with_login(locked_store, "ada:canary"))
    assert "wants a password" in await refusal(locked_store.url)
    store = open_store(with_login(locked_store, ":s3cret-canary"))
    assert (await append(store, "a")).offset == 1
    await store.close()


async def test_a_database_that_is_not_there_is_told(own_store: OwnServer) -> None:
    assert "does not have that database" in await refusal(own_store.url.replace("/0", "/999999"))


async def test_a_server_that_is_no_cluster_is_told(own_store: OwnServer) -> None:
    assert "is no Cluster" in await refusal(own_store.url.replace("redis://", "redis+cluster://"))


async def test_a_node_of_a_cluster_is_no_single_server(own_cluster: OwnCluster) -> None:
    host, port = own_cluster.addresses[0]
    store = open_store(f"redis://{host}:{port}")
    with pytest.raises(ConfigurationError, match=r"redis\+cluster"):
        await append(store, "a")
    await store.close()


async def test_a_user_without_the_rights_is_told_and_the_documented_ones_are_enough(own_store: OwnServer) -> None:
    own_store.ask("ACL", "SETUSER", "ada", "on", ">canary", "~*", "+@read")
    assert "does not let this user" in await refusal(with_login(own_store, "ada:canary"))
    own_store.ask("ACL", "SETUSER", "bob", "on", ">canary", *RIGHTS)
    store = open_store(with_login(own_store, "bob:canary"))
    assert (await append(store, "a", b"x", ("k",))).offset == 1
    assert list(await store.recent(60, monotonic())) == ["a"]
    assert await answers(store)
    assert await everything_about_presence(store) == ["ann", "bob"]
    await store.close()


async def everything_about_presence(store: Store) -> list[str]:
    """Have every order of the script run; return who has left."""
    ann, bob = Member("ann", "g1.1"), Member("bob", "g2.1")
    left: list[Member] = []

    async def call(*commands: Attend, **more: Any) -> None:
        called = await store.call(Roll(0.1, commands=commands, **more), monotonic())
        left.extend(member for found in (*called.attendances, *called.looked) for member in found.left)

    async def both_left() -> bool:
        await call(Attend("a", limit=10), Attend("a", limit=10, user="ann"), partitions=range(PARTITIONS))
        return len(left) == 2

    await call(Attend("a", "g1", came=[ann]), Attend("a", "g2", came=[bob]), gateways=("g1", "g2"))
    await call(Attend("a", "g1", came=[ann._replace(session="g1.2")], went=[ann]), gateways=("g1",))
    await call(Attend("a", "g1", went=[ann._replace(session="g1.2")], stays=False, linger=0.1), gateways=("g1",))
    await eventually(both_left)
    return sorted(member.user for member in left)


async def test_a_password_that_is_changed_while_it_serves_makes_it_away_until_it_is_mended(
    own_store: OwnServer,
) -> None:
    store = open_store(own_store.url)
    first = await append(store, "a")
    own_store.ask("CONFIG", "SET", "requirepass", "canary")
    await store._link.reset()  # type: ignore[attr-defined]
    with pytest.raises(StoreAway, match="wants a password"):
        await append(store, "a")
    with asking(with_login(own_store, ":canary")) as client:
        client.config_set("requirepass", "")
    await eventually(lambda: answers(store))
    assert await append(store, "a") == Position(first.epoch, 2)
    await store.close()
