"""What waits for its confirm."""

from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from shared.bus.unconfirmed import Unconfirmed


@dataclass
class Item:
    name: int
    deadline: float = 0.0


def filled(count):
    unconfirmed = Unconfirmed()
    for name in range(1, count + 1):
        unconfirmed.add(Item(name, deadline=float(name)))
    return unconfirmed


def names(items):
    return [item.name for item in items]


def test_one_is_confirmed_by_its_number():
    unconfirmed = filled(5)
    assert names(unconfirmed.confirm(3, multiple=False)) == [3]
    assert names(unconfirmed.confirm(3, multiple=False)) == []
    assert names(unconfirmed) == [1, 2, 4, 5]


def test_multiple_confirms_all_up_to_a_number():
    unconfirmed = filled(5)
    unconfirmed.confirm(2, multiple=False)
    assert names(unconfirmed.confirm(4, multiple=True)) == [1, 3, 4]
    assert names(unconfirmed.confirm(4, multiple=True)) == []
    assert names(unconfirmed) == [5]


def test_numbers_that_were_never_given_confirm_nothing():
    assert filled(2).confirm(9, multiple=False) == []
    assert names(filled(2).confirm(9, multiple=True)) == [1, 2]
    assert Unconfirmed().confirm(1, multiple=True) == []


def test_those_whose_deadline_has_come_expire_in_order():
    unconfirmed = filled(5)
    unconfirmed.confirm(1, multiple=False)
    assert names(unconfirmed.expire(3.0)) == [2, 3]
    assert unconfirmed.first().name == 4
    assert names(unconfirmed.confirm(5, multiple=True)) == [4, 5]
    assert unconfirmed.first() is None
    assert unconfirmed.expire(100.0) == []


def test_after_clearing_the_count_begins_again():
    unconfirmed = filled(3)
    assert names(unconfirmed.clear()) == [1, 2, 3]
    unconfirmed.add(Item(9))
    assert names(unconfirmed.confirm(1, multiple=False)) == [9]


@given(st.lists(st.tuples(st.sampled_from(["add", "one", "through", "expire"]), st.integers(1, 30)), max_size=60))
def test_it_behaves_as_a_plain_list_would(steps):
    unconfirmed, plain, last = Unconfirmed(), {}, 0
    for step, number in steps:
        if step == "add":
            last += 1
            plain[last] = last
            unconfirmed.add(Item(last, float(last)))
            continue
        wanted = [each for each in plain if (each == number if step == "one" else each <= number)]
        found = unconfirmed.expire(number) if step == "expire" else unconfirmed.confirm(number, multiple=step != "one")
        assert names(found) == wanted
        for each in wanted:
            del plain[each]
        assert names(unconfirmed) == list(plain)
        assert len(unconfirmed) == len(plain)
        first = unconfirmed.first()
        assert (first and first.name) == next(iter(plain), None)
