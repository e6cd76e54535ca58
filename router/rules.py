"""Which rule a topic is under ◆"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from router.settings import TopicRule
from shared.envelopes import Slow
from shared.topics import matches

CACHED_TOPICS = 16_384
"""Topics whose rule is remembered; the longest unused are looked up anew."""

_SLOW = {"disconnect": Slow.DISCONNECT, "drop": Slow.DROP, "latest": Slow.LATEST}


@dataclass(frozen=True, slots=True, eq=False)
class Rule:
    """What holds for a topic. `rate` is one user's messages a second on it, `burst` those at once.

    `history` is how many messages its log keeps, 0 where it has no log; `history_ttl` for how many seconds. Each rule
    equals itself alone, so that it is a cheap key.
    """

    slow: Slow
    rate: float
    burst: int
    history: int
    history_ttl: int
    presence: int = 0
    """How many members of a topic are listed at most; 0: the topic has no presence."""


class Rules:
    """An ordered list of rules; the first that matches counts, and the last must match everything."""

    def __init__(self, rules: Sequence[TopicRule]) -> None:
        self._rules = [(rule.match, _rule(rule)) for rule in rules]
        self.longest = max((rule.history_ttl for rule in rules if rule.history), default=0)
        """Seconds for which anything is kept at the longest; 0 where nothing is."""
        self.of = lru_cache(maxsize=CACHED_TOPICS)(self._of)
        """Return the rule of a valid topic."""

    def _of(self, topic: str) -> Rule:
        return next(rule for pattern, rule in self._rules if matches(pattern, topic))


def _rule(rule: TopicRule) -> Rule:
    presence = rule.presence_listed if rule.presence else 0
    return Rule(_SLOW[rule.slow], rule.publish_rate, rule.publish_burst, rule.history, rule.history_ttl, presence)
