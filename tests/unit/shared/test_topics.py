"""The grammar of topics and patterns, and where topics are carried, against the plainest other way to say it."""

import re
from collections import Counter, defaultdict
from functools import cache
from itertools import product
from time import process_time

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from shared import topics
from shared.topics import (
    any_covers,
    canonical,
    covers,
    has_wildcard,
    is_pattern,
    is_topic,
    matches,
    partition,
    rank,
    slot,
)

ALL_TOPICS = [".".join(segments) for length in range(1, 7) for segments in product("abc", repeat=length)]
"""More segments than a pattern of three can tell apart, and a letter that no pattern spells."""

ALL_PATTERNS = [".".join(segments) for length in range(1, 4) for segments in product("ab*#", repeat=length)]

pattern = st.lists(st.sampled_from(["a", "b", "*", "#"]), min_size=1, max_size=6).map(".".join)
topic = st.lists(st.sampled_from(["a", "b", "c"]), min_size=1, max_size=7).map(".".join)


def by_definition(of_pattern: str, of_topic: str) -> bool:
    """Say it as AMQP does: a word for a word, ``*`` for any, ``#`` for none or more."""

    def fits(expected: list[str], segments: list[str]) -> bool:
        if not expected:
            return not segments
        if expected[0] == "#":
            return any(fits(expected[1:], segments[n:]) for n in range(len(segments) + 1))
        return bool(segments) and expected[0] in ("*", segments[0]) and fits(expected[1:], segments[1:])

    return fits(of_pattern.split("."), of_topic.split("."))


@cache
def language(of_pattern: str) -> frozenset[str]:
    return frozenset(one for one in ALL_TOPICS if by_definition(of_pattern, one))


@pytest.mark.parametrize(
    "text",
    ["a", "orders.eu.1", "A-Z_~:@=-.0", ".".join("a" * 16), "x" * 200, "user:42@host=eu~1"],
)
def test_a_topic_may_have_these_forms(text: str) -> None:
    assert is_topic(text)
    assert is_pattern(text), "every topic is a pattern"


@pytest.mark.parametrize(
    "text",
    ["", ".", "a.", ".a", "a..b", "a b", "a/b", "é", "a\n", "a\x00", "٣", "x" * 201, ".".join("a" * 17), "a,b", "a%"],
)
def test_neither_topic_nor_pattern_may_have_these_forms(text: str) -> None:
    assert not is_topic(text)
    assert not is_pattern(text)


@pytest.mark.parametrize("text", ["*", "#", "a.*", "#.a.#", "*.*.#", ".".join("#" * 16)])
def test_a_pattern_may_have_wildcards_and_a_topic_may_not(text: str) -> None:
    assert is_pattern(text)
    assert has_wildcard(text)
    assert not is_topic(text)


@pytest.mark.parametrize("text", ["a*", "**", "#a", "a.b#", "*a.b", ".".join("#" * 17)])
def test_a_wildcard_is_a_whole_segment(text: str) -> None:
    assert not is_pattern(text)


@given(st.text(max_size=30))
def test_the_grammar_is_the_one_that_is_written_down(text: str) -> None:
    segments = text.split(".")
    expected = len(segments) <= 16 and all(re.fullmatch("[-A-Za-z0-9_~:@=]+", segment) for segment in segments)
    assert is_topic(text) == expected


def test_short_patterns_match_what_the_definition_says() -> None:
    for one in ALL_PATTERNS:
        assert {name for name in ALL_TOPICS if matches(one, name)} == language(one), one


@given(pattern, topic)
def test_longer_patterns_match_what_the_definition_says(one: str, name: str) -> None:
    assert matches(one, name) == by_definition(one, name)


@given(pattern, topic)
def test_a_canonical_pattern_matches_what_the_pattern_matches(one: str, name: str) -> None:
    assert matches(".".join(canonical(one)), name) == matches(one, name)


def test_patterns_are_written_alike_exactly_when_they_match_the_same() -> None:
    by_form, by_language = defaultdict(set), defaultdict(set)
    for one in ALL_PATTERNS:
        by_form[canonical(one)].add(one)
        by_language[language(one)].add(one)
    assert sorted(map(sorted, by_form.values())) == sorted(map(sorted, by_language.values()))


@given(pattern)
def test_a_run_of_wildcards_is_stars_and_then_at_most_one_hash(one: str) -> None:
    written = ".".join(canonical(one))
    assert "#.#" not in written
    assert "#.*" not in written
    assert canonical(written) == canonical(one)
    assert len(canonical(one)) <= one.count(".") + 1


def test_a_right_covers_a_wish_exactly_when_it_matches_every_topic_of_it() -> None:
    for right, wanted in product(ALL_PATTERNS, repeat=2):
        assert covers(right, wanted) == (language(wanted) <= language(right)), (right, wanted)


@given(pattern, pattern, topic)
def test_what_covers_a_wish_matches_what_the_wish_matches(right: str, wanted: str, name: str) -> None:
    if covers(right, wanted) and matches(wanted, name):
        assert matches(right, name)


@given(pattern, topic)
def test_covering_a_topic_is_matching_it(right: str, name: str) -> None:
    assert covers(right, name) == matches(right, name)


@given(pattern, pattern, pattern)
def test_covering_is_an_order(one: str, two: str, three: str) -> None:
    assert covers(one, one)
    assert covers("#", one)
    if covers(one, two) and covers(two, three):
        assert covers(one, three)


@pytest.mark.parametrize(
    ("right", "wanted", "allowed"),
    [
        ("orders.#", "orders.*", True),
        ("orders.*", "orders.#", False),
        ("*.#", "#", True),
        ("#", "#.a", True),
        ("#.a", "#", False),
        ("#.*", "*.#", True),
        ("orders.#", "#", False),
        ("orders.#", "*.1", False),
        ("orders.eu.*", "orders.*.*", False),
        ("a.#.b", "a.#.c.#.b", True),
    ],
)
def test_a_right_covers_only_what_lies_entirely_within_it(right: str, wanted: str, allowed: bool) -> None:
    assert covers(right, wanted) is allowed


def test_a_pair_that_needs_too_much_work_is_answered_with_no(monkeypatch: pytest.MonkeyPatch) -> None:
    assert covers("#.a.*", "#.a.b")
    monkeypatch.setattr(topics, "COVER_STEPS", 3)
    assert not covers("#.a.*", "#.a.b")


def test_a_wish_that_leaves_a_right_is_refused_at_once_however_hard_the_rest_of_it_is(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    steps = []
    step = topics._Automaton.step
    monkeypatch.setattr(topics._Automaton, "step", lambda *args: steps.append(1) or step(*args))
    assert not covers("orders.#", "#.a.*.*.*.*.*.*.*.*.*.*.*.*.*.#")
    assert len(steps) < 20


def test_no_pair_of_patterns_keeps_a_router_busy() -> None:
    hard = ("#.a.*.*.*.*.*.*.*.*.*.*.*.*.*.#", "#.a.*.*.*.*.*.*.*.*.b.c.d.e.f.g")
    assert all(is_pattern(one) for one in hard)
    began = process_time()
    covers(*hard)
    assert process_time() - began < 0.5, "a few milliseconds are usual; without a bound it takes minutes"


@given(pattern, pattern)
def test_a_plain_right_is_answered_as_if_both_were_read_step_by_step(right: str, wanted: str) -> None:
    have, wish = canonical(right), canonical(wanted)
    assume("#" not in have[:-1])
    assert covers(right, wanted) == topics._covers_stepwise(have, wish, 1_000_000)[0]


@given(st.lists(pattern, max_size=4), pattern, topic)
def test_what_one_of_several_rights_covers_is_matched_by_one_of_them(rights: list[str], wanted: str, name: str) -> None:
    if any_covers(rights, wanted) and matches(wanted, name):
        assert any(matches(right, name) for right in rights)


@pytest.fixture
def steps(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Hold an item for each step that is taken."""
    taken: list[int] = []
    step = topics._Automaton.step
    monkeypatch.setattr(topics._Automaton, "step", lambda *args: taken.append(1) or step(*args))
    return taken


HARD = "chat.#.a.*.*.*.*.*.*.*.*.*.*.*.*.b"


def test_rights_as_they_usually_are_take_no_steps_whatever_is_asked_for(steps: list[int]) -> None:
    assert covers("chat.#", HARD)
    assert covers("chat.*.*.#", HARD)
    assert not any_covers([f"chat.a{number}.#" for number in range(20)], HARD)
    assert not covers("chat.*", HARD)
    assert not steps


def test_all_rights_of_one_question_share_its_steps(steps: list[int]) -> None:
    assert not any_covers([f"#.a{number}.*.*.*.*" for number in range(20)], HARD)
    assert not any_covers([f"#.a.*.*.#.*.{number}.#" for number in range(20)], HARD)
    assert not any_covers(["#.a.*.#.*.*.*.b.#"] * 20, HARD.replace("chat", "#"))
    assert 0 < len(steps) <= 3 * 2 * topics.COVER_STEPS, "a step is one in each of two patterns"


def test_a_right_that_is_hard_to_compare_takes_nothing_from_one_that_is_easy() -> None:
    hard = [f"#.a.*.*.*.*.*.*.{number}.#" for number in range(20)]
    assert not any_covers(hard, HARD)
    assert any_covers([*hard, "chat.#"], HARD)


def test_every_slot_and_every_partition_gets_its_part_of_the_topics() -> None:
    names = [f"orders.{number}" for number in range(25_600)]
    by_slot = Counter(map(slot, names))
    assert by_slot.keys() == set(range(topics.SLOTS))
    assert max(by_slot.values()) < 160, "100 are even; six standard deviations are 60"
    by_partition = Counter(map(partition, names))
    assert by_partition.keys() == set(range(topics.PARTITIONS))
    assert all(1360 < count < 1840 for count in by_partition.values()), "1,600 are even"


def test_slots_and_partitions_are_no_other_tomorrow() -> None:
    """They are agreed between processes of different releases."""
    assert [slot(name) for name in ("a", "orders.1", "x.y.z")] == [222, 253, 18]
    assert [partition(name) for name in ("a", "orders.1", "x.y.z")] == [3, 11, 10]


def test_slot_and_partition_are_independent() -> None:
    pairs = Counter((slot(f"t.{n}") % 16, partition(f"t.{n}")) for n in range(25_600))
    assert len(pairs) == 256


def owners(routers: list[str], partitions: int = topics.PARTITIONS) -> list[str]:
    return [max(routers, key=lambda router: ranked(router, number)) for number in range(partitions)]


ranked = cache(rank)
FLEETS = [[f"router-{fleet}-{number}" for number in range(5)] for fleet in range(400)]


@pytest.mark.parametrize("routers", [2, 3, 4])
def test_among_few_routers_hardly_one_is_ever_without_work(routers: int) -> None:
    idle = sum(len(set(owners(fleet[:routers]))) < routers for fleet in FLEETS)
    assert idle <= 4, "one in a hundred; with plain hashes it would be 15 for four routers"


def test_among_five_routers_one_is_seldom_without_work() -> None:
    idle = sum(len(set(owners(fleet))) < 5 for fleet in FLEETS)
    assert idle <= 16, "one in twenty-five; with plain hashes it would be 50"


def test_over_twelve_partitions_routers_share_as_well() -> None:
    idle = sum(len(set(owners(fleet[:3], 12))) < 3 for fleet in FLEETS)
    assert idle <= 8


def test_no_router_gets_much_more_than_its_part() -> None:
    most = [max(Counter(owners(fleet[:2])).values()) for fleet in FLEETS]
    assert sum(most) / len(most) < 9.3, "8 is even; with plain hashes it would be 9.5"
    assert max(most) <= 12


@given(st.lists(st.text(min_size=1, max_size=12), min_size=2, max_size=6, unique=True))
def test_a_router_that_goes_moves_only_its_own_partitions(routers: list[str]) -> None:
    before, after = owners(routers), owners(routers[1:])
    assert all(new == old for old, new in zip(before, after, strict=True) if old != routers[0])


@given(st.text(max_size=40), st.integers(0, topics.PARTITIONS - 1))
def test_a_rank_fits_a_consumer_priority(router: str, number: int) -> None:
    assert 0 <= rank(router, number) < 2**31
