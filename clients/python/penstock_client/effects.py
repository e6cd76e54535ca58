"""What a session wants done: small values, performed by whoever drives it ◆"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, TypeAlias

from .errors import ConnectionFailed, PenstockError
from .messages import Gap, History, Message, Position, Receipt
from .presence import Joined, Left, Presence
from .states import State


@dataclass(frozen=True, slots=True)
class Send:
    """Send this frame on the present connection."""

    frame: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Deliver:
    """Hand an item to one subscriber."""

    subscriber: int
    item: Message | Gap | Joined | Left


@dataclass(frozen=True, slots=True)
class Subscribed:
    """The gateway serves this subscriber from now on."""

    subscriber: int
    start: Position | None = field(default=None, compare=False)
    """What comes first stands after this place. None: not known, or not of one topic. It is no part of the identity:
    that a subscriber is served is the same news wherever it begins."""


@dataclass(frozen=True, slots=True)
class End:
    """This subscriber gets no more; with an error unless it was meant to end."""

    subscriber: int
    error: PenstockError | None


@dataclass(frozen=True, slots=True)
class Resolve:
    """A publish or a read was answered."""

    request: int
    result: Receipt | History | Presence


@dataclass(frozen=True, slots=True)
class Fail:
    """A publish or a read was refused, or its answer will not come."""

    request: int
    error: PenstockError


@dataclass(frozen=True, slots=True)
class FetchToken:
    """Ask the token provider; answer with `Session.token_obtained` or `Session.token_missing`."""


@dataclass(frozen=True, slots=True)
class Close:
    """End the present connection with this close code; `Session.lost` is to follow."""

    code: int
    reason: str


@dataclass(frozen=True, slots=True)
class Reconnect:
    """Make a new connection after this many seconds."""

    after: float


@dataclass(frozen=True, slots=True)
class StateChanged:
    """The session entered this state."""

    state: State


@dataclass(frozen=True, slots=True)
class Stop:
    """The session has ended for good, for this reason."""

    error: ConnectionFailed


@dataclass(frozen=True, slots=True)
class Warn:
    """Something a person may want to read in a log."""

    text: str


Effect: TypeAlias = (
    Send | Deliver | Subscribed | End | Resolve | Fail | FetchToken | Close | Reconnect | StateChanged | Stop | Warn
)
