"""The life of a session, as a table ◆

::

    OPENED ──connect──► AUTHENTICATING ──granted──► ACTIVE
       │                      │                       │
       └──────── end ─────────┴───────── end ─────────┴──► ENDED

Everything that a session does goes through `after`. What the table does not name is refused and changes nothing.
"""

from __future__ import annotations

from enum import Enum

from shared.errors import PenstockError


class State(Enum):
    """Where a session is in its life."""

    OPENED = "opened"
    """The WebSocket is open; nobody has said who is there."""
    AUTHENTICATING = "authenticating"
    """A router has been asked about the token; requests wait for its answer."""
    ACTIVE = "active"
    ENDED = "ended"


class Event(Enum):
    """What can happen to a session."""

    CONNECT = "connect"
    GRANTED = "granted"
    REQUEST = "request"
    END = "end"


class IllegalTransition(PenstockError):
    """An event came in a state that does not allow it."""

    def __init__(self, state: State, event: Event) -> None:
        super().__init__(f"{event.value} is not possible while {state.value}")
        self.state = state
        self.event = event


TRANSITIONS: dict[tuple[State, Event], State] = {
    (State.OPENED, Event.CONNECT): State.AUTHENTICATING,
    (State.OPENED, Event.END): State.ENDED,
    (State.AUTHENTICATING, Event.REQUEST): State.AUTHENTICATING,
    (State.AUTHENTICATING, Event.GRANTED): State.ACTIVE,
    (State.AUTHENTICATING, Event.END): State.ENDED,
    (State.ACTIVE, Event.REQUEST): State.ACTIVE,
    (State.ACTIVE, Event.END): State.ENDED,
}


def after(state: State, event: Event) -> State:
    """Return the state that `event` leads to; raise `IllegalTransition` where the table has none."""
    try:
        return TRANSITIONS[state, event]
    except KeyError:
        raise IllegalTransition(state, event) from None
