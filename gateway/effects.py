"""What a session wants done ◆

A session decides and returns these; `gateway.performer` does them, in their order.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from gateway.catchup import Joining
from shared.codes import CloseCode
from shared.envelopes import AnyRequest
from shared.frames import ServerFrame


@dataclass(frozen=True, slots=True)
class Send:
    """Send this frame to the client."""

    frame: ServerFrame


@dataclass(frozen=True, slots=True)
class Ask:
    """Ask a router. Requests with the same `key` reach it in their order; `grant` goes along where there is one."""

    key: str
    request: AnyRequest
    grant: bytes | None = None


@dataclass(frozen=True, slots=True)
class Join:
    """Hold what comes on `topic` from now on, have its slot bound, and only then `ask`."""

    topic: str
    joining: Joining
    ask: Ask


@dataclass(frozen=True, slots=True)
class GoLive:
    """Deliver what `joining` holds of the time when `topic` was joining, then everything that comes."""

    topic: str
    joining: Joining


@dataclass(frozen=True, slots=True)
class Leave:
    """Deliver no more of `topic`. `joining` is what held its messages, if it had not gone live yet."""

    topic: str
    joining: Joining | None


@dataclass(frozen=True, slots=True)
class Identify:
    """Count the connection as one of `user`; end it if there are too many."""

    user: str


@dataclass(frozen=True, slots=True)
class TakeEarly:
    """Have the session take what came before the client was let in: it may have been sent away meanwhile."""


@dataclass(frozen=True, slots=True)
class Count:
    """Add one to a counter of `gateway.counters.Counters`."""

    counter: str


@dataclass(frozen=True, slots=True)
class End:
    """Close the connection."""

    code: CloseCode
    reason: str


Effect: TypeAlias = Send | Ask | Join | GoLive | Leave | Identify | TakeEarly | Count | End
