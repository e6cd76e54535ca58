"""One queue of the memory broker, where the contract does not reach."""

import pytest

from shared.bus.memory_queue import Consumer, Letter, MemoryQueue
from shared.bus.port import Message
from shared.bus.topology import Overflow
from tests.contract.bus.shapes import partition, plain


def letter(body=b"", **more):
    return Letter(Message(body, **more), "x", "k")


def fill(queue, count):
    for number in range(count):
        queue.offer(letter(b"%d" % number))


def take(queue):
    taken = queue.take()
    return taken and taken[1].message.body


def test_nothing_is_taken_where_nobody_consumes_or_nobody_has_credit():
    queue = MemoryQueue(plain("q"))
    fill(queue, 2)
    assert queue.take() is None
    queue.add(Consumer(priority=0, prefetch=1))
    assert take(queue) == b"0"
    assert queue.take() is None


def test_consumers_of_the_highest_priority_take_turns_and_the_others_what_they_leave():
    queue = MemoryQueue(plain("q"))
    high, peer, low = Consumer(2, 1), Consumer(2, 1), Consumer(1, 1)
    for consumer in (low, high, peer):
        queue.add(consumer)
    fill(queue, 4)
    first, second, third = queue.take(), queue.take(), queue.take()
    assert {id(first[0]), id(second[0])} == {id(high), id(peer)}
    assert third[0] is low
    assert queue.take() is None


def test_what_comes_back_in_any_order_stands_where_it_stood():
    queue = MemoryQueue(plain("q"))
    consumer = Consumer(0, 10)
    queue.add(consumer)
    fill(queue, 6)
    taken = [queue.take()[1] for _ in range(4)]
    for each in (taken[2], taken[0], taken[3]):
        queue.give_back(consumer, each)
    assert [take(queue) for _ in range(5)] == [b"0", b"2", b"3", b"4", b"5"]


def test_the_limit_counts_each_coming_back():
    queue = MemoryQueue(plain("q", delivery_limit=2))
    consumer = Consumer(0, 1)
    queue.add(consumer)
    fill(queue, 1)
    fates = [queue.give_back(consumer, queue.take()[1]) for _ in range(3)]
    assert [fate and fate.reason for fate in fates] == [None, None, "delivery_limit"]
    assert len(queue) == 0


@pytest.mark.parametrize(
    ("bodies", "kept"),
    [
        ([b"x" * 6, b"y" * 5], [b"y" * 5]),
        ([b"x" * 3, b"y" * 3, b"z" * 3, b"w" * 7], [b"z" * 3, b"w" * 7]),
        ([b"x" * 11], [b"x" * 11]),
    ],
)
def test_drop_head_makes_room_in_bytes(bodies, kept):
    queue = MemoryQueue(plain("q", max_bytes=10, overflow=Overflow.DROP_HEAD))
    queue.add(Consumer(0, 10))
    reasons = []
    for body in bodies:
        taken, dropped = queue.offer(letter(body))
        assert taken
        reasons += [dead.reason for dead in dropped]
    assert [take(queue) for _ in kept] == kept
    assert reasons == ["maxlen"] * (len(bodies) - len(kept))


def test_a_restart_loses_what_is_not_durable_and_nothing_else():
    queue = MemoryQueue(plain("q"))
    consumer = Consumer(0, 10)
    queue.add(consumer)
    queue.offer(letter(b"a"))
    queue.offer(letter(b"b", durable=False))
    queue.offer(letter(b"c"))
    queue.give_back(consumer, queue.take()[1])
    queue.forget_transient()
    assert [take(queue) for _ in range(3)] == [b"a", b"c", None]


def test_of_single_active_consumers_the_first_of_the_highest_works_and_the_next_when_it_goes():
    queue = MemoryQueue(partition("p"))
    first, second, top = Consumer(1, 5), Consumer(1, 5), Consumer(2, 5)
    queue.add(first)
    queue.add(second)
    fill(queue, 5)
    assert queue.take()[0] is first
    queue.add(top)
    assert queue.take() is None, "the first one still has something in hand"
    queue.settle(first)
    assert queue.take()[0] is top
    queue.remove(top)
    assert queue.take()[0] is first
    queue.remove(first)
    assert queue.take()[0] is second
