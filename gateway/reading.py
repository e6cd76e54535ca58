"""Reads what somebody missed of a pattern: some topics at a time, and no more than one subscription is given ◆"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from typing import Protocol, TypeAlias

from gateway.catchup import Beginning, Place
from gateway.window import MAX_BYTES, MAX_ENTRIES
from shared.envelopes import Head

AT_ONCE = 32
"""Topics of one pattern whose past is on its way at a time: 32 MiB at the most."""

Found: TypeAlias = Callable[[Beginning, bool], None]
"""Called with how a topic begins, and whether its past could be looked for at all."""


class Read(Protocol):
    """Has the past of one topic looked for; where that is `full` it is taken for lost, if there is any."""

    def __call__(self, head: Head, base: Place, found: Found, *, full: bool) -> None:
        """Call `found` once, now or later."""


class Reading:
    """See above. `then` is called with how the topics begin; with None where their past could not be looked for."""

    def __init__(
        self, topics: Iterable[tuple[Head, Place]], read: Read, then: Callable[[list[Beginning] | None], None]
    ) -> None:
        self._left = deque(topics)
        self._read = read
        self._then = then
        self._beginnings: list[Beginning] = []
        self._on_their_way = 0
        self._entries = self._size = 0
        self._failed = False
        self._is_going_on = False

    def go_on(self) -> None:
        """Read as many more as may be."""
        if self._is_going_on:
            return  # that was found at once: the loop below does
        self._is_going_on = True
        while self._left and self._on_their_way < AT_ONCE and not self._failed:
            head, base = self._left.popleft()
            self._on_their_way += 1
            self._read(head, base, self._found, full=self._entries > MAX_ENTRIES or self._size > MAX_BYTES)
        self._is_going_on = False
        if not self._on_their_way:
            self._then(None if self._failed else self._beginnings)

    def _found(self, beginning: Beginning, looked: bool) -> None:
        self._on_their_way -= 1
        self._failed = self._failed or not looked
        self._entries += len(beginning.past)
        self._size += sum(len(kept.entry.payload) for kept in beginning.past)
        self._beginnings.append(beginning)
        self.go_on()
