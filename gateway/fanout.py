"""From one message to all who hear it: encoded once for each dialect, written once for each connection and flush.

Writes are collected until the loop's turn ends. Under load a flush waits until it has been quiet for some times as long
as the last one took, `max_interval` at the most: one write then carries several messages, and writing never takes more
than a part of the loop's time. When idle nothing waits.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Hashable, Sequence
from typing import NamedTuple, Protocol

from gateway.backlog import Sheddable
from gateway.catchup import Joining
from gateway.codecs import Dialect
from gateway.counters import Counters
from gateway.logs import Missed, Step
from gateway.subscriptions import Subscriptions
from shared.clock import monotonic
from shared.envelopes import Entry, Slow
from shared.frames import Gap

REST = 12.0
"""How many times as long as the last flush the next one waits."""

WRITES_PER_TURN = 500
"""Connections that one turn of the loop writes to, so that a crowd does not keep the others waiting."""


class Receiver(Hashable, Protocol):
    """A connection as the fan-out sees it."""

    dialect: Dialect

    def push(self, chunk: bytes) -> bool:
        """Put a finished frame into the outbox; say whether the connection must be flushed now for the first time."""

    def flush(self) -> None:
        """Write the outbox."""


class Holder(NamedTuple):
    """A subscription that is not live yet, and whose it is."""

    receiver: Receiver
    joining: Joining


class Fanout:
    """Delivers. `max_interval` is seconds."""

    def __init__(self, dialects: Sequence[Dialect], counters: Counters, *, max_interval: float) -> None:
        self.live: Subscriptions[Receiver] = Subscriptions()
        self.joining: Subscriptions[Holder] = Subscriptions()
        self._dialects = dialects
        self._counters = counters
        self._max_interval = max_interval
        self._dirty: list[Receiver] = []
        self._armed = False
        self._rest_until = 0.0
        self._began = 0.0
        """When the flush that is under way began; 0 where none is."""
        self._loop = asyncio.get_running_loop()

    def deliver(self, entry: Entry) -> bool:
        """Give a message to everyone here who is subscribed to its topic, and hold it for who is about to be.

        Returns whether there was anyone.
        """
        receivers = self.live.of(entry.topic)
        held = self._hold(entry, receivers) if len(self.joining) else False
        chunks: list[bytes | None] = [None] * len(self._dialects)
        dirty = self._dirty
        deliveries = 0
        for receiver in receivers:
            deliveries += 1
            dialect = receiver.dialect
            chunk = chunks[dialect.index]
            if chunk is None:
                chunk = chunks[dialect.index] = self._encode(entry, dialect)
            if receiver.push(chunk):
                dirty.append(receiver)
        if deliveries:
            self._counters.messages += 1
            self._counters.deliveries += deliveries
            self._arm()
            return True
        self._counters.messages_unheard += 1
        return held

    def is_heard(self, topic: str) -> bool:
        """Say whether anyone here hears `topic`, or is about to."""
        return bool(self.live.of(topic)) or (len(self.joining) > 0 and bool(self.joining.of(topic)))

    def is_named(self, topic: str) -> bool:
        """Say whether anyone here subscribes to `topic` by its name, or is about to."""
        return self.live.is_named(topic) or self.joining.is_named(topic)

    @property
    def named(self) -> int:
        """Return how many topics are subscribed to by name; those that somebody more is about to may count twice."""
        return self.live.named + self.joining.named

    def announce(self, missed: Missed) -> None:
        """Tell everyone who hears a topic that messages of it were missed."""
        receivers = self.live.of(missed.topic)
        if len(self.joining):
            self._hold(missed, receivers)
        for receiver in receivers:
            self.send(receiver, receiver.dialect.encode(Gap(*missed)))

    def deliver_held(self, receiver: Receiver, step: Step) -> None:
        """Give one receiver something that was held for it."""
        if isinstance(step, Entry):
            self.send(receiver, self._encode(step, receiver.dialect))
            self._counters.deliveries += 1
        else:
            self.send(receiver, receiver.dialect.encode(Gap(*step)))

    def send(self, receiver: Receiver, chunk: bytes) -> None:
        """Give one receiver one finished frame."""
        if receiver.push(chunk):
            self._dirty.append(receiver)
            self._arm()

    def _encode(self, entry: Entry, dialect: Dialect) -> bytes:
        data = dialect.message(entry)
        if entry.slow is Slow.DISCONNECT:
            return data
        return Sheddable.of(data, entry.topic, entry.slow, entry.epoch, entry.offset)

    def _hold(self, entry: Step, live: Collection[Receiver]) -> bool:
        held = False
        for holder in self.joining.of(entry.topic):
            if holder.receiver in live:
                # Another subscription of its hears the topic already; what this one holds of it comes before.
                for step in holder.joining.release(entry.topic):
                    self.deliver_held(holder.receiver, step)
            else:
                holder.joining.hold(entry)
                held = True
        return held

    def _arm(self) -> None:
        if self._armed:
            return
        self._armed = True
        rest = self._rest_until - monotonic()
        if rest > 0:
            self._loop.call_later(rest, self._flush)
        else:
            self._loop.call_soon(self._flush)

    def _flush(self) -> None:
        if not self._began:
            self._began = monotonic()
        dirty, self._dirty = self._dirty, []
        done = 0
        try:
            for receiver in dirty[:WRITES_PER_TURN]:
                done += 1
                receiver.flush()
        finally:  # an error in one of them must not keep the others waiting for ever
            self._dirty = dirty[done:] + self._dirty
            self._flushed()

    def _flushed(self) -> None:
        self._counters.flushes += 1
        if self._dirty:
            self._loop.call_soon(self._flush)
            return
        self._armed = False
        ended = monotonic()
        self._rest_until = ended + min(self._max_interval, REST * (ended - self._began))
        self._began = 0.0
