"""How often an intake had to begin again, and what it asks the broker."""

import asyncio
from dataclasses import replace
from types import SimpleNamespace

from shared.bus.amqp_intake import MENDING_MEMORY, AmqpIntake
from shared.bus.counters import BusCounters
from shared.bus.port import Received
from shared.bus.wire import ack_frame, flow_frame
from shared.bus.wire_reader import NO_PROPERTIES, Delivered, Flowing
from tests.support.eventually import eventually


class Link:
    """Opens one channel, and keeps what is written."""

    def __init__(self):
        self.owners = {}
        self.written = []

    async def channel(self):
        return SimpleNamespace(number=7, basic_qos=lambda **order: asyncio.sleep(0))

    async def ask(self, answer, channel=None):
        return await answer

    def forget_refusal(self, channel):
        pass

    def write(self, frames):
        self.written.append(frames)


async def running():
    """An intake over a link of its own."""
    intake = AmqpIntake((), lambda received: None, 1, BusCounters(), lambda intake, cause: None, lambda intake: None)
    await intake.begin(link := Link())
    return intake, link


def message(generation=0):
    return Received(b"", "q", "", "q", False, 1, generation)


async def test_each_question_has_the_answer_that_comes_in_its_turn_though_one_is_not_waited_for_any_more():
    intake, link = await running()
    first, second, third = (asyncio.create_task(intake.flush(message())) for _ in range(3))
    await eventually(lambda: link.written == [flow_frame(7)] * 3)
    second.cancel()
    intake.hear(Flowing(7))
    assert await first
    intake.hear(Flowing(7))
    await asyncio.sleep(0)
    assert not third.done()
    intake.hear(Flowing(7))
    assert await third
    intake.hear(Flowing(7))  # to no question of ours


async def test_a_question_that_is_not_answered_when_the_channel_is_lost_is_a_no():
    intake, link = await running()
    question = asyncio.create_task(intake.flush(message()))
    await eventually(lambda: link.written)
    intake.end()
    assert await question is False
    await intake.begin(link)
    assert await intake.flush(message()) is False, "it came over a channel that is lost"
    question = asyncio.create_task(intake.flush(message(1)))
    await eventually(lambda: len(link.written) == 2)
    intake.hear(Flowing(7))
    assert await question


def test_attempts_in_a_row_are_counted_and_a_sound_time_ends_the_row():
    intake = AmqpIntake((), lambda received: None, 1, BusCounters(), lambda intake, cause: None, lambda intake: None)
    assert [intake.count_mending(1000.0 + pause) for pause in (0, 1, 3, 8)] == [1, 2, 3, 4]
    assert intake.count_mending(1008.0 + MENDING_MEMORY) == 1


async def test_what_comes_first_in_hand_is_acknowledged_with_one_frame_and_the_rest_with_one_each():
    intake, link = await running()
    intake.release()
    for tag in range(1, 9):
        intake.hear(Delivered(7, b"penstock-0", tag, False, "", "q", NO_PROPERTIES, b""))
    acknowledged = [replace(message(), tag=tag) for tag in (1, 2, 3, 5, 7)]
    intake.ack_all([*acknowledged, replace(message(generation=1), tag=4)])
    assert link.written == [
        ack_frame(7, 3, multiple=True), ack_frame(7, 5, multiple=False), ack_frame(7, 7, multiple=False)
    ]  # fmt: skip
    assert [tag for tag in range(1, 9) if intake.holds(replace(message(), tag=tag))] == [4, 6, 8]
    assert intake._counters.stale_acks == 1


async def test_nothing_is_asked_behind_the_end_of_a_channel():
    intake, link = await running()
    closing = asyncio.Event()
    intake._channel.close = closing.wait
    leaving = asyncio.create_task(intake.leave())
    await asyncio.sleep(0)
    assert await intake.flush(message()) is False
    assert not link.written
    closing.set()
    await leaving
    await intake.begin(link)
    question = asyncio.create_task(intake.flush(message(1)))
    await eventually(lambda: link.written == [flow_frame(7)])
    intake.hear(Flowing(7))
    assert await question
