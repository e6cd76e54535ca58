"""What a subscription hands out, and what a publish returns ◆"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


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


@dataclass(frozen=True, slots=True)
class Gap:
    """Messages are missing here, or may be: read the current state anew.

    `cause` is one of

    - ``trimmed``: the topic's history no longer reaches back to where we were;
    - ``epoch_changed``: the topic's log was lost, a new one begins;
    - ``dropped``: the gateway dropped messages for this slow client, or, with `missed`, our own full buffer did;
    - ``reconnected``: the connection was away for a moment, and what was sent meanwhile did not come.
    """

    topic: str
    """The topic, or the subscription's pattern where the gap is not of one topic."""
    cause: str
    offset: int | None = None
    """The offset of the next message that will come, when known."""
    epoch: str | None = None
    missed: int | None = None
    """How many messages are missing, when known."""


@dataclass(frozen=True, slots=True)
class Receipt:
    """The message is in the topic's log, or, without `offset`, was sent once to those who listened."""

    offset: int | None = None
    epoch: str | None = None
