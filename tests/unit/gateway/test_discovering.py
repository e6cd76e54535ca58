"""Holds what comes of a topic until it is known where it begins, and gives it out once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pytest

from gateway.codecs import DIALECTS
from gateway.counters import Counters
from gateway.discovering import Discoverer
from gateway.fanout import Fanout
from gateway.logs import Logs, Missed, Step
from shared.envelopes import Encoding, Entry, Fetched


class House:
    def __init__(self) -> None:
        self.logs = Logs(Fanout(DIALECTS, Counters(), max_interval=0.0), Counters())
        self.given: list[int | str] = []
        self.discoverer = Discoverer(self.logs, lambda wanted: 1, self._deliver, Counters())

    def _deliver(self, topic: str, steps: Sequence[Step]) -> None:
        self.given += [step.cause if isinstance(step, Missed) else step.offset or 0 for step in steps]

    def answer(self, *offsets: int) -> None:
        self.discoverer.discovery.due(float("inf"), 1)
        self.discoverer.answer(Fetched(-1, 1, "a", "e", offsets[-1], 1, [entry(offset) for offset in offsets]))


def entry(offset: int) -> Entry:
    return Entry("a", b"", Encoding.JSON, 0, epoch="e", offset=offset, taken=1_000_000)


@pytest.fixture
async def house() -> House:
    return House()


@pytest.fixture(autouse=True)
async def stopped(house: House) -> Iterator[None]:  # type: ignore[misc]
    yield
    house.discoverer.stop()


async def test_what_nobody_hears_through_a_pattern_is_none_of_its_business(house: House) -> None:
    assert not house.discoverer.take(entry(5))


async def test_a_topic_that_is_looked_for_begins_once_though_who_heard_it_through_a_pattern_has_gone(
    house: House,
) -> None:
    house.discoverer.listening.add("#", 0.0)
    assert house.discoverer.take(entry(2))
    house.discoverer.listening.remove("#")
    assert house.discoverer.take(entry(3)), "others may wait for it to begin"
    house.answer(1, 2, 3)
    assert house.given == [1, 2, 3]


async def test_a_topic_that_is_followed_already_is_not_begun_again(house: House) -> None:
    house.discoverer.listening.add("#", 0.0)
    assert house.discoverer.take(entry(2))
    house.logs.begin("a", "e", 2, 0.0)
    house.answer(1, 2)
    assert house.given == []


async def test_who_waits_for_topics_to_begin_is_called_when_all_have(house: House) -> None:
    house.discoverer.listening.add("#", 0.0)
    assert house.discoverer.take(entry(2))
    called: list[str] = []
    house.discoverer.when_begun(["b"], lambda: called.append("at once"))
    house.discoverer.when_begun(["b", "a"], lambda: called.append("later"))
    assert called == ["at once"]
    house.answer(1, 2)
    assert called == ["at once", "later"]
