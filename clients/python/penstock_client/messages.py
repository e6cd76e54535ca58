"""What a subscription hands out, and what a publish returns ◆"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Position:
    """A place in a topic's log: a message, or where one would have been.

    Two plain values, so that it can be kept anywhere and be handed to ``client.subscribe(topic, since=…)`` later, by
    another process too. Raises nothing: what cannot be one is refused where it is used.
    """

    epoch: str
    """Which log: offsets of two epochs cannot be compared."""
    offset: int
    """From 1; 0 is the place before the first message."""


@dataclass(frozen=True, slots=True)
class Message:
    """One message of a topic."""

    topic: str
    data: Any
    """The payload: any JSON value, or bytes."""
    at: int
    """When it was accepted, in milliseconds since 1970."""
    offset: int | None = None
    """Its place in the topic's log, from 1; None on topics without history."""
    epoch: str | None = None
    """Which log: offsets of two epochs cannot be compared. None when not known."""
    key: str | None = None
    """The publisher's idempotency key."""
    sender: str | None = None
    """The publishing user; None for back ends."""

    @property
    def position(self) -> Position | None:
        """Its place in the topic's log; None where it is not known, and on topics without history."""
        return None if self.offset is None or self.epoch is None else Position(self.epoch, self.offset)


@dataclass(frozen=True, slots=True)
class Gap:
    """Messages are missing here, or may be: read the current state anew.

    `cause` is one of

    - ``trimmed``: the topic's history no longer reaches back to where we were;
    - ``epoch_changed``: the topic's log was lost, a new one begins;
    - ``dropped``: messages were left out on the way: the gateway dropped them for this slow client, or never said
      why they are missing, or, without `offset`, our own full buffer dropped them;
    - ``reconnected``: the connection was away for a moment, and what was sent meanwhile did not come: the topic keeps
      no history, or a pattern could not be resumed;
    - ``presence``: no message is missing, but nobody told us meanwhile who joined or left: ask `Client.presence`.
    """

    topic: str
    """The topic, or the subscription's topic or pattern where the gap is not of one topic."""
    cause: str
    offset: int | None = None
    """The offset of the next message that will come, when known."""
    epoch: str | None = None
    missed: int | None = None
    """How many messages are missing, when known."""


@dataclass(frozen=True, slots=True)
class History:
    """Part of what a topic has kept, oldest first; see `Client.history`."""

    messages: tuple[Message, ...]
    epoch: str
    """Which log it is."""
    offset: int
    """The last offset that was given in it, 0 for none: where a subscription would have begun just then."""


@dataclass(frozen=True, slots=True)
class Receipt:
    """The message is in the topic's log, or, without `offset`, was sent once to those who listened."""

    offset: int | None = None
    epoch: str | None = None
