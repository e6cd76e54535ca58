"""A timing wheel: many deadlines, one timer ◆

Keys are numbers. Every key has one due time; setting another replaces it. Keys that fall due in the same tick lie in
one bucket, so setting a time costs the same however many keys there are.

A key that is put off stays where it lies, and is moved on only when that bucket comes up: a deadline that is put off
again and again costs one write to a dictionary. A key that is brought forward gets a second place, and the first one
is found to be void when it comes up. Void places are swept out when there are more of them than keys.
"""

from __future__ import annotations

import math
from array import array

MIN_SWEEP = 1024
"""Void places that are not worth a sweep."""


class TimingWheel:
    """Due times by key, in ticks of `interval` seconds counted from `now`; a key costs about 60 bytes."""

    __slots__ = ("_buckets", "_due", "_interval", "_origin", "_places", "_tick")

    def __init__(self, now: float, interval: float) -> None:
        self._origin = now
        self._interval = interval
        self._tick = 0
        self._due: dict[int, int] = {}
        self._buckets: dict[int, tuple[int, array[int]]] = {}
        """By tick: the tick itself, as the one object that all keys of it share, and the keys."""
        self._places = 0

    def __len__(self) -> int:
        return len(self._due)

    def schedule(self, key: int, due: float) -> None:
        """Have `key` returned by the first `advance` at or after `due`, instead of any time set before.

        `due` is on the clock of `now`; infinity is never.
        """
        if due == math.inf:
            self.forget(key)
            return
        tick = max(self._tick + 1, math.ceil((due - self._origin) / self._interval))
        before = self._due.get(key)
        if before is not None and before <= tick:
            self._due[key] = tick
            return
        self._place(key, tick)
        if self._places > 2 * len(self._due) + MIN_SWEEP:
            self._sweep()

    def forget(self, key: int) -> None:
        """Have `key` not returned; one that is not known is no matter."""
        self._due.pop(key, None)

    def advance(self, now: float) -> list[int]:
        """Return the keys that are due at `now`, each once; they are forgotten."""
        tick = math.floor((now - self._origin) / self._interval)
        due: list[int] = []
        for passed in self._passed(tick):
            _, keys = self._buckets.pop(passed)
            self._places -= len(keys)
            for key in keys:
                wanted = self._due.get(key)
                if wanted is None:
                    continue
                if wanted <= tick:
                    del self._due[key]
                    due.append(key)
                else:
                    self._place(key, wanted)
        self._tick = max(self._tick, tick)
        return due

    def _passed(self, tick: int) -> list[int]:
        if tick - self._tick <= len(self._buckets):
            return [passed for passed in range(self._tick + 1, tick + 1) if passed in self._buckets]
        return sorted(passed for passed in self._buckets if passed <= tick)

    def _place(self, key: int, tick: int) -> None:
        bucket = self._buckets.get(tick)
        if bucket is None:
            bucket = self._buckets[tick] = (tick, array("q"))
        self._due[key] = bucket[0]
        bucket[1].append(key)
        self._places += 1

    def _sweep(self) -> None:
        self._buckets.clear()
        self._places = 0
        for key, tick in list(self._due.items()):
            self._place(key, tick)
