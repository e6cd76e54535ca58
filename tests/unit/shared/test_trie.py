"""Many patterns at once, against one at a time."""

from itertools import product
from time import process_time
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from shared.topics import matches
from shared.trie import PatternTrie

patterns = st.lists(st.sampled_from(["a", "b", "*", "#"]), min_size=1, max_size=5).map(".".join)
names = st.lists(st.sampled_from(["a", "b", "c"]), min_size=1, max_size=6).map(".".join)
FEW_TOPICS = [".".join(segments) for length in range(1, 4) for segments in product("ab", repeat=length)]


def nodes(trie: PatternTrie[Any]) -> int:
    """How much it holds on to, its root left out."""

    def below(node: Any) -> int:
        children = [*node.children.values(), *filter(None, (node.star, node.hash))]
        return len(children) + sum(map(below, children))

    return below(trie._root)


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
        held = {pattern for pattern, _ in self.pairs}
        prefixes = {tuple(p.split(".")[:length]) for p in held for length in range(1, len(p.split(".")) + 1)}
        assert nodes(self.trie) == len(prefixes)
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
