"""How often an intake had to begin again, and what it asks the broker."""

import asyncio
from types import SimpleNamespace

from shared.bus.amqp_intake import MENDING_MEMORY, AmqpIntake
from shared.bus.counters import BusCounters
from shared.bus.port import Received
from shared.bus.wire import flow_frame
from shared.bus.wire_reader import Flowing
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
