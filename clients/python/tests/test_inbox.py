"""Bounded buffers: full ones are never silent."""

import asyncio

import pytest

from penstock_client import Gap, Message, errors
from penstock_client.inbox import Inbox


def message(number):
    return Message("t", number, 0)


async def test_items_come_out_in_order():
    inbox = Inbox("t", 10, "raise")
    for number in range(3):
        assert inbox.put(message(number))
    assert [(await inbox.get()).data for _ in range(3)] == [0, 1, 2]


async def test_a_full_buffer_that_raises_hands_out_what_it_holds_first():
    inbox = Inbox("orders.*", 2, "raise")
    assert [inbox.put(message(number)) for number in range(4)] == [True, True, False, True]
    assert [(await inbox.get()).data for _ in range(2)] == [0, 1]
    with pytest.raises(errors.SlowConsumer, match=r"orders\.\*"):
        await inbox.get()
    assert inbox.dropped == 1


async def test_a_full_buffer_that_drops_says_how_many():
    inbox = Inbox("orders.*", 2, "drop_oldest")
    assert all(inbox.put(message(number)) for number in range(5))
    assert await inbox.get() == Gap("orders.*", "dropped", missed=3)
    assert [(await inbox.get()).data for _ in range(2)] == [3, 4]
    assert inbox.dropped == 3


async def test_a_buffer_that_ended_is_read_to_its_end():
    inbox = Inbox("t", 2, "raise")
    inbox.put(message(1))
    inbox.end(None)
    inbox.put(message(2))
    inbox.end(errors.ClientClosed("too late to count"))
    assert (await inbox.get()).data == 1
    with pytest.raises(StopAsyncIteration):
        await inbox.get()


async def test_a_reader_that_waits_is_woken_by_item_and_end():
    inbox = Inbox("t", 2, "raise")
    reader = asyncio.create_task(inbox.get())
    await asyncio.sleep(0)
    inbox.put(message(1))
    inbox.put(message(2))
    assert (await reader).data == 1
    await inbox.get()
    reader = asyncio.create_task(inbox.get())
    await asyncio.sleep(0)
    inbox.end(errors.Revoked("gone"))
    with pytest.raises(errors.Revoked):
        await reader


async def test_a_cancelled_reader_loses_nothing():
    inbox = Inbox("t", 2, "raise")
    reader = asyncio.create_task(inbox.get())
    await asyncio.sleep(0)
    inbox.put(message(1))
    reader.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reader
    assert (await inbox.get()).data == 1


async def test_two_readers_of_one_buffer_are_refused():
    inbox = Inbox("t", 2, "raise")
    reader = asyncio.create_task(inbox.get())
    await asyncio.sleep(0)
    with pytest.raises(errors.Misuse):
        await inbox.get()
    inbox.put(message(1))
    assert (await reader).data == 1


@pytest.mark.parametrize(("size", "overflow"), [(0, "raise"), (-1, "raise"), (1, "grow")])
async def test_a_buffer_without_bound_or_rule_is_refused(size, overflow):
    with pytest.raises(errors.InvalidArgument):
        Inbox("t", size, overflow)
