import pytest

from router.rules import Rules
from router.settings import DEFAULT_RULE, TopicRule
from shared.envelopes import Slow


def test_the_first_rule_that_matches_counts():
    rules = Rules([TopicRule(match="orders.1", slow="drop"), TopicRule(match="orders.*", slow="latest"), DEFAULT_RULE])
    assert rules.of("orders.1").slow is Slow.DROP
    assert rules.of("orders.2").slow is Slow.LATEST


def test_a_topic_without_a_rule_of_its_own_has_the_default_one():
    rule = Rules([TopicRule(match="orders.#"), DEFAULT_RULE]).of("chat")
    assert (rule.slow, rule.rate, rule.burst) == (Slow.DISCONNECT, 20, 40)
    assert (rule.history, rule.history_ttl) == (100, 300)


@pytest.mark.parametrize(
    ("word", "slow"), [("disconnect", Slow.DISCONNECT), ("drop", Slow.DROP), ("latest", Slow.LATEST)]
)
def test_each_word_for_slow_clients_has_its_policy(word, slow):
    assert Rules([TopicRule(match="#", slow=word)]).of("a").slow is slow


def test_a_rule_says_how_much_a_log_keeps_and_for_how_long():
    rules = Rules([TopicRule(match="orders.*", history=7, history_ttl=900), TopicRule(match="#", history=0)])
    assert (rules.of("orders.1").history, rules.of("orders.1").history_ttl) == (7, 900)
    assert rules.of("chat").history == 0


def test_the_longest_that_anything_is_kept_is_known_and_what_keeps_nothing_does_not_count():
    kept = [TopicRule(match="a", history_ttl=400), TopicRule(match="b", history=0, history_ttl=9000)]
    assert Rules([*kept, DEFAULT_RULE]).longest == 400
    assert Rules([TopicRule(match="#", history=0)]).longest == 0


def test_the_memory_of_rules_is_bounded():
    rules = Rules([DEFAULT_RULE])
    assert rules.of.cache_info().maxsize is not None
