"""Who is at a topic, and who joins and leaves it ◆"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Member:
    """A user who is at a topic, however many sessions of theirs are."""

    user: str
    session: str
    """One of their sessions."""
    info: Any = None
    """What their token says of them; None where it says nothing."""


@dataclass(frozen=True, slots=True)
class Joined:
    """A user is at the topic who was not. After the gateways' side has lost its memory, also one who was."""

    topic: str
    member: Member


@dataclass(frozen=True, slots=True)
class Left:
    """A user is not at the topic any more, and did not come back in time (5 s)."""

    topic: str
    member: Member


@dataclass(frozen=True, slots=True)
class Presence:
    """Who was at a topic when it was asked; see `Client.presence`."""

    members: tuple[Member, ...]
    """At most as many as the topic's rule lists (100)."""
    count: int
    """How many there are, exactly."""
