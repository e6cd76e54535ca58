"""What is around the catch-up of a gateway: time, a store with logs, routers, and a bus that keeps nothing it is given.

Time stands still but for `Time.pass_by`. Routers and the bus do nothing by themselves, either.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from heapq import heappop, heappush
from itertools import count
from typing import Any

import pytest

from shared.envelopes import (
    AnyReply,
    AnyRequest,
    Encoding,
    Entry,
    Fetched,
    FetchRequest,
    Grown,
    GrownRequest,
    Head,
    SubscribeAllowed,
    SubscribeRequest,
)
from shared.topics import has_wildcard, matches

TOPICS = ("a.1", "a.2", "b.1")
PATTERNS = (*TOPICS, "a.*", "#")

LONGEST, SLACK = 300.0, 30.0
"""Seconds: how long ago a pattern may be resumed from, and how much more than asked for routers tell; as they do."""

CLOCKED = ("healing", "discovering", "fanout", "performer", "lookback", "losses", "deadlines")
WALLED = ("discovering", "performer", "resuming")
"""Rooms of the gateway that read a clock."""


class Time:
    """An event loop's timers, and both clocks."""

    def __init__(self) -> None:
        self.now = 1_000.0
        self._due: list[tuple[float, int, asyncio.TimerHandle]] = []
        self._numbers = count()
        self._patch = pytest.MonkeyPatch()
        for room in CLOCKED:
            self._patch.setattr(f"gateway.{room}.monotonic", lambda: self.now)
        for room in WALLED:
            self._patch.setattr(f"gateway.{room}.wall", lambda: self.now)

    def give_back(self) -> None:
        """Let the real clocks go on."""
        self._patch.undo()

    @property
    def milliseconds(self) -> int:
        return int(self.now * 1000)

    @contextmanager
    def running(self) -> Iterator[None]:
        """Be the loop that runs, for those who look for it when they are made."""
        asyncio._set_running_loop(self)  # type: ignore[arg-type]
        try:
            yield
        finally:
            asyncio._set_running_loop(None)

    def call_later(self, delay: float, callback: Callable[..., object], *args: Any) -> asyncio.TimerHandle:
        when = self.now + delay
        handle = asyncio.TimerHandle(when, callback, args, self)  # type: ignore[arg-type]
        heappush(self._due, (when, next(self._numbers), handle))
        return handle

    def call_soon(self, callback: Callable[..., object], *args: Any) -> asyncio.TimerHandle:
        return self.call_later(0.0, callback, *args)

    def get_debug(self) -> bool:
        return False

    def _timer_handle_cancelled(self, handle: asyncio.TimerHandle) -> None: ...

    def pass_by(self, seconds: float) -> None:
        """Do what is due until then, in its order, each at its time."""
        until = self.now + seconds
        while self._due and self._due[0][0] <= until:
            when, _, handle = heappop(self._due)
            self.now = max(self.now, when)
            if not handle.cancelled():
                handle._callback(*handle._args)  # type: ignore[attr-defined]
        self.now = until


@dataclass
class Log:
    """A topic's log, of one epoch; `first` is the oldest that is kept."""

    epoch: str
    entries: list[Entry] = field(default_factory=list)
    first: int = 1

    @property
    def head(self) -> int:
        return len(self.entries)


class Store:
    """All logs, and what routers say of them."""

    def __init__(self, time: Time, kept: int) -> None:
        self.time = time
        self.kept = kept
        """Messages that a log keeps."""
        self.firsts: dict[str, set[tuple[str, int]]] = {topic: set() for topic in TOPICS}
        """Which were the oldest that routers told of."""
        self.born = float("-inf")
        self.former: dict[str, list[Log]] = {topic: [] for topic in TOPICS}
        """The logs that were lost."""
        self.logs = {topic: Log(f"{topic}/0") for topic in TOPICS}

    def append(self, topic: str, size: int) -> Entry:
        log = self.logs[topic]
        payload = b'"' + b"x" * size + b'"'
        at = self.time.milliseconds
        entry = Entry(topic, payload, Encoding.JSON, at, epoch=log.epoch, offset=log.head + 1)
        log.entries.append(entry)
        log.first = max(log.first, log.head - self.kept + 1)
        return entry

    def age(self) -> None:
        """Let go of what was kept for long enough."""
        for log in self.logs.values():
            while log.first <= log.head and log.entries[log.first - 1].at < self.time.milliseconds - LONGEST * 1000:
                log.first += 1

    def lose(self) -> None:
        """Forget everything, as a store that is emptied."""
        self.born = self.time.now
        for topic, log in self.logs.items():
            self.former[topic].append(log)
            self.logs[topic] = Log(f"{topic}/{len(self.former[topic])}")

    def heads(self) -> dict[str, tuple[str, int]]:
        return {topic: (log.epoch, log.head) for topic, log in self.logs.items()}

    def answer(self, request: AnyRequest, most: int) -> AnyReply:
        """Answer as a router does, with `most` entries at the most."""
        match request:
            case FetchRequest(session, number, topic, after, limit):
                log = self.logs[topic]
                start = max(after, log.first - 1)
                self.firsts[topic].add((log.epoch, log.first))
                entries = log.entries[start : start + min(limit, most)]
                return Fetched(session, number, topic, log.epoch, log.head, log.first, entries)
            case GrownRequest(session, number, pattern, within):
                within = min(max(0.0, within), LONGEST)
                heads = None if self.time.now - within < self.born else self._grown(pattern, within)
                return Grown(session, number, pattern, heads, self.time.milliseconds)
            case SubscribeRequest():
                return self._allow(request)
        raise AssertionError(f"nobody asks this here: {request}")

    def _allow(self, request: SubscribeRequest) -> SubscribeAllowed:
        session, number, topic, at = request.session, request.id, request.topic, self.time.milliseconds
        if not has_wildcard(topic):
            log = self.logs[topic]
            return SubscribeAllowed(session, number, topic, log.epoch, log.head)
        heads: tuple[Head, ...] | None = None
        if request.within is not None and -SLACK < request.within <= LONGEST:
            heads = self._grown(topic, request.within)
        lost = heads is None or (request.at or 0) / 1000 < self.born
        recovered = False if request.resume and lost else None
        return SubscribeAllowed(session, number, topic, recovered=recovered, heads=heads, at=at)

    def _grown(self, pattern: str, within: float) -> tuple[Head, ...]:
        oldest = (self.time.now - within - SLACK) * 1000
        return tuple(
            Head(topic, log.epoch, log.head)
            for topic, log in self.logs.items()
            if matches(pattern, topic) and log.entries and log.entries[-1].at >= oldest
        )
