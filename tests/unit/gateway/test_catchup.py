"""From joining to live."""

import pytest

from gateway import catchup
from gateway.catchup import MAX_HELD_BYTES, MAX_HELD_ENTRIES, Joining, Place, held_by_all
from gateway.logs import TRIMMED, Missed
from shared.envelopes import Encoding, Entry


def entry(topic: str = "a", payload: bytes = b"1") -> Entry:
    return Entry(topic, payload, Encoding.JSON, 0)


def holding(*entries: Entry) -> Joining:
    joining = Joining()
    for one in entries:
        joining.hold(one)
    return joining


def test_what_comes_while_a_subscription_is_joining_is_held_in_its_order() -> None:
    one, two = entry(payload=b"1"), entry(payload=b"2")
    joining = holding(one, two)
    assert joining.entries == [one, two]
    assert not joining.overflowed


def test_the_last_entry_within_the_bound_is_kept_and_the_next_one_overflows_and_frees_all() -> None:
    joining = holding(*[entry()] * MAX_HELD_ENTRIES)
    assert not joining.overflowed
    joining.hold(entry())
    assert joining.overflowed
    assert joining.entries == []


def test_the_bytes_are_bounded_too() -> None:
    joining = holding(entry(payload=b"x" * MAX_HELD_BYTES))
    assert not joining.overflowed
    joining.hold(entry(payload=b"x"))
    assert joining.overflowed


def test_after_an_overflow_nothing_is_kept_any_more() -> None:
    joining = holding(entry(payload=b"x" * (MAX_HELD_BYTES + 1)), entry())
    assert joining.overflowed
    assert joining.entries == []


def test_what_another_subscription_may_have_is_released_and_its_room_with_it() -> None:
    one, two, three = entry("a.b"), entry("c"), entry("a.b")
    joining = holding(one, two, three)
    assert joining.release("a.*") == [one, three]
    assert joining.release("a.*") == []
    assert joining.entries == [two]


def test_released_bytes_can_be_held_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(catchup, "MAX_HELD_BYTES", 10)
    joining = holding(entry("a", b"x" * 10))
    joining.release("a")
    joining.hold(entry("b", b"x" * 10))
    assert not joining.overflowed


def test_what_several_subscriptions_hold_is_sent_once_and_every_topic_in_its_order() -> None:
    """The first joined before the second and heard one message more; the third hears something else."""
    ab1, ab2, ac, d = entry("a.b", b"1"), entry("a.b", b"2"), entry("a.c"), entry("d")
    first, second, third = holding(ab1, ab2), holding(ac, ab2), holding(d)
    held = held_by_all([first, second, third], "a.*")
    assert [id(one) for one in held] == [id(ab1), id(ab2), id(ac)]
    for joining in (first, second, third):
        joining.drop(held[:2])
    assert (first.entries, second.entries, third.entries) == ([], [ac], [d])
    second.drop(held)
    assert (first.entries, second.entries, third.entries) == ([], [], [d])


def test_equal_messages_are_not_taken_for_the_same() -> None:
    one, two = entry(), entry()
    assert one == two
    assert len(held_by_all([holding(one, two)], "a")) == 2


def test_a_gap_up_to_where_a_subscription_begins_says_nothing_and_is_not_held() -> None:
    joining = Joining()
    kept = Missed("a", "e", 7, TRIMMED)
    for step in (Missed("a", "e", 5, TRIMMED), kept):
        joining.hold(step)
    joining.begin_at("a", Place("e", 4))
    assert joining.entries == [kept]
    joining.know("a", Place("e", 6))
    assert joining.release("a") == []
