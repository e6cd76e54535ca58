"""Where every topic stands, and what a message that comes means for it."""

from __future__ import annotations

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from gateway import logs as room
from gateway.counters import Counters
from gateway.logs import ASK_AGAIN, EPOCH_CHANGED, HOLE_PATIENCE, MAX_HELD, TRIMMED, Logs, Missed, Step, Wanted
from shared.envelopes import Encoding, Entry, Fetched

NOW = 1000.0
LATER = NOW + HOLE_PATIENCE


def entry(offset: int, epoch: str = "e", topic: str = "a") -> Entry:
    return Entry(topic, str(offset).encode(), Encoding.JSON, 0, epoch=epoch, offset=offset)


def fetched(*offsets: int, head: int, first: int = 1, epoch: str = "e", topic: str = "a") -> Fetched:
    return Fetched(-1, 1, topic, epoch, head, first, [entry(offset, epoch, topic) for offset in offsets])


class Hearing:
    """Who hears a topic: somebody through a pattern, but for topics that are said to be heard otherwise."""

    def __init__(self) -> None:
        self.names: set[str] = set()
        self.unheard: set[str] = set()

    def is_heard(self, topic: str) -> bool:
        return topic not in self.unheard

    def is_named(self, topic: str) -> bool:
        return topic in self.names

    @property
    def named(self) -> int:
        return len(self.names)


def empty(hearing: Hearing | None = None) -> Logs:
    return Logs(hearing or Hearing(), Counters())


def following(offset: int = 0, epoch: str = "e") -> Logs:
    logs = empty()
    logs.begin("a", epoch, offset, NOW)
    return logs


def seen(steps: object) -> list[object]:
    assert isinstance(steps, list | tuple)
    return [step.offset if isinstance(step, Entry) else (step.cause, step.epoch, step.offset) for step in steps]


def test_the_next_offset_is_delivered_and_a_lower_one_is_a_duplicate() -> None:
    logs = following(4)
    assert seen(logs.take(entry(5), NOW)) == [5]
    assert seen(logs.take(entry(5), NOW)) == []
    assert seen(logs.take(entry(3), NOW)) == []
    assert logs.duplicates == 2


def test_a_topic_that_was_not_followed_is_from_its_first_message_on() -> None:
    logs = empty()
    assert seen(logs.take(entry(7), NOW)) == [7]
    assert seen(logs.take(entry(8), NOW)) == [8]


def test_what_comes_early_waits_for_what_is_missing() -> None:
    logs = following(4)
    assert seen(logs.take(entry(7), NOW)) == []
    assert seen(logs.take(entry(6), NOW)) == []
    assert seen(logs.take(entry(5), NOW)) == [5, 6, 7]
    assert logs.holes == 1
    assert logs.due(LATER, 10) == [], "it closed by itself"


def test_a_hole_is_asked_for_when_its_patience_is_over_and_again_where_nothing_comes() -> None:
    logs = following(4)
    logs.take(entry(7), NOW)
    assert logs.due_at == LATER
    assert logs.due(NOW, 10) == []
    assert logs.due(LATER, 10) == [Wanted("a", 4)]
    assert logs.due(LATER, 10) == []
    assert logs.due(LATER + ASK_AGAIN, 10) == [Wanted("a", 4)]


def test_what_was_fetched_closes_the_hole_and_what_was_held_follows() -> None:
    logs = following(4)
    logs.take(entry(7), NOW)
    logs.due(LATER, 10)
    assert seen(logs.fill(fetched(5, 6, 7, 8, head=8), LATER)) == [5, 6, 7, 8]
    assert logs.due(LATER + ASK_AGAIN, 10) == []


def test_a_range_that_comes_in_two_parts_is_asked_for_on() -> None:
    logs = following(4)
    logs.take(entry(9), NOW)
    logs.due(LATER, 10)
    assert seen(logs.fill(fetched(5, 6, head=9), LATER)) == [5, 6]
    assert logs.due(LATER, 10) == [Wanted("a", 6)]
    assert seen(logs.fill(fetched(7, 8, head=9), LATER)) == [7, 8, 9]


def test_what_the_log_no_longer_has_is_announced() -> None:
    logs = following(4)
    logs.take(entry(9), NOW)
    assert seen(logs.fill(fetched(8, 9, head=9, first=8), LATER)) == [(TRIMMED, "e", 8), 8, 9]


def test_a_log_of_which_nothing_is_kept_leaves_a_gap_up_to_its_head() -> None:
    logs = following(4)
    assert seen(logs.fill(fetched(head=9, first=10), NOW)) == [(TRIMMED, "e", 10)]
    assert seen(logs.take(entry(10), NOW)) == [10]


def test_another_epoch_is_announced_and_begins_at_its_first_offset() -> None:
    logs = following(4)
    assert seen(logs.take(entry(1, "f"), NOW)) == [(EPOCH_CHANGED, "f", 1), 1]
    assert seen(logs.take(entry(5, "e"), NOW)) == [], "too late"
    assert seen(logs.take(entry(2, "f"), NOW)) == [2]


def test_an_epoch_that_was_taken_for_a_later_one_by_mistake_is_left_and_nothing_is_delivered_twice() -> None:
    logs = following(epoch="f")
    assert seen(logs.take(entry(1, "f"), NOW)) == [1]
    assert seen(logs.take(entry(5, "e"), NOW)) == [("epoch_changed", "e", 1)], "late, of a log that was lost"
    assert seen(logs.fill(fetched(1, 2, head=2, epoch="f"), LATER)) == [("epoch_changed", "f", 2), 2]
    assert seen(logs.take(entry(3, "f"), LATER)) == [3]


def test_another_epoch_of_which_the_beginning_is_missing_is_filled() -> None:
    logs = following(4)
    assert seen(logs.take(entry(3, "f"), NOW)) == [(EPOCH_CHANGED, "f", 1)]
    assert logs.due(LATER, 10) == [Wanted("a", 0)]
    assert seen(logs.fill(fetched(1, 2, 3, head=3, epoch="f"), LATER)) == [1, 2, 3]


def test_learning_that_a_log_is_ahead_opens_a_hole() -> None:
    logs = following(4)
    assert seen(logs.expect("a", "e", 4, NOW)) == []
    assert logs.due_at is None
    logs.expect("a", "e", 6, NOW)
    assert logs.due(LATER, 10) == [Wanted("a", 4)]


def test_a_doubt_is_asked_about_at_once_and_settled_by_an_answer() -> None:
    logs = following(4)
    logs.doubt(["a", "not followed"], NOW)
    assert logs.due(NOW, 10) == [Wanted("a", 4)]
    assert seen(logs.fill(fetched(head=4), NOW)) == []
    assert logs.due(NOW + ASK_AGAIN, 10) == []


def test_no_more_is_asked_at_once_than_one_wants() -> None:
    logs = empty()
    for number in range(5):
        logs.begin(f"t{number}", "e", 0, NOW)
    logs.doubt(logs.topics(), NOW)
    assert len(logs.due(NOW, 3)) == 3
    assert logs.due_at == NOW
    assert len(logs.due(NOW, 3)) == 2


def test_what_is_held_is_bounded_and_fetched_once_there_is_room() -> None:
    logs = following(0)
    for offset in range(2, MAX_HELD + 4):
        logs.take(entry(offset), NOW)
    delivered = seen(logs.take(entry(1), NOW))
    assert delivered == list(range(1, MAX_HELD + 2))
    logs.take(entry(MAX_HELD + 5), NOW)
    assert logs.due(LATER, 10) == [Wanted("a", MAX_HELD + 1)]


@pytest.fixture
def room_for_four(monkeypatch: pytest.MonkeyPatch) -> None:
    """And quiet ones go from the third on."""
    monkeypatch.setattr(room, "MAX_LOGS", 4)
    monkeypatch.setattr(room, "SPARE", 2)


@pytest.mark.usefixtures("room_for_four")
def test_a_place_to_which_something_was_delivered_lately_stays_and_a_quiet_one_goes() -> None:
    logs = empty()
    for topic in ("busy", "quiet"):
        logs.begin(topic, "e", 0, NOW)
    logs.take(entry(1, topic="busy"), NOW + 1)
    logs.begin("new", "e", 0, NOW + 2)
    assert logs.topics() == ["new", "busy"]
    assert logs.may_know("quiet", since=NOW)
    assert not logs.may_know("quiet", since=NOW + 0.1), "nothing was delivered of it since it was looked at"
    assert not logs.may_know("busy", since=NOW)


@pytest.mark.usefixtures("room_for_four")
def test_a_place_that_was_looked_at_and_is_quiet_since_then_goes_though_it_was_busy_before() -> None:
    logs = empty()
    logs.begin("a", "e", 0, NOW)
    logs.take(entry(1, topic="a"), NOW)
    for number in range(4):
        logs.begin(f"t{number}", "e", 0, NOW + number)
        logs.take(entry(1, topic=f"t{number}"), NOW + number)
    assert logs.of("a") is None


@pytest.mark.usefixtures("room_for_four")
def test_the_place_of_a_topic_that_is_subscribed_to_by_name_is_never_forgotten() -> None:
    hearing = Hearing()
    hearing.names = {f"name{number}" for number in range(50)}
    logs = empty(hearing)
    for topic in sorted(hearing.names):
        logs.begin(topic, "e", 0, NOW)
    for number in range(200):
        logs.begin(f"t{number}", "e", 0, NOW)
    assert hearing.names < set(logs.topics())
    assert len(logs) <= 50 + 4


@pytest.mark.usefixtures("room_for_four")
def test_the_place_of_a_topic_that_nobody_hears_goes_without_a_word() -> None:
    hearing = Hearing()
    logs = empty(hearing)
    for topic in ("unheard", "quiet"):
        logs.begin(topic, "e", 0, NOW)
    hearing.unheard.add("unheard")
    logs.begin("new", "e", 0, NOW)
    assert logs.topics() == ["quiet", "new"]
    assert not logs.may_know("unheard", since=NOW)


@pytest.mark.usefixtures("room_for_four")
def test_where_all_are_busy_one_goes_that_was_not_looked_at_for_longest_and_the_bound_is_kept() -> None:
    counters = Counters()
    logs = Logs(Hearing(), counters)
    for number in range(20):
        logs.begin(f"t{number}", "e", 0, NOW + number)
        for topic in logs.topics():
            log = logs.of(topic)
            assert log is not None
            logs.take(entry(log.offset + 1, topic=topic), NOW + number)
    assert len(logs) <= 4
    assert counters.places_forgotten == 16
    assert logs.delivered_until > NOW, "something may have been delivered of them until just now"


class Bus(RuleBasedStateMachine):
    """A log that grows, and a bus that loses, doubles and overtakes: what comes out is the log, or says what is not."""

    @initialize(start=st.integers(0, 3))
    def begin(self, start: int) -> None:
        self.now = NOW
        self.epoch, self.head, self.first = 1, start, 1
        self.logs = empty()
        self.logs.begin("a", "1", start, NOW)
        self.place = (1, start)
        self.on_its_way: list[Entry] = []

    def see(self, steps: list[Step] | tuple[Step, ...]) -> None:
        for step in steps:
            epoch, offset = int(step.epoch or 0), step.offset or 0
            if isinstance(step, Missed):
                assert (epoch, offset) > self.place
                self.place = (epoch, offset - 1)
            else:
                assert (epoch, offset) == (self.place[0], self.place[1] + 1), "in order, once, no silent hole"
                self.place = (epoch, offset)

    @rule(lost=st.booleans())
    def append(self, lost: bool) -> None:
        self.head += 1
        if not lost:
            self.on_its_way.append(entry(self.head, str(self.epoch)))

    @rule(place=st.integers(0, 5), again=st.booleans())
    def arrive(self, place: int, again: bool) -> None:
        if self.on_its_way:
            one = self.on_its_way[place % len(self.on_its_way)]
            if not again:
                self.on_its_way.remove(one)
            self.see(list(self.logs.take(one, self.now)))

    @rule(by=st.integers(1, 4))
    def trim(self, by: int) -> None:
        self.first = min(self.first + by, self.head + 1)

    @rule()
    def lose_the_store(self) -> None:
        if self.place[0] != self.epoch:
            self.on_its_way = [one for one in self.on_its_way if int(one.epoch or 0) != self.epoch]
        self.epoch, self.head, self.first = self.epoch + 1, 0, 1

    @rule(chunk=st.integers(1, 3), answered=st.booleans())
    def ask(self, chunk: int, answered: bool) -> None:
        self.now += ASK_AGAIN
        for topic, after in self.logs.due(self.now, 10):
            if answered:
                known = int(self.logs.of("a").epoch) == self.epoch  # type: ignore[union-attr]
                start = max(self.first, after + 1 if known else 1)
                upto = min(self.head, start + chunk - 1)
                offsets = range(start, upto + 1)
                self.see(
                    list(
                        self.logs.fill(
                            fetched(*offsets, head=self.head, first=self.first, epoch=str(self.epoch), topic=topic),
                            self.now,
                        )
                    )
                )

    @rule()
    def doubt(self) -> None:
        self.logs.doubt(["a"], self.now)

    @invariant()
    def never_ahead(self) -> None:
        if hasattr(self, "place") and self.place[0] == self.epoch:
            assert self.place[1] <= self.head

    def teardown(self) -> None:
        """When all is quiet, asking brings everybody to the head."""
        if not hasattr(self, "logs"):
            return
        self.on_its_way.clear()
        self.logs.doubt(["a"], self.now)
        for _ in range(self.head + 3):
            self.ask(3, True)
        assert self.place == (self.epoch, self.head)


Bus.TestCase.settings = settings(max_examples=150, stateful_step_count=30, deadline=None)
TestBus = Bus.TestCase
