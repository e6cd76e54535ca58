from itertools import product

from hypothesis import given
from hypothesis import strategies as st

from router.access import may_publish, may_subscribe
from shared.topics import matches

segment = st.sampled_from(["a", "b", "*", "#"])
pattern = st.lists(segment, min_size=1, max_size=4).map(".".join)
TOPICS = [".".join(parts) for length in range(1, 6) for parts in product("abc", repeat=length)]
"""Every topic of up to five segments: more than any pattern of four can tell apart, and one segment none spells."""


def test_a_right_to_publish_is_a_pattern_that_matches_the_topic():
    assert may_publish(("orders.*",), "orders.1")
    assert not may_publish(("orders.*",), "orders.1.lines")
    assert not may_publish((), "orders.1")


def test_any_of_several_rights_will_do():
    assert may_publish(("chat.#", "orders.*"), "orders.1")
    assert may_subscribe(("chat.#", "orders.*"), "orders.*")


def test_a_pattern_wider_than_the_right_is_not_covered():
    assert may_subscribe(("orders.*",), "orders.1")
    assert not may_subscribe(("orders.*",), "orders.#")
    assert not may_subscribe(("orders.*",), "#")


def test_rights_are_not_added_up():
    assert not may_subscribe(("a", "b.#"), "#")


def test_topics_that_look_alike_when_joined_stay_apart():
    assert may_publish(("a.b",), "a.b")
    assert not may_publish(("a", "b"), "a.b")
    assert not may_publish(("a.b", "c"), "a.b.c")


@given(st.lists(pattern, max_size=3).map(tuple), pattern)
def test_what_may_be_subscribed_to_brings_only_topics_that_a_single_right_matches(rights, wanted):
    heard = [topic for topic in TOPICS if matches(wanted, topic)]
    covered = any(all(matches(right, topic) for topic in heard) for right in rights)
    assert may_subscribe(rights, wanted) == covered
