"""What somebody missed of a pattern is read some topics at a time, and no more than one subscription is given."""

from __future__ import annotations

import pytest

from gateway import reading as room
from gateway.catchup import Beginning, Place, within_bounds
from gateway.logs import TRIMMED, Missed
from gateway.reading import AT_ONCE, Found, Reading
from gateway.window import Kept
from shared.envelopes import Encoding, Entry, Head

COUNT = AT_ONCE + 40


class House:
    """Topics with two messages each, whose past comes when it is told to."""

    def __init__(self, count: int = COUNT, *, at_once: bool = False) -> None:
        self.at_once = at_once
        self.asked: list[tuple[str, Found]] = []
        self.full = 0
        self.told: list[list[Beginning] | None] = []
        topics = [(Head(f"t{number}", "e", 2), Place("e", 2)) for number in range(count)]
        self.reading = Reading(topics, self._read, self.told.append)
        self.reading.go_on()

    def _read(self, head: Head, base: Place, found: Found, *, full: bool) -> None:
        if full:
            self.full += 1
            found(Beginning(head.topic, base, False, Missed(head.topic, "e", 3, TRIMMED)), True)
        elif self.at_once:
            found(beginning(head.topic), True)
        else:
            self.asked.append((head.topic, found))

    def come(self, looked: bool = True) -> None:
        topic, found = self.asked.pop(0)
        found(beginning(topic), looked)


def beginning(topic: str) -> Beginning:
    past = [Kept(Entry(topic, b"x" * 10, Encoding.JSON, 0, epoch="e", offset=offset)) for offset in (1, 2)]
    return Beginning(topic, Place("e", 0), True, None, past)


def test_some_are_asked_for_at_a_time_and_each_that_comes_makes_room_for_the_next() -> None:
    house = House()
    assert len(house.asked) == AT_ONCE
    house.come()
    assert len(house.asked) == AT_ONCE
    while house.asked:
        assert house.told == []
        house.come()
    [told] = house.told
    assert told is not None
    assert [(each.topic, len(each.past)) for each in told] == [(f"t{number}", 2) for number in range(COUNT)]


def test_what_is_found_at_once_needs_no_depth() -> None:
    house = House(10_000, at_once=True)
    assert [len(told or ()) for told in house.told] == [10_000]


def test_a_pattern_of_which_no_topic_grew_is_told_at_once() -> None:
    assert House(0).told == [[]]


@pytest.mark.parametrize("bound", [("MAX_ENTRIES", 20), ("MAX_BYTES", 200)])
def test_what_has_no_room_is_not_read_and_is_missed_as_if_it_had_been(
    bound: tuple[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(room, *bound)
    monkeypatch.setattr(f"gateway.catchup.{bound[0]}", bound[1])
    house = House()
    while house.asked:
        house.come()
    assert house.full == COUNT - AT_ONCE - 10
    [told] = house.told
    assert told is not None
    fitting = within_bounds(told)
    assert [each.recovered for each in fitting] == [True] * 10 + [False] * (COUNT - 10)
    assert [each.missed and each.missed.offset for each in fitting] == [None] * 10 + [3] * (COUNT - 10)


def test_where_one_cannot_be_looked_for_no_more_are_read_and_that_is_told_once() -> None:
    house = House()
    house.come(looked=False)
    assert len(house.asked) == AT_ONCE - 1
    while house.asked:
        house.come()
    assert house.told == [None]
