"""What travels to Valkey of who is where."""

import msgspec
import pytest

from shared.store.roll import Attend, Member, Roll
from shared.store.valkey_packing import MAX_BATCH
from shared.store.valkey_roll import FOLLOWS_WITHIN, call

LINGER = 5.0
MARKS, TAGS = 5, ["{0}"] * 16_384


async def lingers(commands: int, *, tags: list[str] | None) -> list[int]:
    """For how many ms the index waits until it has somebody look at each topic."""
    heads = []

    async def enrol(packed: bytes) -> tuple[()] | list[object]:
        head, *_ = msgspec.msgpack.decode(packed)
        heads.append(head)
        return [[], [], [], 0, [[b"t", [], [], 0, 0, []] for _ in range(min(commands, MAX_BATCH) if tags else 0)]]

    async def carry(followers, alive):  # type: ignore[no-untyped-def]
        return [None] * len(followers)

    ann = (Member("ann", "g1.1"),)
    went = [Attend(f"t.{number}", "g1", went=ann, linger=LINGER) for number in range(commands)]
    await call(Roll(20.0, commands=went), "index", tags, enrol, carry)
    return [linger for *_, linger in heads[0][MARKS]]


@pytest.mark.parametrize(
    ("commands", "tags", "along"),
    [(3, TAGS, 3), (MAX_BATCH + 2, TAGS, MAX_BATCH), (3, None, 0)],
    ids=["one call", "more than a call", "a Cluster"],
)
async def test_nobody_looks_for_who_leaves_before_the_topic_itself_says_so(
    commands: int, tags: list[str] | None, along: int
) -> None:
    """Commands that follow the index set their time later than it does: a look in between would be the last."""
    at_once, later = LINGER * 1000, (LINGER + FOLLOWS_WITHIN) * 1000
    assert await lingers(commands, tags=tags) == [at_once] * along + [later] * (commands - along)
