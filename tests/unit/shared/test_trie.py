"""Many patterns at once, against one at a time."""

from itertools import islice, product
from time import process_time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from shared.crowd import SEATS
from shared.topics import canonical, matches
from shared.trie import REMEMBERED_PATTERNS, REMEMBERED_TOPICS, PatternTrie

patterns = st.lists(st.sampled_from(["a", "b", "*", "#"]), min_size=1, max_size=5).map(".".join)
names = st.lists(st.sampled_from(["a", "b", "c"]), min_size=1, max_size=6).map(".".join)
FEW_TOPICS = [".".join(segments) for length in range(1, 4) for segments in product("ab", repeat=length)]


def nodes(trie: PatternTrie[Any]) -> int:
    """How much it holds on to, its root left out."""

    def below(node: Any) -> int:
        children = [*node.children.values(), *filter(None, (node.star,))]
        return len(children) + sum(map(below, children))

    return below(trie._root) + sum(map(len, trie._crowds.values()))


@given(st.lists(st.tuples(patterns, st.integers(0, 3)), max_size=12), names)
def test_a_topic_finds_the_values_of_the_patterns_that_match_it_once_each(
    pairs: list[tuple[str, int]], name: str
) -> None:
    trie: PatternTrie[int] = PatternTrie()
    for pattern, value in pairs:
        trie.add(pattern, value)
    found = list(trie.match(name))
    assert sorted(found) == sorted({value for pattern, value in pairs if matches(pattern, name)})
    assert len(trie) == len(set(pairs))


class Growth(RuleBasedStateMachine):
    """A trie that grows and shrinks holds what it was given, and nothing for what was taken back."""

    def __init__(self) -> None:
        super().__init__()
        self.trie: PatternTrie[int] = PatternTrie()
        self.pairs: set[tuple[str, int]] = set()

    @rule(pattern=patterns, value=st.integers(0, 2))
    def add(self, pattern: str, value: int) -> None:
        self.trie.add(pattern, value)
        self.pairs.add((pattern, value))

    @rule(pattern=patterns, value=st.integers(0, 2))
    def remove_what_may_be_there(self, pattern: str, value: int) -> None:
        self.trie.remove(pattern, value)
        self.pairs.discard((pattern, value))

    @rule(data=st.data())
    def remove_what_is_there(self, data: st.DataObject) -> None:
        if self.pairs:
            pair = data.draw(st.sampled_from(sorted(self.pairs)))
            self.trie.remove(*pair)
            self.pairs.discard(pair)

    @invariant()
    def it_holds_the_prefixes_of_its_patterns_and_nothing_else(self) -> None:
        held = {canonical(pattern) for pattern, _ in self.pairs}
        crowded = {segments for segments in held if "#" in segments[:-1]}
        walked = {tuple(each for each in segments if each != "#") for segments in held - crowded}
        prefixes = {segments[:length] for segments in walked for length in range(1, len(segments) + 1)}
        assert nodes(self.trie) == len(prefixes) + len(crowded)
        assert len(self.trie) == len(self.pairs)

    @invariant()
    def it_finds_what_it_holds(self) -> None:
        for name in FEW_TOPICS:
            assert set(self.trie.match(name)) == {value for pattern, value in self.pairs if matches(pattern, name)}


TestGrowth = Growth.TestCase
TestGrowth.settings = settings(max_examples=40, stateful_step_count=30)


def test_patterns_made_to_be_hard_are_matched_quickly() -> None:
    trie: PatternTrie[int] = PatternTrie()
    hard = [".".join(segments) for segments in product(("#", "a"), repeat=8)]
    hard += [".".join(["#", "a"] * half) for half in range(1, 9)] + [".".join(["#", "*"] * 8), ".".join("#" * 16)]
    for value, pattern in enumerate(hard):
        trie.add(pattern, value)
    began = process_time()
    assert list(trie.match(".".join("a" * 16)))
    assert not set(trie.match(".".join("a" * 15 + "b"))) & {hard.index(".".join(["#", "a"] * 8))}
    assert process_time() - began < 0.5, "a few milliseconds are usual; one alternative after the other takes minutes"


def steps_of(trie: PatternTrie[Any], name: str) -> int:
    """How many places are looked at for a topic that is new."""
    walked = 0
    active = [trie._root]
    for segment in name.split("."):
        active = [each for node in active for each in (node.children.get(segment), node.star) if each is not None]
        walked += len(active)
    return walked + sum(len(crowd._blocks) for crowd in trie._crowds.values()) * len(name.split("."))


def test_what_one_client_thinks_of_to_be_hard_costs_no_more_than_its_patterns() -> None:
    same, different = PatternTrie[int](), PatternTrie[int]()
    for value, segments in enumerate(islice(product("*#", repeat=15), 10_000)):
        same.add("chat." + ".".join(segments), value)
    for value, segments in enumerate(product("a*", repeat=12)):
        different.add("chat.#.a." + ".".join(segments), value)
    name = "chat." + ".".join("a" * 15)
    assert len(list(same.match(name))) == 10_000
    assert steps_of(same, name) == 16, "they mean sixteen things"
    assert len(list(different.match(name))) == 4096
    assert steps_of(different, name) < 4096 / 2, "one after the other it would be 29,000"


def test_a_value_is_found_until_the_last_spelling_of_its_pattern_is_taken_back() -> None:
    trie: PatternTrie[int] = PatternTrie()
    trie.add("a.#.*", 1)
    trie.add("a.*.#", 1)
    trie.remove("a.#.*", 1)
    trie.remove("a.#.*", 1)
    assert list(trie.match("a.b")) == [1]
    trie.remove("a.#.#.*", 1)
    assert len(trie) == 1, "it was never spelled so"
    trie.remove("a.*.#", 1)
    assert not list(trie.match("a.b"))


@given(st.lists(st.sampled_from(["#.a", "#.a.*", "*.#.a", "a.#.b", "b.#.a"]), min_size=1))
def test_patterns_come_and_go_beyond_one_block(few: list[str]) -> None:
    trie: PatternTrie[str] = PatternTrie()
    many = [f"#.{number}.a" for number in range(2 * SEATS)]
    for pattern in few + many:
        trie.add(pattern, pattern)
    for pattern in many[: SEATS + 7]:
        trie.remove(pattern, pattern)
    left = {*few, *many[SEATS + 7 :]}
    for name in ("a", "x.100.a", "3.a", "a.x.b"):
        assert set(trie.match(name)) == {pattern for pattern in left if matches(pattern, name)}
    for pattern in left:
        trie.remove(pattern, pattern)
    assert nodes(trie) == 0


def test_what_is_remembered_of_topics_is_bounded() -> None:
    trie: PatternTrie[int] = PatternTrie()
    trie.add("a.*", 1)
    for number in range(REMEMBERED_TOPICS + 10):
        assert list(trie.match(f"a.{number}")) == [1]
    assert len(trie._remembered) == REMEMBERED_TOPICS
    few = [".".join(segments) for segments in product("a*", repeat=5)]
    assert len(few) > REMEMBERED_PATTERNS
    for pattern in few:
        trie.add(pattern, 1)
    assert list(trie.match("a.a.a.a.a")) == [1]
    assert not trie._remembered


def test_a_pattern_that_is_too_long_for_a_trie_is_refused() -> None:
    trie: PatternTrie[int] = PatternTrie(segments=3)
    with pytest.raises(ValueError, match="4 segments"):
        trie.add("#.a.b.c", 1)


def test_a_trie_may_change_while_a_match_is_being_read() -> None:
    trie: PatternTrie[str] = PatternTrie()
    trie.add("a.#", "one")
    trie.add("a.*", "two")
    seen = []
    for value in trie.match("a.b"):
        trie.remove("a.#", "one")
        trie.remove("a.*", "two")
        seen.append(value)
    assert sorted(seen) == ["one", "two"]
