"""The states of a client, and which may follow which ◆

::

    idle ──► connecting ──► connected ◄──► degraded
                 ▲  │           │              │
                 │  ▼           ▼              │
                waiting ◄──────────────────────┘        every state ──► closed
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Final

from .errors import Misuse


class State(StrEnum):
    """What a client is doing; compares equal to its name in lower case."""

    IDLE = "idle"
    """Not started."""
    CONNECTING = "connecting"
    """A connection is being made, or made and not yet authenticated."""
    CONNECTED = "connected"
    """Authenticated; messages flow."""
    DEGRADED = "degraded"
    """As connected, but the gateway has lost what is behind it: publishes are refused for a while."""
    WAITING = "waiting"
    """The connection was lost; the next attempt comes after a pause."""
    CLOSED = "closed"
    """Ended for good."""


TRANSITIONS: Final[Mapping[State, frozenset[State]]] = {
    State.IDLE: frozenset({State.CONNECTING, State.CLOSED}),
    State.CONNECTING: frozenset({State.CONNECTED, State.WAITING, State.CLOSED}),
    State.CONNECTED: frozenset({State.DEGRADED, State.WAITING, State.CLOSED}),
    State.DEGRADED: frozenset({State.CONNECTED, State.WAITING, State.CLOSED}),
    State.WAITING: frozenset({State.CONNECTING, State.CLOSED}),
    State.CLOSED: frozenset(),
}

ONLINE: Final = frozenset({State.CONNECTED, State.DEGRADED})
"""The states in which requests can be sent."""


def advance(current: State, following: State) -> State:
    """Return `following` when it may come after `current`; raise `Misuse` otherwise."""
    if following not in TRANSITIONS[current]:
        raise Misuse(f"A client that is {current} cannot become {following}.")
    return following
