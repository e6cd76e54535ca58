"""What waits for one iterator: a bounded buffer with a rule for the overflow, never a silent one."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Literal, TypeAlias

from .errors import InvalidArgument, Misuse, PenstockError, SlowConsumer
from .messages import Gap, Message, Position
from .presence import Joined, Left

Overflow: TypeAlias = Literal["raise", "drop_oldest"]

Item: TypeAlias = Message | Gap | Joined | Left
"""What an iterator yields."""


class Inbox:
    """Filled by the client, emptied by one task."""

    def __init__(self, pattern: str, size: int, overflow: Overflow) -> None:
        if size < 1:
            raise InvalidArgument(f"buffer is {size}; it must be at least 1.")
        if overflow not in ("raise", "drop_oldest"):
            raise InvalidArgument(f"There is no overflow rule {overflow!r}; choose 'raise' or 'drop_oldest'.")
        self.dropped = 0
        """Items dropped since the beginning."""
        self.start: Position | None = None
        """The place in the topic's log after which it begins, when the gateway has said it."""
        self._pattern = pattern
        self._size = size
        self._overflow = overflow
        self._items: deque[Item] = deque()
        self._unreported = 0
        self._opened = asyncio.Event()
        self._ended = False
        self._error: PenstockError | None = None
        self._waiter: asyncio.Future[None] | None = None

    def __len__(self) -> int:
        return len(self._items)

    def put(self, item: Item) -> bool:
        """Add an item; False when the buffer was full and its rule ends it here."""
        if self._ended:
            return True
        if len(self._items) >= self._size:
            self.dropped += 1
            if self._overflow == "raise":
                self.end(_slow(self._pattern, self._size))
                return False
            self._items.popleft()
            self._unreported += 1
        self._items.append(item)
        self._wake()
        return True

    def open(self, start: Position | None = None) -> None:
        """Note that the gateway serves this subscription; the first time it may say from where on."""
        if not self._opened.is_set():
            self.start = start
        self._opened.set()

    def end(self, error: PenstockError | None) -> None:
        """Let the iterator end after what it still holds, with an error or without. The first reason counts."""
        if not self._ended:
            self._ended = True
            self._error = error
            self._opened.set()
            self._wake()

    async def wait_open(self) -> None:
        """Wait until the gateway serves this subscription, or raise why it will not."""
        await self._opened.wait()
        if self._error is not None and not self._items:
            raise self._error

    async def get(self) -> Item:
        """Return the next item; raise the reason of the end, or `StopAsyncIteration`, when there is none left."""
        while True:
            if self._unreported:
                missed, self._unreported = self._unreported, 0
                return Gap(self._pattern, "dropped", missed=missed)
            if self._items:
                return self._items.popleft()
            if self._ended:
                raise self._error or StopAsyncIteration
            await self._wait()

    async def _wait(self) -> None:
        if self._waiter is not None:
            raise Misuse("Two tasks iterate over one subscription; give each its own: client.subscribe(…) again.")
        self._waiter = asyncio.get_running_loop().create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)


def _slow(pattern: str, size: int) -> SlowConsumer:
    return SlowConsumer(
        f"The subscription to {pattern!r} was not read fast enough: its buffer of {size} was full. "
        "Read faster, raise `buffer`, or choose overflow='drop_oldest'."
    )
