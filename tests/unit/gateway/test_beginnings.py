"""How a subscription begins: what is missing, what is lost, what the client knows."""

from __future__ import annotations

import pytest

from gateway.catchup import (
    SLACK,
    Beginning,
    Decision,
    Joining,
    Place,
    begin,
    begin_unknown,
    decide,
    place_before,
    within_bounds,
)
from gateway.logs import EPOCH_CHANGED, TRIMMED, Missed
from gateway.window import MAX_ENTRIES, Kept
from shared.envelopes import Encoding, Entry
from shared.frames import Since

BASE = Place("e", 10)


def kept(*offsets: int, topic: str = "a", at: int = 0, size: int = 1) -> list[Kept]:
    return [Kept(Entry(topic, b"x" * size, Encoding.JSON, at + offset, epoch="e", offset=offset)) for offset in offsets]


@pytest.mark.parametrize(
    ("since", "tail", "decision"),
    [
        (None, 0, Decision()),
        (None, 3, Decision(7)),
        (None, 99, Decision(0)),
        (Since("e", 10), 0, Decision(recovered=True)),
        (Since("e", 12), 0, Decision(recovered=True)),
        (Since("e", 4), 0, Decision(4, True)),
        (Since("e", 4), 3, Decision(4, True)),
        (Since("e", 0), 0, Decision(0, True)),
        (Since("f", 4), 0, Decision(0, False, EPOCH_CHANGED)),
        (Since("f", 12), 0, Decision(0, False, EPOCH_CHANGED)),
        (Since(at=7), 0, Decision(None, False, EPOCH_CHANGED)),
    ],
)
def test_what_is_missing_follows_from_where_one_left_off(since: Since | None, tail: int, decision: Decision) -> None:
    assert decide(since, tail, BASE) == decision


def test_more_than_a_window_is_not_replayed() -> None:
    far = Place("e", MAX_ENTRIES + 5)
    assert decide(Since("e", 5), 0, far) == Decision(5, True)
    assert decide(Since("e", 4), 0, far) == Decision(recovered=False, lost=TRIMMED)


def began(since: Since | None, past: list[Kept] | None, tail: int = 0) -> Beginning:
    return begin("a", since, BASE, decide(since, tail, BASE), past)


def test_who_missed_nothing_goes_on_where_the_topic_is() -> None:
    assert began(None, []) == Beginning("a", BASE)
    assert began(Since("e", 10), []) == Beginning("a", BASE, True)


def test_who_knows_more_than_this_gateway_is_not_told_it_again() -> None:
    assert began(Since("e", 12), []) == Beginning("a", Place("e", 12), True)


def test_what_was_missed_comes_after_the_place_that_is_told() -> None:
    past = kept(8, 9, 10)
    assert began(Since("e", 7), past) == Beginning("a", Place("e", 7), True, None, past)
    assert began(None, past, tail=3) == Beginning("a", Place("e", 7), None, None, past)


def test_what_is_not_kept_any_more_is_a_gap_before_what_is() -> None:
    past = kept(9, 10)
    gap = Missed("a", "e", 9, TRIMMED)
    assert began(Since("e", 5), past) == Beginning("a", Place("e", 8), False, gap, past)
    assert began(Since("e", 5), []) == Beginning("a", BASE, False, Missed("a", "e", 11, TRIMMED), [])


def test_a_shorter_tail_is_no_gap() -> None:
    past = kept(9, 10)
    assert began(None, past, tail=9) == Beginning("a", Place("e", 8), None, None, past)
    assert began(None, None, tail=9) == Beginning("a", BASE)


def test_a_past_that_cannot_be_found_is_a_gap_up_to_the_present() -> None:
    assert began(Since("e", 5), None) == Beginning("a", BASE, False, Missed("a", "e", 11, TRIMMED))
    assert began(Since("f", 5), []) == Beginning("a", BASE, False, Missed("a", "e", 11, EPOCH_CHANGED))


def test_of_a_log_that_began_anew_all_that_it_has_follows_the_gap() -> None:
    past = kept(1, 2, 3)
    gap = Missed("a", "e", 1, EPOCH_CHANGED)
    assert began(Since("f", 40), past) == Beginning("a", Place("e", 0), False, gap, past)


def test_of_a_topic_that_one_did_not_know_all_that_is_new_is_sent() -> None:
    past = kept(7, 8, 9, 10, at=100)
    assert begin_unknown("a", SLACK + 109, BASE, past) == Beginning("a", Place("e", 8), True, None, past[2:])
    assert begin_unknown("a", SLACK + 999, BASE, past) == Beginning("a", BASE, True, None, [])


def test_what_is_new_is_told_by_when_it_was_taken_and_not_by_when_a_back_end_says_it_happened() -> None:
    past = kept(7, 8, 9, 10, at=100)
    past[2].entry.taken = SLACK + 999
    assert begin_unknown("a", SLACK + 999, BASE, past) == Beginning("a", Place("e", 8), True, None, past[2:])


def test_what_may_have_been_on_its_way_when_the_last_message_came_is_sent() -> None:
    past = kept(7, 8, 9, 10, at=100)
    assert begin_unknown("a", 109 + SLACK // 2, BASE, past).past == past


def test_where_all_that_is_kept_is_new_there_may_have_been_more() -> None:
    past = kept(7, 8, at=100)
    gap = Missed("a", "e", 7, TRIMMED)
    assert begin_unknown("a", 100, BASE, past) == Beginning("a", Place("e", 6), False, gap, past)
    first = kept(1, 2, at=100)
    assert begin_unknown("a", 100, Place("e", 2), first) == Beginning("a", Place("e", 0), True, None, first)


def test_one_subscription_is_given_no_more_than_a_window_and_the_rest_is_a_gap() -> None:
    many = kept(*range(1, MAX_ENTRIES + 1), topic="many")
    fits = Beginning("many", Place("e", 0), True, None, many)
    more = Beginning("a", Place("e", 8), True, None, kept(9, 10))
    nothing = Beginning("b", BASE, True)
    lost = Beginning("a", BASE, False, Missed("a", "e", 11, TRIMMED))
    assert within_bounds([fits, more, nothing]) == [fits, lost, nothing]


def test_what_a_client_knows_is_not_released_to_it() -> None:
    joining = Joining()
    entries = [each.entry for each in kept(9, 10, 11)] + [each.entry for each in kept(9, topic="b")]
    for entry in entries:
        joining.hold(entry)
    joining.know("a", Place("e", 10))
    assert joining.release("#") == entries[2:]


def test_gaps_are_held_in_their_place_between_the_messages() -> None:
    joining = Joining()
    first, second = (each.entry for each in kept(9, 12))
    gap = Missed("a", "e", 12, TRIMMED)
    for step in (first, gap, second):
        joining.hold(step)
    assert place_before(joining, "a") == Place("e", 8)
    assert place_before(joining, "b") is None
    assert joining.release("a") == [first, gap, second]
