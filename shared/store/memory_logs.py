"""The embedded store's logs: bounded in number, in bytes and in remembered keys.

Beyond a bound the longest unused goes first: a log as a whole, with its epoch, so that whoever knew it is told that it
was lost. A topic that comes again begins a new epoch.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator
from itertools import islice, takewhile
from secrets import token_urlsafe
from typing import TypeAlias

from shared.store.counters import StoreCounters
from shared.store.memory_log import TopicLog
from shared.store.memory_unkeyed import Unkeyed
from shared.store.port import DEDUPE, MAX_RECENT, Append, Log, Position, Read, Turn

MAX_LOGS = 100_000
"""Logs that are kept by default."""

MAX_LOG_BYTES = 256 * 2**20
"""Bytes that all logs may take by default."""

MAX_APPENDED_KEYS = 200_000
"""Keys of entries that are remembered by default, each for `DEDUPE` seconds."""

SWEPT = 4
"""Logs that are looked at for what has become too old, whenever something is appended."""

EPOCH_BYTES = 9

_Key: TypeAlias = tuple[str, tuple[str | int, ...]]


def new_epoch() -> str:
    """Return a random name for an epoch: 12 URL-safe characters."""
    return token_urlsafe(EPOCH_BYTES)


class Logs:
    """The logs of all topics. What has to go before its time is counted by `counters`."""

    def __init__(
        self,
        max_logs: int = MAX_LOGS,
        max_bytes: int = MAX_LOG_BYTES,
        max_keys: int = MAX_APPENDED_KEYS,
        epoch: Callable[[], str] = new_epoch,
        counters: StoreCounters | None = None,
    ) -> None:
        self.counters = counters or StoreCounters()
        self.size = 0
        """Bytes that all logs take now."""
        self.whole_since = float("-inf")
        """Since when `recent` tells of everything: something that was appended before had to go before its time."""
        self.unkeyed = Unkeyed(self.counters)
        self._max_logs = max_logs
        self._max_bytes = max_bytes
        self._max_keys = max_keys
        self._epoch = epoch
        self._logs: OrderedDict[str, TopicLog] = OrderedDict()  # the longest unused first
        self._recent: OrderedDict[str, float] = OrderedDict()  # by their last entry
        self._keys: OrderedDict[_Key, tuple[float, Position]] = OrderedDict()  # in the order in which they end
        self._round: Iterator[str] = iter(())

    def __len__(self) -> int:
        return len(self._logs)

    @property
    def keys(self) -> int:
        """Return how many keys are remembered."""
        return len(self._keys)

    def clear(self) -> None:
        """Forget everything."""
        self._logs.clear()
        self._recent.clear()
        self._keys.clear()
        self.unkeyed.clear()
        self.size = 0

    def append(self, append: Append, now: float, turn: Turn | None = None) -> tuple[Position, bool]:
        """Append, and return where the entry stands and whether it stood there before."""
        key = append.key
        if key is not None:
            known = self._keys.get((append.topic, key))
            if known is not None and known[0] >= now:
                return known[1], True
        log = self._use(append.topic, now)
        unkeyed = turn is not None and key is None and append.digest is not None
        if turn is not None and unkeyed:
            offset = self.unkeyed.find(append, turn, log.epoch, now)
            if offset is not None:
                return Position(log.epoch, offset), True
        self.size += log.append(append.entry, append.history, append.ttl, now)
        if self.size > self._max_bytes:
            self._make_room(log)
        position = Position(log.epoch, log.head)
        if key is not None:
            self._remember((append.topic, key), position, now)
        if unkeyed:
            self.unkeyed.note(append, log.head)
        self._recent[append.topic] = now
        self._recent.move_to_end(append.topic)
        if len(self._recent) > MAX_RECENT:
            self.whole_since = max(self.whole_since, self._recent.popitem(last=False)[1])
        self._sweep(now)
        return position, False

    def read(self, read: Read, now: float) -> Log:
        """Read one log; a topic without one is given one."""
        log = self._use(read.topic, now)
        before = log.size
        answer = log.read(read, now)
        self.size += log.size - before
        return answer

    def recent(self, within: float, now: float) -> list[str]:
        """Return the topics to whose logs something was appended in the last `within` seconds, newest first."""
        newest = takewhile(lambda item: item[1] >= now - within, reversed(self._recent.items()))
        return [topic for topic, _ in newest]

    def _use(self, topic: str, now: float) -> TopicLog:
        log = self._logs.get(topic)
        if log is not None and not log.is_over(now):
            self._logs.move_to_end(topic)
            return log
        if log is not None:
            self._forget(topic)
        log = self._logs[topic] = TopicLog(self._epoch(), now)
        self.size += log.size
        if len(self._logs) > self._max_logs:
            self._evict()
        return log

    def _evict(self) -> None:
        self.counters.logs_evicted += 1
        topic = next(iter(self._logs))
        self.whole_since = max(self.whole_since, self._recent.get(topic, self.whole_since))
        self._forget(topic)

    def _forget(self, topic: str) -> None:
        self.size -= self._logs.pop(topic).size
        self._recent.pop(topic, None)
        self.unkeyed.forget(topic)

    def _make_room(self, used: TopicLog) -> None:
        while self.size > self._max_bytes and len(self._logs) > 1:
            self._evict()
        if self.size > self._max_bytes:  # it alone is too large: the newest entries stay, and its epoch
            before = used.size
            self.counters.logs_shortened += used.shrink(self._max_bytes)
            self.size += used.size - before

    def _remember(self, key: _Key, position: Position, now: float) -> None:
        keys = self._keys
        keys[key] = now + DEDUPE, position
        keys.move_to_end(key)
        for _ in range(2):  # two for each that comes: so they become fewer as soon as fewer come
            oldest = next(iter(keys))
            if keys[oldest][0] < now:
                del keys[oldest]
        if len(keys) > self._max_keys:
            keys.popitem(last=False)
            self.counters.keys_forgotten += 1

    def _sweep(self, now: float) -> None:
        """Look at the next few logs in turn, and let go of what is too old in them, or of them as a whole."""
        swept = 0
        for topic in islice(self._round, SWEPT):
            swept += 1
            log = self._logs.get(topic)
            if log is None:
                continue
            if log.is_over(now):
                self._forget(topic)
            elif log:
                self.size -= log.trim(now)
        if swept < SWEPT:
            self._round = iter(list(self._logs))
