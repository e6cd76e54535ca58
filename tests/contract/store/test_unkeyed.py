"""Entries without a key: those whose turn may not be acknowledged are known when they come again."""

from secrets import token_bytes
from time import monotonic

from shared.store.port import DIGEST_BYTES, MAX_TO_COME, Admit, Append, Store, Turn
from tests.contract.store.asking import offsets, read


def unkeyed(content: str, topic: str = "a", again: bool = False) -> Admit:
    digest = content.encode().ljust(DIGEST_BYTES)
    return Admit((), Append(topic, content.encode(), 5000, 300, digest=digest, again=again))


class Router:
    """What a router asks, turn by turn, until it dies."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._tenure = token_bytes(8)
        self._number = 0

    async def turn(self, *contents: str, again: bool = False, topic: str = "a") -> list[int]:
        """Return the offsets at which they stand; those that stood there before are negative."""
        self._number += 1
        return await self.more(*contents, again=again, topic=topic)

    async def more(self, *contents: str, again: bool = False, topic: str = "a") -> list[int]:
        """Ask once more in the same turn."""
        commands = [unkeyed(content, topic, again) for content in contents]
        answers = await self._store.admit(commands, monotonic(), Turn(self._tenure, self._number))
        places = []
        for answer in answers:
            assert answer.position is not None
            places.append(-answer.position.offset if answer.repeated else answer.position.offset)
        return places

    async def settle(self) -> None:
        """Tell that all that came is acknowledged."""
        self._number += 1
        assert not await self._store.admit((), monotonic(), Turn(self._tenure, self._number))


async def test_what_comes_again_after_its_router_died_is_not_appended_again(store: Store) -> None:
    await Router(store).turn("1", "2")
    assert await Router(store).turn("1", "2", "3", again=True) == [-1, -2, 3]


async def test_nor_when_the_next_router_died_as_well(store: Store) -> None:
    await Router(store).turn("1", "2")
    await Router(store).turn("1", "2", "3", again=True)
    assert await Router(store).turn("1", again=True) == [-1]
    assert await Router(store).turn("1", "2", "3", "4", again=True) == [-1, -2, -3, 4]


async def test_what_comes_for_the_first_time_is_new_whatever_it_says(store: Store) -> None:
    await Router(store).turn("tick")
    assert await Router(store).turn("tick") == [2]


async def test_of_twins_each_stands_for_one_that_comes_again(store: Store) -> None:
    await Router(store).turn("tick", "tick")
    assert await Router(store).turn("tick", "tick", "tick", again=True) == [-1, -2, 3]


async def test_twins_that_come_again_in_several_turns_are_not_taken_for_each_other(store: Store) -> None:
    await Router(store).turn("tick")
    second = Router(store)
    assert await second.turn("tick", "tick", again=True) == [-1, 2]
    assert await second.turn("tick", "tick", again=True) == [3, 4]


async def test_what_is_acknowledged_as_the_next_turn_began_stands_for_nothing(store: Store) -> None:
    first = Router(store)
    await first.turn("tick")
    await first.turn("other", topic="b")
    assert await Router(store).turn("tick", again=True) == [2]
    assert await Router(store).turn("other", again=True, topic="b") == [-1]


async def test_what_is_settled_stands_for_nothing(store: Store) -> None:
    first = Router(store)
    await first.turn("tick")
    await first.turn("tock")
    await first.settle()
    assert await Router(store).turn("tick", "tock", again=True) == [3, 4]


async def test_what_has_come_before_a_router_died_may_come_again_in_any_of_the_next_ones_turns(store: Store) -> None:
    await Router(store).turn("1", "2", "3")
    second = Router(store)
    assert [await second.turn(each, again=True) for each in "123"] == [[-1], [-2], [-3]]
    assert await second.turn("4", again=True) == [4]


async def test_a_turn_of_several_calls_is_one(store: Store) -> None:
    router = Router(store)
    numbers = [str(number) for number in range(300)]
    await router.turn(*numbers[:200])
    await router.more(*numbers[200:])
    assert await Router(store).turn(*numbers, again=True) == [-number for number in range(1, 301)]


async def test_topics_have_nothing_to_do_with_each_other(store: Store) -> None:
    await Router(store).turn("1")
    assert await Router(store).turn("1", topic="b", again=True) == [1]


async def test_an_entry_with_a_key_is_known_by_that_alone(store: Store) -> None:
    router = Router(store)
    await router.turn("1")
    keyed = Admit((), Append("a", b"1", 100, 300, ("k",), digest=b"1".ljust(DIGEST_BYTES), again=True))
    [answer] = await store.admit([keyed], monotonic(), Turn(token_bytes(8), 1))
    assert not answer.repeated


async def test_what_the_log_keeps_no_longer_is_known_all_the_same(store: Store) -> None:
    command = Append("a", b"1", 1, 300, digest=b"1".ljust(DIGEST_BYTES))
    other = Append("a", b"2", 1, 300, digest=b"2".ljust(DIGEST_BYTES))
    await store.admit([Admit((), command), Admit((), other)], monotonic(), Turn(token_bytes(8), 1))
    assert await Router(store).turn("1", "2", again=True) == [-1, -2]


async def test_without_a_turn_nobody_is_known(store: Store) -> None:
    await store.admit([unkeyed("1")], monotonic())
    [answer] = await store.admit([unkeyed("1", again=True)], monotonic())
    assert answer.position is not None
    assert answer.position.offset == 2
    assert offsets(await read(store, "a")) == [1, 2]


async def test_so_many_are_remembered_and_the_oldest_are_forgotten_beyond(store: Store) -> None:
    router = Router(store)
    await router.turn("oldest")
    await router.more(*map(str, range(MAX_TO_COME)))
    second = Router(store)
    assert await second.turn("oldest", again=True) == [MAX_TO_COME + 2]
    assert await second.more("0", again=True) == [-2]
