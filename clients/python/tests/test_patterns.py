"""Topics, patterns and matching."""

import itertools

import pytest

from penstock_client import errors
from penstock_client.patterns import check_pattern, check_topic, matches


@pytest.mark.parametrize(
    ("pattern", "topic", "expected"),
    [
        ("a", "a", True),
        ("a", "b", False),
        ("a.b", "a", False),
        ("a", "a.b", False),
        ("*", "a", True),
        ("*", "a.b", False),
        ("a.*", "a", False),
        ("a.*", "a.b", True),
        ("*.b", "a.b", True),
        ("#", "a.b.c", True),
        ("a.#", "a", True),
        ("a.#", "a.b.c", True),
        ("#.c", "a.b.c", True),
        ("#.c", "c", True),
        ("#.c", "c.d", False),
        ("a.#.c", "a.c", True),
        ("a.#.c", "a.b.b.c", True),
        ("a.#.c", "a.b", False),
        ("#.#", "a", True),
        ("*.#", "a", True),
        ("#.*.#", "a.b", True),
        ("#.a.#.a.#", "b.a.b", False),
        ("#.a.#.a.#", "a.a", True),
    ],
)
def test_a_star_is_one_segment_and_a_hash_none_or_more(pattern, topic, expected):
    assert matches(tuple(pattern.split(".")), tuple(topic.split("."))) is expected


def test_matching_agrees_with_the_definition_for_all_short_patterns():
    def by_definition(pattern, topic):
        if not pattern:
            return not topic
        if pattern[0] == "#":
            return any(by_definition(pattern[1:], topic[i:]) for i in range(len(topic) + 1))
        return bool(topic) and pattern[0] in ("*", topic[0]) and by_definition(pattern[1:], topic[1:])

    topics = [topic for n in (1, 2, 3) for topic in itertools.product("ab", repeat=n)]
    for n in (1, 2, 3, 4):
        for pattern in itertools.product("a*#", repeat=n):
            for topic in topics:
                assert matches(pattern, topic) is by_definition(pattern, topic)


def test_a_pattern_of_many_hashes_is_decided_quickly():
    assert not matches(("#", "a") * 8, ("a",) * 7 + ("b",) * 9)


@pytest.mark.parametrize("topic", ["a", "a.b", "A-Z_~:@=9", ".".join("a" * 16), "x" * 200])
def test_good_topics_are_good_patterns_too(topic):
    check_topic(topic)
    check_pattern(topic)


@pytest.mark.parametrize("topic", ["*", "a.#", "#", "", "a.", ".a", "a b", "a\n", "é", "x" * 201, ".".join("a" * 17)])
def test_what_is_no_topic_is_refused_with_the_rule(topic):
    with pytest.raises(errors.InvalidArgument, match="segments"):
        check_topic(topic)
