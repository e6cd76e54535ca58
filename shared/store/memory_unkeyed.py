"""Which entries without a key may come again, as nobody knows whether their messages are acknowledged ◆"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field
from typing import TypeAlias

from shared.store.counters import StoreCounters
from shared.store.port import DEDUPE, MAX_TO_COME, Append, Turn

MAX_TENURES = 1_000
"""Tenures whose last turn is remembered; beyond it the longest unused is forgotten."""

_Known: TypeAlias = tuple[bytes, int]
"""A digest, and the offset at which it stands."""


@dataclass(slots=True)
class _Topic:
    """What a topic was given: in `turn`, unless that is acknowledged, and by other tenures before it; oldest first."""

    turn: Turn
    epoch: str
    until: float
    in_turn: list[_Known] = field(default_factory=list)
    to_come: list[_Known] = field(default_factory=list)


class Unkeyed:
    """The last turn of every topic that is given entries without a key; a topic's goes with its log.

    `counters` counts the tenures that had to go.
    """

    def __init__(self, counters: StoreCounters | None = None) -> None:
        self._counters = counters or StoreCounters()
        self._topics: dict[str, _Topic] = {}
        self._last: OrderedDict[bytes, tuple[Turn, set[str]]] = OrderedDict()
        """The last turn of every tenure, and the topics it gave something to."""

    def __len__(self) -> int:
        """Return for how many topics something is remembered."""
        return len(self._topics)

    def clear(self) -> None:
        """Forget everything."""
        self._topics.clear()
        self._last.clear()

    def forget(self, topic: str) -> None:
        """Forget what `topic` was given."""
        self._topics.pop(topic, None)

    def begin(self, turn: Turn) -> None:
        """Note that `turn` is under way, and those of its tenure before it are acknowledged."""
        last = self._last.get(turn.tenure)
        if last is not None and last[0] == turn:
            return
        for name in last[1] if last is not None else ():
            topic = self._topics.get(name)
            if topic is not None and topic.turn.tenure == turn.tenure:
                topic.in_turn.clear()
                if not topic.to_come:
                    del self._topics[name]
        self._last[turn.tenure] = turn, set()
        self._last.move_to_end(turn.tenure)
        if len(self._last) > MAX_TENURES:
            self._last.popitem(last=False)
            self._counters.tenures_forgotten += 1

    def find(self, append: Append, turn: Turn, epoch: str, now: float) -> int | None:
        """Return the offset at which the entry stands already; None where it is to be appended, and noted."""
        name = append.topic
        topic = self._topics.get(name)
        if topic is None or topic.turn != turn or topic.epoch != epoch:
            before, topic = topic, _Topic(turn, epoch, now + DEDUPE)
            if append.again and before is not None and before.epoch == epoch and before.until >= now:
                topic.to_come = (before.to_come + before.in_turn)[-MAX_TO_COME:]
            self._topics[name] = topic
            self._last[turn.tenure][1].add(name)
        if append.again:
            for place, (digest, offset) in enumerate(topic.to_come):
                if digest == append.digest:
                    topic.in_turn.append(topic.to_come.pop(place))
                    return offset
        return None

    def note(self, append: Append, offset: int) -> None:
        """Note that the entry for which `find` has found nothing stands at `offset` now."""
        assert append.digest is not None
        in_turn = self._topics[append.topic].in_turn
        in_turn.append((append.digest, offset))
        del in_turn[:-MAX_TO_COME]
