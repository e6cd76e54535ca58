"""Topics that begin while everything fails: a few messages in quick succession, and nothing more.

Who hears them through a pattern learns of them only by what comes, and is owed all of it. Every third is heard by name
besides, by a subscriber that comes to it as it begins.
"""

from __future__ import annotations

import asyncio
import itertools
import random
from collections.abc import Sequence
from typing import Protocol

from tests.faults.ledger import Ledger
from tests.faults.subscribers import Subscriber

NAME = "load.new-{}"
"""The load's patterns match it, and its rules hold."""

EARLY = "early"
"""The subscriber by name; it has one topic from the start, of which nothing comes."""

EVERY = 1.0
"""Seconds between two, on average."""

DOORS = (1, 1, 2, 3)
"""Through so many publishers a topic begins; what comes through two partitions may overtake."""

MOST = 4
"""Messages of one publisher, at most."""

BY_NAME_EVERY = 3
MAX_BY_NAME = 100
"""Topics that are heard by name at most: one connection may have 128 subscriptions."""


class Door(Protocol):
    """What publishes, with a queue of its own for what is new."""

    def say(self, topic: str, times: int) -> None:
        """Publish so many messages on a new topic, one after the other."""


class Newcomers:
    """Begins topics, from `run` until it is told to stop."""

    def __init__(self, ledger: Ledger, doors: Sequence[Door], early: Subscriber, *, seed: int, pace: float) -> None:
        self.count = 0
        """Topics that have begun."""
        self._ledger = ledger
        self._doors = doors
        self._early = early
        self._chance = random.Random(f"newcomers {seed}")
        self._every = EVERY * pace
        self._stopping = False

    def stop(self) -> None:
        """Begin nothing new."""
        self._stopping = True

    async def run(self) -> None:
        """Begin one topic after the other, the first at once."""
        for number in itertools.count(1):
            if self._stopping:
                return
            self._begin(NAME.format(number), number)
            await asyncio.sleep(self._chance.uniform(0.5, 1.5) * self._every)

    def _begin(self, topic: str, number: int) -> None:
        self.count = number
        self._ledger.start(topic)
        if number % BY_NAME_EVERY == 0 and len(self._early.topics) < MAX_BY_NAME:
            self._early.hear(topic)
        for door in self._chance.sample(self._doors, self._chance.choice(DOORS)):
            door.say(topic, self._chance.randint(1, MOST))
