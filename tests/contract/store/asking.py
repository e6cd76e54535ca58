"""Shorthands: what the contract's tests ask of a store."""

from collections.abc import Sequence
from time import monotonic

from shared.store.port import Admit, Admitted, Append, Limit, Log, Read, Store


def append(
    topic: str, entry: bytes, history: int = 100, ttl: int = 300, key: tuple[str | int, ...] | None = None
) -> Admit:
    """A command without limits."""
    return Admit((), Append(topic, entry, history, ttl, key))


def limit(*key: str | int, rate: float = 0.01, burst: int = 1) -> Limit:
    """A rate that is not filled up again while a test runs, but for one that says so."""
    return Limit(key, rate, burst)


async def admit(store: Store, *commands: Admit) -> Sequence[Admitted]:
    return await store.admit(commands, monotonic())


async def one(store: Store, command: Admit) -> Admitted:
    [admitted] = await admit(store, command)
    return admitted


async def fill(store: Store, topic: str, entries: int, history: int = 100, ttl: int = 300) -> str:
    """Append b"1", b"2" and so on, and return the epoch."""
    answers = await admit(store, *[append(topic, b"%d" % (n + 1), history, ttl) for n in range(entries)])
    assert answers[-1].position is not None
    return answers[-1].position.epoch


async def read(store: Store, topic: str, after: int = 0, limit: int = 1000, **more: int | None) -> Log:
    [log] = await store.read([Read(topic, after, limit=limit, **more)], monotonic())  # type: ignore[arg-type]
    return log


def offsets(log: Log) -> list[int]:
    return [offset for offset, _ in log.entries]


async def head(store: Store, topic: str) -> tuple[str, int]:
    log = await read(store, topic, limit=0)
    return log.epoch, log.head
