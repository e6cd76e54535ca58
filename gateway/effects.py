"""What a session wants done ◆

A session decides and returns these; `gateway.performer` does them, in their order.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

from msgspec import Struct

from gateway.catchup import Joining, Place
from gateway.window import Kept
from shared.codes import CloseCode
from shared.envelopes import AnyRequest, Head, HistoryRead
from shared.frames import ServerFrame, Since


class Send(Struct, frozen=True, gc=False):
    """Send this frame to the client."""

    frame: ServerFrame


class Ask(Struct, frozen=True, gc=False):
    """Ask a router. Requests with the same `key` reach it in their order; `grant` goes along where there is one.

    Where the order does not matter `key` is None: then it travels with as many others as possible.
    """

    key: str | None
    request: AnyRequest
    grant: bytes | None = None


class Join(Struct, frozen=True, gc=False):
    """Hold what comes on `topic` from now on, have its slot bound, and only then `ask`."""

    topic: str
    joining: Joining
    ask: Ask
    at: int | None = None
    """When somebody heard the pattern last, in milliseconds since 1970; the request carries how long ago that is."""


class CatchUp(Struct, frozen=True, gc=False):
    """Find what is missing of `topic` for who left off at `since`, or wants its last `tail` messages; then tell.

    `request` is the client's number of its subscribe, `head` where the log stood when a router was asked.
    """

    request: int
    topic: str
    joining: Joining
    head: Place
    since: Since | None
    tail: int


class CatchUpAll(Struct, frozen=True, gc=False):
    """Find what is missing of every topic of `heads`, those under a pattern that grew since somebody left off."""

    request: int
    pattern: str
    joining: Joining
    heads: Sequence[Head]
    since: Since
    at: int | None = None
    """When the router answered, in milliseconds since 1970."""
    lost: bool = False
    """Whether others may have grown, of which nobody knows any more."""


class Replay(Struct, frozen=True, gc=False):
    """Send `past` as fast as the client reads, then what `joining` holds, and then have `topic` go live."""

    topic: str
    joining: Joining
    past: Sequence[Kept]


class SendHistory(Struct, frozen=True, gc=False):
    """Send what was read of a log as the answer to `request`."""

    request: int
    read: HistoryRead


class GoLive(Struct, frozen=True, gc=False):
    """Deliver everything that comes on `topic`; what `joining` held has been sent."""

    topic: str
    joining: Joining


class Leave(Struct, frozen=True, gc=False):
    """Deliver no more of `topic`. `joining` is what held its messages, if it had not gone live yet."""

    topic: str
    joining: Joining | None


class Identify(Struct, frozen=True, gc=False):
    """Count the connection as one of `user`; end it if there are too many."""

    user: str


class TakeEarly(Struct, frozen=True, gc=False):
    """Have the session take what came before the client was let in: it may have been sent away meanwhile."""


class Count(Struct, frozen=True, gc=False):
    """Add one to a counter of `gateway.counters.Counters`."""

    counter: str


class End(Struct, frozen=True, gc=False):
    """Close the connection."""

    code: CloseCode
    reason: str


Effect: TypeAlias = (
    Send | SendHistory | Ask | Identify | TakeEarly | Count | End
    | Join | CatchUp | CatchUpAll | Replay | GoLive | Leave
)  # fmt: skip
