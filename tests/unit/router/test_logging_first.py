"""What is published is appended, then delivered; what comes again has one effect and one answer."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.settings import TopicRule
from shared.envelopes import Entry, Published, Reader, Refused
from shared.errors import StoreAway
from shared.store.port import Admitted, Position
from tests.unit.router import builders
from tests.unit.router.builders import NOW, conclude, entries, event, frames, grant, publish, replies
from tests.unit.router.shelf import Shelf

ADA = (grant(),)
LIVE = TopicRule(match="live.#", history=0)
read_entry = Reader(Entry)


def turn(store, *received, now=NOW, rules=(LIVE,)):
    pipeline = builders.pipeline(*rules)
    return conclude(pipeline, pipeline.plan(received, now), store)


def places(deeds):
    return [(entry.topic, entry.offset, entry.payload) for entry in entries(deeds)]


def batch(*requests):
    return frames(*requests, grants=ADA)


def test_what_is_delivered_has_its_place_in_the_log_and_so_has_the_answer():
    store = Shelf()
    deeds = turn(store, batch(publish("a", b"1", id=1)), event("a", b"2"), event("live.1", b"3"), event("b", b"4"))
    assert places(deeds) == [("a", 1, b"1"), ("a", 2, b"2"), ("live.1", None, b"3"), ("b", 1, b"4")]
    assert [entry.epoch for entry in entries(deeds)] == ["e1", "e1", None, "e1"]
    assert replies(deeds) == [Published(1, 1, "e1", 1)]


def test_what_is_kept_is_what_was_delivered():
    store = Shelf()
    deeds = turn(store, batch(publish("a", b"1", key="k")), event("a", b"2", message_id="m"))
    for entry, (offset, packed) in zip(entries(deeds), store.logs["a"], strict=True):
        kept = read_entry(packed)
        assert (kept.epoch, kept.offset) == (None, None)
        kept.epoch, kept.offset = "e1", offset
        assert kept == entry


@pytest.mark.parametrize(
    "again",
    [batch(publish("a", b"1", id=7)), batch(publish("a", b"1", id=7, key="k")), event("a", b"1", message_id="m")],
)
def test_a_batch_that_comes_again_from_a_router_that_died_has_one_effect_and_the_same_answer(again):
    store = Shelf()
    first = turn(store, again)
    turn(store, event("a", b"2"))
    second = turn(store, again, now=NOW + 3)
    assert store.heads == {"a": 2}
    assert entries(second) == entries(first), "it may never have been delivered"
    assert replies(second) == replies(first)


def test_a_batch_that_comes_again_is_not_refused_by_the_rates_it_has_kept_already():
    store = Shelf()
    pipeline = builders.pipeline(LIVE, burst=3)
    requests = [publish("a", b"1", id=id) for id in range(3)]
    conclude(pipeline, pipeline.plan([batch(*requests)], NOW), store)
    deeds = conclude(pipeline, pipeline.plan([frames(*requests, grants=ADA, redelivered=True)], NOW), store)
    assert [reply.offset for reply in replies(deeds)] == [1, 2, 3]
    assert [entry.offset for entry in entries(deeds)] == [1, 2, 3]
    assert isinstance(replies(conclude(pipeline, pipeline.plan([batch(publish("a", id=9))], NOW), store))[0], Refused)


def test_a_key_that_is_given_to_something_else_delivers_what_it_was_given_to_first():
    store = Shelf()
    turn(store, batch(publish("a", b"1", key="k")))
    second = turn(store, batch(publish("a", b'"other"', id=2, key="k")))
    assert places(second) == [("a", 1, b"1")]
    assert replies(second) == [Published(1, 2, "e1", 1)]


def test_what_is_kept_no_longer_is_not_delivered_again_but_answered():
    store = Shelf()
    rules = (TopicRule(match="a", history=1),)
    turn(store, batch(publish("a", b"1", key="k")), event("a", b"2"), rules=rules)
    deeds = turn(store, batch(publish("a", b"1", key="k")), rules=rules)
    assert (places(deeds), replies(deeds)) == ([], [Published(1, 1, "e1", 1)])


def test_what_comes_again_comes_in_its_place():
    store = Shelf()
    turn(store, *(event("a", str(n).encode(), message_id=f"m{n}") for n in (1, 2, 3)))
    came = [
        event("b", b"9"),
        event("a", b"4"),
        event("live.1", b"0"),
        *(event("a", message_id=f"m{n}") for n in (3, 1)),
    ]
    deeds = turn(store, *came, batch(publish("b", b"10", key="k"), publish("b", key="k")))
    in_a = [place for place in places(deeds) if place[0] == "a"]
    assert in_a == [("a", 1, b"1"), ("a", 3, b"3"), ("a", 4, b"4")]
    assert [place for place in places(deeds) if place[0] == "b"] == [("b", 1, b"9"), ("b", 2, b"10")]
    assert replies(deeds) == [Published(1, 1, "e1", 2)] * 2


@given(st.lists(st.tuples(st.sampled_from("ab"), st.sampled_from(["", *"123"])), max_size=30), st.integers(1, 5))
def test_each_topics_offsets_only_grow_within_a_turn(came, cut):
    store = Shelf()
    for place in range(0, len(came), cut):
        deeds = turn(store, *(event(topic, message_id=key) for topic, key in came[place : place + cut]))
        for topic in "ab":
            offsets = [entry.offset for entry in entries(deeds) if entry.topic == topic]
            assert offsets == sorted(set(offsets))


def without_store(*received):
    """What becomes of a turn for whose logs the store is away."""
    pipeline = builders.pipeline(LIVE)
    plan = pipeline.plan(received, NOW)
    admissions = [Admitted(0.0) if command.append is None else StoreAway("away") for command in plan.commands]
    return plan, pipeline.conclude(plan, admissions)


def test_while_the_store_is_away_publishes_on_logged_topics_are_refused_and_others_go_on():
    plan, deeds = without_store(batch(publish("a", id=1), publish("live.1", id=2)))
    refused, published = replies(deeds)
    assert (refused.id, refused.code, refused.retry_after, refused.close) == (1, "unavailable", 2.0, None)
    assert published == Published(1, 2)
    assert [entry.topic for entry in entries(deeds)] == ["live.1"]
    assert plan.faults == []


def test_while_the_store_is_away_events_of_logged_topics_are_held_in_their_order_and_others_go_on():
    came = [event("a", b"1", tag=1), event("live.1", b"2", tag=2), event("b", b"{", tag=3), event("a", b"4", tag=4)]
    plan, deeds = without_store(*came)
    assert deeds.held == [came[0], came[3]]
    assert [letter.origin for letter in deeds.dead] == [came[2]]
    assert [entry.payload for entry in entries(deeds)] == [b"2"]
    assert plan.faults == []


def test_what_stood_in_its_log_before_and_cannot_be_read_now_is_tried_again():
    pipeline = builders.pipeline()
    came = event("a", message_id="m")
    plan = pipeline.plan([came, batch(publish("a", key="k"))], NOW)
    repeated = Admitted(0.0, None, Position("e1", 1), repeated=True)
    deeds = pipeline.conclude(plan, [repeated, repeated], {})
    assert deeds.held == [came]
    assert [reply.code for reply in replies(deeds) if isinstance(reply, Refused)] == ["timeout"]
    assert entries(deeds) == []
