"""Topics that are heard for the first time, and not from their first message on."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway import discovery as room
from gateway.discovery import BEFORE, GIVE_UP, Begun, Discovery
from gateway.logs import ASK_AGAIN, HOLE_PATIENCE, Wanted
from shared.envelopes import Encoding, Entry, Fetched, Head

NOW = 1000.0
LATER = NOW + HOLE_PATIENCE
TAKEN = 1_800_000_000_000
"""When the entry 100 was taken, in milliseconds; each other one a second before the next."""


def entry(offset: int, epoch: str = "e", topic: str = "a", taken: int | None = None) -> Entry:
    at = TAKEN - (100 - offset) * 1000 if taken is None else taken
    return Entry(topic, b"", Encoding.JSON, 0, epoch=epoch, offset=offset, taken=at)


def fetched(*offsets: int, head: int = 100, first: int = 1, epoch: str = "e") -> Fetched:
    return Fetched(-1, 1, "a", epoch, head, first, [entry(offset, epoch) for offset in offsets])


def said(begun: Begun | Wanted | None) -> tuple[int, list[int | None], bool]:
    assert isinstance(begun, Begun)
    return begun.base, [each.offset for each in begun.entries], begun.missed


def holding(*offsets: int, heard_for: float = 3.0) -> Discovery:
    """Something that holds these, and has asked a router."""
    discovery = Discovery()
    for offset in offsets:
        assert discovery.take(entry(offset), heard_for, NOW) is None
    assert discovery.due(LATER, 10)
    return discovery


def test_a_topic_begins_at_once_with_its_first_message() -> None:
    assert said(Discovery().take(entry(1), 3.0, NOW)) == (0, [1], False)


def test_what_overtook_the_first_message_waits_for_it() -> None:
    discovery = Discovery()
    assert discovery.take(entry(3), 3.0, NOW) is None
    assert discovery.take(entry(2), 3.0, NOW) is None
    assert said(discovery.take(entry(1), 3.0, NOW)) == (0, [1, 2, 3], False)
    assert "a" not in discovery
    assert discovery.due_at is None


def test_a_router_is_asked_once_the_patience_is_over_and_again_where_nothing_comes() -> None:
    discovery = Discovery()
    discovery.take(entry(100), 3.0, NOW)
    assert discovery.due_at == LATER
    assert discovery.due(NOW, 10) == []
    assert discovery.due(LATER, 10) == [Wanted("a", 100 - 1 - BEFORE)]
    assert discovery.due(LATER, 10) == []
    assert discovery.due(LATER + ASK_AGAIN, 10) == [Wanted("a", 100 - 1 - BEFORE)]


def test_what_was_taken_before_somebody_listened_is_no_news() -> None:
    discovery = holding(100, heard_for=0.5)
    assert said(discovery.fill(fetched(97, 98, 99, 100, first=97), LATER)) == (99, [100], False)


def test_what_was_taken_since_somebody_listens_is_delivered_though_the_bus_lost_it() -> None:
    discovery = holding(100, heard_for=2.5)
    told = fetched(96, 97, 98, 99, 100, 101, head=101, first=96)
    assert said(discovery.fill(told, LATER)) == (97, [98, 99, 100, 101], False)


def test_where_all_that_came_is_news_more_is_asked_for() -> None:
    discovery = holding(100, heard_for=60)
    assert discovery.fill(fetched(*range(84, 101)), LATER) == Wanted("a", 99 - 4 * BEFORE)
    assert discovery.due(LATER + ASK_AGAIN, 10) == [Wanted("a", 99 - 4 * BEFORE)]
    assert said(discovery.fill(fetched(*range(36, 101)), LATER)) == (39, list(range(40, 101)), False)


def test_where_all_that_the_log_has_is_news_what_it_had_before_is_missed() -> None:
    discovery = holding(100, heard_for=60)
    assert said(discovery.fill(fetched(98, 99, 100, first=98), LATER)) == (97, [98, 99, 100], True)


def test_a_whole_log_that_is_news_begins_at_its_first_message() -> None:
    discovery = holding(3, heard_for=3600)
    assert said(discovery.fill(fetched(1, 2, 3, head=3), LATER)) == (0, [1, 2, 3], False)


def test_a_log_that_keeps_nothing_before_says_nothing_of_it() -> None:
    discovery = holding(100)
    assert said(discovery.fill(fetched(100, first=100), LATER)) == (99, [100], False)


def test_an_answer_that_is_cut_off_leaves_a_hole_that_the_log_will_heal() -> None:
    discovery = holding(100, heard_for=8.5)
    assert said(discovery.fill(fetched(84, 85, 91, 92, 93), LATER)) == (91, [92, 93, 100], False)


def test_where_an_answer_is_cut_off_before_all_that_is_news_the_rest_is_asked_for() -> None:
    discovery = holding(100, heard_for=3.5)
    assert discovery.fill(fetched(*range(84, 90)), LATER) == Wanted("a", 89)
    assert said(discovery.fill(fetched(*range(90, 101)), LATER)) == (96, [97, 98, 99, 100], False)


def test_what_is_known_to_be_no_news_is_not_asked_for_again() -> None:
    discovery = holding(100, heard_for=3.5)
    assert discovery.fill(fetched(*range(84, 97)), LATER) == Wanted("a", 96)
    assert said(discovery.fill(fetched(*range(97, 101)), LATER)) == (96, [97, 98, 99, 100], False)


def test_an_answer_to_an_earlier_question_is_none_to_the_one_that_goes_further_back() -> None:
    discovery = holding(100, heard_for=60)
    assert discovery.due(LATER + ASK_AGAIN, 10) == [Wanted("a", 100 - 1 - BEFORE)]
    assert discovery.fill(fetched(*range(84, 101)), LATER) == Wanted("a", 99 - 4 * BEFORE)
    assert discovery.fill(fetched(*range(84, 101)), LATER) is None
    assert said(discovery.fill(fetched(*range(36, 101)), LATER)) == (39, list(range(40, 101)), False)


def test_an_answer_with_nothing_of_what_was_asked_for_is_none() -> None:
    discovery = holding(100, heard_for=3.5)
    assert discovery.fill(fetched(), LATER) is None
    assert said(discovery.fill(fetched(*range(84, 101)), LATER)) == (96, [97, 98, 99, 100], False)


def test_the_time_of_an_event_says_nothing_of_when_it_was_taken() -> None:
    discovery = Discovery()
    early = Entry("a", b"", Encoding.JSON, 5, epoch="e", offset=2, taken=TAKEN)
    assert discovery.take(early, 3.0, NOW) is None
    discovery.due(LATER, 10)
    first = Entry("a", b"", Encoding.JSON, 3, epoch="e", offset=1, taken=TAKEN - 10)
    assert said(discovery.fill(Fetched(-1, 1, "a", "e", 2, 1, [first, early]), LATER)) == (0, [1, 2], False)


def test_another_epoch_that_comes_ends_the_waiting() -> None:
    discovery = holding(5)
    assert said(discovery.take(entry(1, "f"), 3.0, NOW)) == (4, [5, 1], True), "what stood before 5 nobody can tell"


def test_another_epoch_that_a_router_tells_ends_the_waiting() -> None:
    discovery = holding(5)
    assert said(discovery.fill(fetched(1, epoch="f", head=1), LATER)) == (4, [5], True), "so that 1 to 4 are not missed"


def test_a_log_that_has_let_go_of_what_is_held_leaves_a_gap_before_it() -> None:
    discovery = holding(5, 7)
    assert said(discovery.fill(fetched(8, 9, head=9, first=8), LATER)) == (4, [5, 7], True)


def test_a_topic_of_which_no_router_says_anything_begins_with_a_gap() -> None:
    discovery = holding(5, 7)
    assert discovery.overdue(NOW + GIVE_UP - 0.1) == []
    [begun] = discovery.overdue(NOW + GIVE_UP)
    assert said(begun) == (4, [5, 7], True)
    assert discovery.overdue(NOW + GIVE_UP) == []


def forgotten(discovery: Discovery, number: int = 7) -> Discovery:
    """Something that holds a topic whose place was forgotten, and has asked a router under a number."""
    discovery.hold_forgotten(Head("a", "e", 5), NOW)
    discovery.take(entry(5), 3.0, NOW)
    assert [wanted.topic for wanted in discovery.due(LATER, 10)] == ["a"]
    discovery.asked("a", number)
    return discovery


def test_a_topic_whose_place_was_forgotten_begins_where_its_log_stands_with_a_gap() -> None:
    discovery = forgotten(Discovery())
    assert discovery.take(entry(1), 3.0, NOW) is None, "it is an old one"
    assert discovery.take(entry(101), 3.0, NOW) is None
    told = Fetched(-1, 7, "a", "e", 100, 1, [entry(99), entry(100)])
    assert said(discovery.fill(told, LATER)) == (100, [101], True)


def test_a_topic_whose_place_was_forgotten_does_not_begin_with_an_earlier_answer_nor_without_any() -> None:
    discovery = forgotten(Discovery(), number=7)
    assert discovery.fill(Fetched(-1, 6, "a", "e", 5, 1, [entry(5)]), LATER) is None
    assert discovery.overdue(NOW + GIVE_UP) == []
    assert discovery.holds_forgotten("a")
    discovery.due(NOW + GIVE_UP, 10)
    discovery.asked("a", 8)
    assert said(discovery.fill(Fetched(-1, 7, "a", "f", 2, 1, []), LATER)) == (2, [], True)


def test_beyond_the_bound_a_topic_whose_place_was_forgotten_is_not_held(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "MAX_TOPICS", 0)
    discovery = Discovery()
    discovery.hold_forgotten(Head("a", "e", 5), NOW)
    assert "a" not in discovery


def test_beyond_the_bound_a_topic_begins_with_a_gap(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "MAX_TOPICS", 1)
    discovery = Discovery()
    assert discovery.take(entry(5), 3.0, NOW) is None
    assert said(discovery.take(entry(7, topic="b"), 3.0, NOW)) == (6, [7], True)


def test_what_is_held_of_a_topic_is_bounded_and_the_earliest_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "MAX_HELD", 3)
    discovery = Discovery()
    for offset in (5, 7, 9, 11, 4):
        assert discovery.take(entry(offset), 3.0, NOW) is None
    [begun] = discovery.overdue(NOW + GIVE_UP)
    assert said(begun) == (3, [4, 5, 7, 9], True)


def test_no_more_is_asked_at_once_than_one_wants() -> None:
    discovery = Discovery()
    for number in range(5):
        discovery.take(entry(2, topic=f"t{number}"), 3.0, NOW)
    assert [wanted.topic for wanted in discovery.due(LATER, 3)] == ["t0", "t1", "t2"]
    assert discovery.due_at == LATER
    assert [wanted.topic for wanted in discovery.due(LATER, 3)] == ["t3", "t4"]
    assert discovery.due_at == LATER + ASK_AGAIN


def test_what_was_forgotten_is_held_anew() -> None:
    discovery = holding(5)
    discovery.forget("a")
    assert discovery.fill(fetched(4, 5), LATER) is None
    assert discovery.take(entry(6), 3.0, NOW) is None


@given(
    came=st.lists(st.integers(1, 40), min_size=1, max_size=8, unique=True),
    first=st.integers(1, 40),
    heard_for=st.integers(0, 60),
    most=st.integers(1, 40),
)
def test_all_that_is_news_is_delivered_or_missed_whatever_came_first(
    came: list[int], first: int, heard_for: int, most: int
) -> None:
    head = 40
    news_from = came[0] - heard_for  # a second lies between one and the next
    discovery = Discovery()
    begun: Begun | Wanted | None = None
    for offset in came:
        begun = discovery.take(entry(offset), heard_for, NOW)
        if begun is not None:
            break
    asked = discovery.due(LATER, 1)
    while begun is None or isinstance(begun, Wanted):
        after = begun.after if isinstance(begun, Wanted) else asked[0].after
        held = [offset for offset in range(max(first, after + 1), head + 1)][:most]
        begun = discovery.fill(fetched(*held, head=head, first=first), LATER)
        assert begun is not None
    lowest = min(came)
    assert begun.base < lowest
    kept_news = [offset for offset in range(max(news_from, first, 1), lowest)]
    if kept_news:
        assert begun.base < kept_news[0]
    assert begun.base + 1 >= min(lowest, news_from) or begun.base == 0
    offsets = [each.offset for each in begun.entries]
    assert offsets == sorted(set(offsets), key=lambda offset: offset or 0)
