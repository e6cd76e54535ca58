"""Judges how the queues are, from one look to the next ◆

A trouble is told once when it begins and once when it is over, for all queues together: sixteen partitions without a
router are one piece of news.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from shared.bus.topology import DEAD, ROUTE_MESSAGES, route_queue
from shared.topics import PARTITIONS

ROUTES = tuple(route_queue(number) for number in range(PARTITIONS))
WATCHED = (DEAD, *ROUTES)

LOOKS_WITHOUT_CONSUMER = 2
"""A partition is on its way from one router to the next now and then; only if it is so twice it is news."""

RELIEF = 0.1
"""A nearly full queue has recovered when it is this share of its bound below the threshold."""


class Trouble(StrEnum):
    """What can be wrong with a queue."""

    MISSING = "missing"
    NO_CONSUMER = "no_consumer"
    NEARLY_FULL = "nearly_full"


@dataclass(frozen=True, slots=True)
class Seen:
    """How full a queue was, and how many consumed from it."""

    messages: int
    consumers: int


@dataclass(frozen=True, slots=True)
class News:
    """Something changed. `good` news need no waking up."""

    event: str
    message: str
    good: bool = False


class Watch:
    """Remembers the last look, to tell what changed since."""

    def __init__(self, nearly_full: float = 0.8) -> None:
        self._threshold = round(nearly_full * ROUTE_MESSAGES)
        self._relief = round(max(0.0, nearly_full - RELIEF) * ROUTE_MESSAGES)
        self._dead: int | None = None
        self._idle: dict[str, int] = {}
        self._troubled: dict[Trouble, frozenset[str]] = {trouble: frozenset() for trouble in Trouble}

    @property
    def troubled(self) -> Mapping[Trouble, frozenset[str]]:
        """Return the queues that have each trouble now."""
        return self._troubled

    def look(self, seen: Mapping[str, Seen | None]) -> list[News]:
        """Take in one look at all `WATCHED` queues (None: it does not exist), and return the news."""
        news = self._dead_letters(seen.get(DEAD))
        for trouble, queues in self._judge(seen).items():
            before = self._troubled[trouble]
            if queues != before:
                news.append(_change(trouble, queues, grew=bool(queues - before)))
            self._troubled[trouble] = queues
        return news

    def _dead_letters(self, seen: Seen | None) -> list[News]:
        if seen is None:
            return []
        before, self._dead = self._dead or 0, seen.messages
        if seen.messages <= before:
            return []
        return [
            News(
                "dead_letters.grew",
                f"{seen.messages} dead letters in {DEAD}, {seen.messages - before} more than before: "
                "their headers say why they were given up",
            )
        ]

    def _judge(self, seen: Mapping[str, Seen | None]) -> dict[Trouble, frozenset[str]]:
        return {
            Trouble.MISSING: frozenset(queue for queue in WATCHED if seen.get(queue) is None),
            Trouble.NO_CONSUMER: frozenset(queue for queue in ROUTES if self._is_idle(queue, seen.get(queue))),
            Trouble.NEARLY_FULL: frozenset(queue for queue in ROUTES if self._is_nearly_full(queue, seen.get(queue))),
        }

    def _is_idle(self, queue: str, seen: Seen | None) -> bool:
        if seen is None or seen.consumers:
            self._idle.pop(queue, None)
            return False
        self._idle[queue] = min(self._idle.get(queue, 0) + 1, LOOKS_WITHOUT_CONSUMER)
        return self._idle[queue] == LOOKS_WITHOUT_CONSUMER

    def _is_nearly_full(self, queue: str, seen: Seen | None) -> bool:
        if seen is None:
            return False
        bound = self._relief if queue in self._troubled[Trouble.NEARLY_FULL] else self._threshold
        return seen.messages >= bound


_WORDS = {
    Trouble.MISSING: (
        "there is no {queues}; declare what is missing with `penstock topology apply`",
        "every watched queue is there again",
    ),
    Trouble.NO_CONSUMER: (
        "no router works on {queues}; start one, or look why it does not consume",
        "a router works on every partition again",
    ),
    Trouble.NEARLY_FULL: (
        "nearly full: {queues}; a full queue refuses messages, so add routers or slow the publishers down",
        "no partition is nearly full any more",
    ),
}


def _change(trouble: Trouble, queues: frozenset[str], *, grew: bool) -> News:
    began, over = _WORDS[trouble]
    if not queues:
        return News(f"queues.{trouble}.over", over, good=True)
    names = ", ".join(sorted(queues, key=WATCHED.index))
    return News(f"queues.{trouble}", began.format(queues=names), good=not grew)
