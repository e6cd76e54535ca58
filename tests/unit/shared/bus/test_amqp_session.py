"""How full a queue is, by a broker that may be too busy to look."""

from types import SimpleNamespace

import pytest
from yarl import URL

from shared.bus import amqp_session
from shared.bus.amqp_session import DOUBTS, Session
from shared.bus.counters import BusCounters
from shared.bus.port import Depth
from shared.errors import TopologyMismatch


class Consuming:
    """A connection over which the broker gives these answers, the last of them for ever."""

    def __init__(self, *answers):
        self.answers, self.asked, self.owners = list(answers), 0, {}

    async def channel(self):
        return SimpleNamespace(number=1, queue_declare=lambda queue, passive: None)

    async def ask(self, order, channel):
        self.asked += 1
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return SimpleNamespace(message_count=answer[0], consumer_count=answer[1])


async def told(*answers):
    session = Session(URL("amqp://h"), "test", 10, lambda *lost: None, lambda session: None, BusCounters())
    session.consuming = Consuming(*answers)
    depth = await session.depth("q")
    assert session._counters.depths_doubted in (session.consuming.asked - 1, DOUBTS)
    return depth, session.consuming.asked


@pytest.fixture
def slow(monkeypatch):
    monkeypatch.setattr(amqp_session, "DOUBTED_AFTER", 0.0)


async def test_a_queue_of_which_a_slow_answer_says_that_nothing_is_there_is_asked_for_again(slow):
    assert await told((0, 0), (0, 0), (3, 1)) == (Depth(3, 1), 3)
    assert await told((0, 0), (0, 1)) == (Depth(0, 1), 2)
    assert await told((0, 0), TopologyMismatch("it is gone")) == (None, 2)


async def test_it_is_believed_in_the_end(slow):
    assert await told((0, 0)) == (Depth(0, 0), DOUBTS)


async def test_a_quick_answer_is_believed_at_once():
    assert await told((0, 0), (3, 1)) == (Depth(0, 0), 1)
