"""Who hears a topic."""

from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from gateway.subscriptions import Subscriptions
from shared.topics import has_wildcard, matches

patterns = st.sampled_from(["a", "b", "a.b", "a.*", "*.b", "#", "a.#", "*"])
TOPICS = ["a", "b", "a.b", "b.b", "c", "a.b.c"]


class Hearing(RuleBasedStateMachine):
    """Whatever was added and removed, a topic finds exactly those that still want it."""

    def __init__(self) -> None:
        super().__init__()
        self.subscriptions: Subscriptions[int] = Subscriptions()
        self.wanted: set[tuple[str, int]] = set()

    @rule(pattern=patterns, who=st.integers(0, 3))
    def add(self, pattern: str, who: int) -> None:
        self.subscriptions.add(pattern, who)
        self.wanted.add((pattern, who))

    @rule(pattern=patterns, who=st.integers(0, 3))
    def remove(self, pattern: str, who: int) -> None:
        self.subscriptions.remove(pattern, who)
        self.wanted.discard((pattern, who))

    @invariant()
    def each_topic_finds_each_subscriber_once(self) -> None:
        for topic in TOPICS:
            found = list(self.subscriptions.of(topic))
            assert sorted(found) == sorted({who for pattern, who in self.wanted if matches(pattern, topic)})

    @invariant()
    def it_counts_what_it_holds(self) -> None:
        exact = {pattern for pattern, _ in self.wanted if not has_wildcard(pattern)}
        wild = {pair for pair in self.wanted if has_wildcard(pair[0])}
        assert len(self.subscriptions) == len(exact) + len(wild)


TestHearing = Hearing.TestCase


@given(st.integers(1, 50))
def test_nothing_is_left_of_subscribers_that_went(count: int) -> None:
    subscriptions: Subscriptions[int] = Subscriptions()
    for who in range(count):
        subscriptions.add(f"t.{who % 7}", who)
        subscriptions.add(f"t.{who % 7}.*", who)
    for who in range(count):
        subscriptions.remove(f"t.{who % 7}", who)
        subscriptions.remove(f"t.{who % 7}.*", who)
    assert len(subscriptions) == 0


def test_whether_somebody_hears_a_topic_can_be_asked_without_a_copy() -> None:
    subscriptions: Subscriptions[str] = Subscriptions()
    assert not subscriptions.of("a")
    subscriptions.add("a", "one")
    assert "one" in subscriptions.of("a")
    assert "two" not in subscriptions.of("a")
