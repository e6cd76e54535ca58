"""A subscription as its user sees it: an async iterator that may be entered."""

from __future__ import annotations

import weakref
from types import TracebackType
from typing import Protocol

from .inbox import Inbox, Item
from .messages import Gap, Position
from .presence import Joined, Left


class Door(Protocol):
    """Where inboxes are hung up and taken down."""

    def attach(self, inbox: Inbox, pattern: str, since: Position | None, tail: int | None, *, presence: bool) -> int:
        """Let messages flow into an inbox, and with `presence` who joins and leaves; return its number."""

    def detach(self, number: int) -> None:
        """Stop them; a number that is not known (any more) is ignored."""

    def detach_soon(self, number: int) -> None:
        """Stop them at the next turn of the event loop; may be called from anywhere, a garbage collector included."""


class Subscription:
    """Yields a `Message` for each message, and a `Gap` where some are missing; with presence `Joined` and `Left` too.

    ``async with`` waits until the gateway serves the subscription, raises `SubscribeError` when it refuses, and
    unsubscribes on leaving. Without it the subscription begins with the first step of ``async for`` and ends when the
    iterator is let go (on CPython as soon as the loop is left).

    Each message comes once, those of a topic in their order. It outlives connections: what was missed meanwhile comes
    as well, and where something does not, a `Gap` says so. It ends with the client: quietly
    when that is left, with the client's error when that has stopped.
    """

    def __init__(
        self,
        door: Door,
        pattern: str,
        inbox: Inbox,
        *,
        since: Position | None = None,
        tail: int | None = None,
        presence: bool = False,
    ) -> None:
        self.pattern = pattern
        self._since = since
        self._tail = tail
        self._presence = presence
        self._position = since
        self._door = door
        self._inbox = inbox
        self._number: int | None = None
        self._let_go: weakref.finalize[[int], Subscription] | None = None

    def __repr__(self) -> str:
        state = "not begun" if self._let_go is None else "open" if self._let_go.alive else "left"
        return f"<Subscription {self.pattern!r}: {state}, {len(self._inbox)} buffered, {self.dropped} dropped>"

    @property
    def dropped(self) -> int:
        """Items that a full buffer has cost."""
        return self._inbox.dropped

    @property
    def position(self) -> Position | None:
        """Where the reader stands in the topic's log: at the last item that was taken out, or where it began.

        Keep it, and a later ``client.subscribe(topic, since=position)`` goes on behind it, in another process too. None
        as long as that is not known, for topics without history, and for patterns, whose messages have their own.
        """
        return self._position or self._inbox.start

    async def __aenter__(self) -> Subscription:
        self._begin()
        try:
            await self._inbox.wait_open()
        except BaseException:
            self.close()
            raise
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def __aiter__(self) -> Subscription:
        return self

    async def __anext__(self) -> Item:
        self._begin()
        item = await self._inbox.get()
        if isinstance(item, Joined | Left):
            return item
        if item.topic == self.pattern and item.epoch is not None and item.offset is not None:
            # Behind a gap comes what stands at its offset; a message stands there itself.
            self._position = Position(item.epoch, item.offset - isinstance(item, Gap))
        return item

    def close(self) -> None:
        """Unsubscribe. What is in the buffer can still be read. Does nothing the second time, or before the first."""
        if self._let_go is not None and self._number is not None and self._let_go.detach():
            self._inbox.end(None)
            self._door.detach(self._number)

    def _begin(self) -> None:
        if self._let_go is None:
            self._number = self._door.attach(
                self._inbox, self.pattern, self._since, self._tail, presence=self._presence
            )
            # The door knows the inbox and not this object, so that letting the iterator go is noticed at once.
            self._let_go = weakref.finalize(self, self._door.detach_soon, self._number)
            self._let_go.atexit = False
