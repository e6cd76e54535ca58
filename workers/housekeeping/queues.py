"""Looks at the queues, and tells what the verdicts say."""

from __future__ import annotations

import logging

from shared.bus.port import Bus
from shared.errors import BusError
from workers.counters import Counters
from workers.housekeeping.verdicts import WATCHED, Seen, Watch

log = logging.getLogger(__name__)


class Housekeeping:
    """One look at a time; whoever runs it says when."""

    def __init__(self, bus: Bus, watch: Watch, counters: Counters) -> None:
        self._bus = bus
        self._watch = watch
        self._counters = counters

    async def look(self) -> None:
        """Look once. A bus that is away is not news here: the bus tells of itself."""
        try:
            seen = {queue: await self._depth(queue) for queue in WATCHED}
        except BusError:
            self._counters.looks_failed += 1
            return
        self._counters.looks += 1
        for news in self._watch.look(seen):
            log.log(logging.INFO if news.good else logging.WARNING, news.message, extra={"event": news.event})
        self._measure(seen)

    async def _depth(self, queue: str) -> Seen | None:
        depth = await self._bus.depth(queue)
        return None if depth is None else Seen(depth.messages, depth.consumers)

    def _measure(self, seen: dict[str, Seen | None]) -> None:
        there = {queue: sight for queue, sight in seen.items() if sight is not None}
        self._counters.queue_messages = {queue: sight.messages for queue, sight in there.items()}
        self._counters.queue_consumers = {queue: sight.consumers for queue, sight in there.items()}
        self._counters.queues_in_trouble = {
            trouble.value: len(queues) for trouble, queues in self._watch.troubled.items()
        }
