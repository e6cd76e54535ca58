"""What was lost or is in the way: logs begin anew, scripts are brought along again."""

import asyncio
from time import monotonic

import pytest
from redis import Redis
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import ResponseError

from shared.errors import StoreAway
from shared.store.port import DEDUPE, DIGEST_BYTES, MAX_RECENT, REMEMBERED, Admit, Append, Position, Store, Turn
from shared.store.valkey import open_store
from shared.store.valkey_cluster import ClusterStore
from shared.topics import slot
from tests.integration.store.asking import append, read
from tests.support.eventually import eventually
from tests.support.store import OwnCluster
from tests.support.store.server import asking


@pytest.fixture
async def store(store_url: str):  # type: ignore[no-untyped-def]
    store = open_store(store_url)
    yield store
    await store.close()


def key(kind: str, topic: str = "a") -> str:
    return f"penstock:{{{slot(topic)}}}:{kind}:{topic}"


async def test_a_flushed_store_begins_new_epochs(store: Store, store_url: str) -> None:
    before = [await append(store, "a") for _ in range(3)][-1]
    with asking(store_url) as client:
        client.flushdb()
    after = await append(store, "a")
    assert (before.offset, after.offset) == (3, 1)
    assert before.epoch != after.epoch


async def test_a_log_of_which_only_the_entries_are_left_begins_anew(store: Store, store_url: str) -> None:
    before = [await append(store, "a", b"old") for _ in range(3)][-1]
    with asking(store_url) as client:
        assert client.delete(key("head")) == 1
    after = await append(store, "a", b"new")
    assert (after.offset, after.epoch == before.epoch) == (1, False)
    log = await read(store, "a")
    assert (log.first, list(log.entries)) == (1, [(1, b"new")])


async def test_a_log_whose_entries_are_lost_goes_on_and_tells_what_it_has(store: Store, store_url: str) -> None:
    before = [await append(store, "a", b"old") for _ in range(3)][-1]
    with asking(store_url) as client:
        assert client.delete(key("log")) == 1
    log = await read(store, "a")
    assert (log.epoch, log.head, log.first) == (before.epoch, 3, 4)
    assert await append(store, "a", b"new") == Position(before.epoch, 4)
    log = await read(store, "a")
    assert (log.first, list(log.entries)) == (4, [(4, b"new")])


async def test_a_store_that_was_emptied_remembers_nothing_of_before(store: Store, store_url: str) -> None:
    await append(store, "a")
    await eventually(lambda: older_than(store, 0.1))
    with asking(store_url) as client:
        client.flushdb()
    await append(store, "a")
    assert await store.age(monotonic()) < 0.1


async def older_than(store: Store, seconds: float) -> bool:
    return await store.age(monotonic()) > seconds


async def test_forgotten_scripts_are_brought_along_again(store: Store, store_url: str) -> None:
    epoch = (await append(store, "a")).epoch
    with asking(store_url) as client:
        client.script_flush()
        assert await append(store, "a") == Position(epoch, 2)
        client.script_flush()
        assert (await read(store, "a")).head == 2
        client.script_flush()
        assert list(await store.recent(60, 0)) == ["a"]


async def test_everything_in_the_store_ends_by_itself(store: Store, store_url: str) -> None:
    await append(store, "a", b"x", ("client", "k"))
    await read(store, "b")
    with asking(store_url) as client:
        spans = {name.decode("latin-1"): client.ttl(name) for name in client.scan_iter()}
    assert 300 <= spans.pop(key("log")) <= 300 * 1.25 + 1
    assert spans.pop(key("head")) == pytest.approx(300 + REMEMBERED, abs=5)
    assert spans.pop(key("head", "b")) == pytest.approx(REMEMBERED, abs=5)
    assert spans.pop("penstock:recent") == pytest.approx(REMEMBERED, abs=5)
    assert spans.pop("penstock:recent:born") == pytest.approx(REMEMBERED, abs=5)
    [(name, span)] = spans.items()
    assert name.startswith(f"penstock:{{{slot('a')}}}:key:")
    assert span == pytest.approx(DEDUPE, abs=5)


async def test_a_log_is_kept_as_long_as_it_is_used(store: Store, store_url: str) -> None:
    await append(store, "a")
    with asking(store_url) as client:
        client.expire(key("log"), 50)
        client.expire(key("head"), 50)
        await read(store, "a")
        assert client.ttl(key("head")) > REMEMBERED


async def test_more_than_the_history_is_not_kept_for_long(store: Store, store_url: str) -> None:
    with asking(store_url) as client:
        for _ in range(10):
            await asyncio.gather(*[append(store, "a", bytes(100)) for _ in range(50)])
        assert 100 <= client.llen(key("log")) <= 100 + 100 / 8 + 1
        client.zadd("penstock:recent", {f"old.{number}": number for number in range(MAX_RECENT)})
        await append(store, "a")
        assert client.zcard("penstock:recent") == MAX_RECENT


async def test_what_is_in_the_way_fails_alone_and_leaves_the_other_logs_whole(store: Store, store_url: str) -> None:
    first = await append(store, "a", b"1")
    with asking(store_url) as client:
        await append(store, "b")
        client.delete(key("log", "b"))
        client.set(key("log", "b"), "somebody's")
    commands = [Admit((), Append(topic, b"2", 100, 300)) for topic in ("a", "b", "a")]
    with pytest.raises(ResponseError, match="WRONGTYPE"):
        await store.admit(commands, 0)
    assert await append(store, "a", b"3") == Position(first.epoch, 3)
    assert list((await read(store, "a")).entries) == [(1, b"1"), (2, b"2"), (3, b"3")]


async def test_a_cluster_hears_again_what_is_acknowledged_where_the_first_time_failed(
    own_cluster: OwnCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = open_store(own_cluster.url, prefix="untold")
    assert isinstance(store, ClusterStore)

    async def tick(turn: Turn, topic: str, again: bool = False) -> bool:
        entry = Append(topic, b"tick", 100, 300, digest=b"tick".ljust(DIGEST_BYTES), again=again)
        [admitted] = await store.admit([Admit((), entry)], monotonic(), turn)
        return admitted.repeated

    async def fails(*call: object) -> None:
        raise RedisConnectionError("cut by a test")

    first, second, third = (Turn(b"router-1", number) for number in (1, 2, 3))
    await tick(first, "a")
    with monkeypatch.context() as patch:
        patch.setattr(store._link, "call", fails)
        with pytest.raises(StoreAway):
            await tick(second, "b")
    await store.admit((), monotonic(), second)
    assert not await tick(Turn(b"router-2", 1), "a", again=True), "it was acknowledged: this is another one"
    await tick(second, "b")
    assert await tick(Turn(b"router-3", 1), "b", again=True)
    await store.admit((), monotonic(), third)
    await store.close()


async def test_a_clusters_nodes_that_forgot_the_scripts_get_them_again(own_cluster: OwnCluster) -> None:
    store = open_store(own_cluster.url, prefix="forgotten")
    topics = [f"t.{number}" for number in range(64)]
    before = [await append(store, topic) for topic in topics]
    for host, port in own_cluster.addresses:
        client = Redis(host=host, port=port)
        client.script_flush()
        assert client.dbsize() > 0, "each node has its share"
        client.close()
    after = [await append(store, topic) for topic in topics]
    assert after == [Position(position.epoch, 2) for position in before]
    await store.close()
