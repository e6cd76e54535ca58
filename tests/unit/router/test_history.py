"""What a log is given, and what comes out of it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.history import append, entries_of, entry_at, first_of, head_of, in_order
from router.rules import Rules
from router.settings import TopicRule
from shared.envelopes import Encoding, Entry, Slow, pack
from shared.errors import MalformedEnvelope
from shared.store.port import Log, Position

RULE = Rules([TopicRule(match="#", history=5, history_ttl=60)]).of("a")


def entry(topic="a", payload=b"1", epoch=None, offset=None):
    return Entry(topic, payload, Encoding.JSON, 5, Slow.DROP, "k", "ada", epoch, offset, "trace")


def test_what_is_appended_comes_out_as_it_was_with_its_place():
    packed = append(entry(), RULE, None).entry
    assert entries_of(Log("e1", 9, 3, [(3, packed), (9, packed)])) == [
        entry(epoch="e1", offset=3),
        entry(epoch="e1", offset=9),
    ]


def test_what_is_appended_is_kept_as_its_rule_says():
    appended = append(entry("b"), RULE, ("user", "ada", "k"))
    assert (appended.topic, appended.history, appended.ttl, appended.key) == ("b", 5, 60, ("user", "ada", "k"))


def test_what_no_router_has_appended_is_told():
    with pytest.raises(MalformedEnvelope):
        entries_of(Log("e1", 1, 1, [(1, b"\xc1")]))


def test_an_entry_of_another_version_is_read_without_what_it_has_more():
    packed = pack(entry())
    assert packed[0] == 0x9A, "an array of ten"
    more = b"\x9b" + packed[1:] + b"\xa3new"
    assert entries_of(Log("e1", 1, 1, [(1, more)])) == [entry(epoch="e1", offset=1)]


def test_one_place_is_read_with_one_entry():
    read = first_of("a", Position("e1", 7))
    assert (read.topic, read.after, read.before, read.limit) == ("a", 6, 8, 1)


def test_the_question_where_a_log_stands_is_the_same_whoever_asks():
    assert head_of("a") is head_of("a")
    assert head_of("a").limit == 0


def test_what_stands_at_a_place_is_found():
    log = Log("e1", 9, 1, [(7, pack(entry(payload=b"7")))])
    assert entry_at(Position("e1", 7), log) == entry(payload=b"7", epoch="e1", offset=7)


def test_a_place_in_a_log_that_was_trimmed_or_lost_has_nothing():
    assert entry_at(Position("e1", 7), Log("e1", 9, 8)) is None
    assert entry_at(Position("e1", 7), Log("e2", 9, 1, [(7, pack(entry()))])) is None


places = st.tuples(st.sampled_from("abc"), st.sampled_from([None, 1, 2, 3, 4]))


@given(st.lists(places))
def test_each_log_comes_once_and_in_its_order_and_what_is_in_none_as_it_came(places):
    came = [
        entry(topic, str(at).encode(), offset and f"e-{topic}", offset) for at, (topic, offset) in enumerate(places)
    ]
    out = in_order(came)
    assert [each for each in out if each.offset is None] == [each for each in came if each.offset is None]
    for topic in "abc":
        offsets = [each.offset for each in out if each.topic == topic and each.offset is not None]
        assert offsets == sorted({offset for name, offset in places if name == topic and offset is not None})


def test_a_log_that_was_lost_in_between_comes_before_the_new_one():
    came = [entry(epoch="e1", offset=8), entry(epoch="e2", offset=1), entry(epoch="e2", offset=2)]
    assert in_order(came) == came
