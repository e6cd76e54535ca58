"""What is asked about topics that may have grown unheard."""

from __future__ import annotations

import pytest

from gateway import lookback as room
from gateway.effects import Ask
from gateway.listening import Listening
from gateway.lookback import LookBack
from shared.clock import monotonic
from shared.envelopes import Grown, GrownRequest
from tests.support.eventually import eventually


class House:
    def __init__(self, *patterns: str) -> None:
        self.listening = Listening()
        for pattern in patterns:
            self.listening.add(pattern, 0.0)
        self.asked: list[GrownRequest] = []
        self.look_back = LookBack(self.listening, self._ask, lambda: len(self.asked) + 1, session=-9)

    def _ask(self, ask: Ask) -> None:
        assert isinstance(ask.request, GrownRequest)
        assert ask.key == ask.request.topic
        self.asked.append(ask.request)

    def begin(self, seconds: float = 10.0) -> None:
        self.look_back.begin(monotonic() - seconds)

    def settle(self, number: int) -> str | None:
        question = self.look_back.settle(Grown(-9, number, "", (), 0))
        return question and question.pattern


async def test_every_pattern_is_asked_about_with_the_time_for_which_nothing_was_heard() -> None:
    house = House("a.*", "#")
    house.begin(10.0)
    assert [(request.session, request.topic) for request in house.asked] == [(-9, "a.*"), (-9, "#")]
    assert all(10.0 <= request.within < 11.0 for request in house.asked)
    house.look_back.stop()


async def test_where_nobody_listens_to_patterns_nothing_is_asked() -> None:
    house = House()
    house.begin()
    assert house.asked == []


async def test_many_patterns_are_one_question_about_everything(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "MAX_PATTERNS", 2)
    house = House("a.*", "b.*", "c.*")
    house.begin()
    [request] = house.asked
    assert request.topic == "#"
    question = house.look_back.settle(Grown(-9, 1, "#", None, 0))
    assert question is not None
    assert question.everything
    house.look_back.stop()


async def test_what_is_not_answered_is_asked_again_and_what_was_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "ASK_AGAIN", 0.02)
    house = House("a.*", "b.*", "c.*")
    house.begin(10.0)
    assert house.settle(1) == "a.*"
    assert house.settle(1) is None
    house.listening.remove("c.*")
    await eventually(lambda: len(house.asked) >= 5)
    assert {request.topic for request in house.asked[3:]} == {"b.*"}
    assert house.asked[-1].within > house.asked[1].within, "time goes on"
    house.look_back.stop()


async def test_a_new_loss_asks_for_as_long_as_the_one_that_was_not_answered() -> None:
    house = House("a.*")
    house.begin(60.0)
    house.begin(5.0)
    assert house.asked[1].within >= 60.0
    assert house.settle(1) is None, "of an earlier time"
    assert house.settle(2) == "a.*"
    house.look_back.stop()


async def test_nothing_is_asked_of_the_time_before_the_first_of_them_listened() -> None:
    house = House("a.*")
    house.listening.add("b.*", monotonic() - 3.0)
    house.begin(60.0)
    spans = {request.topic: request.within for request in house.asked}
    assert spans["a.*"] >= 60.0
    assert 3.0 <= spans["b.*"] < 4.0
    house.look_back.stop()
