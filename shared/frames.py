"""Every frame of the client protocol ``penstock.v1``, typed ◆

A frame is a map; the field ``type`` names it. Unknown fields are ignored, unknown types are ``bad_request``.
Strings that are only carried have their bound here; topics and patterns are checked by their grammar (`shared.topics`).
"""

from __future__ import annotations

from typing import Annotated, Any, TypeAlias

from msgspec import UNSET, Meta, Raw, Struct, UnsetType, field

SUBPROTOCOL_JSON = "penstock.v1.json"
SUBPROTOCOL_MSGPACK = "penstock.v1.msgpack"

MAX_FRAMES_PER_MESSAGE = 128
"""A client may send this many frames as one array."""

RequestId = Annotated[int, Meta(ge=0, le=2**53 - 1)]
"""A client's number for a request: what JavaScript can count exactly."""
Token = Annotated[str, Meta(max_length=8192)]
Key = Annotated[str, Meta(min_length=1, max_length=128)]
Name = Annotated[str, Meta(max_length=512)]
"""A topic or a pattern as it comes, before its grammar is checked."""


class ClientInfo(Struct, gc=False):
    """What a client says of itself; only for people who read logs."""

    name: Annotated[str, Meta(max_length=64)] = ""
    version: Annotated[str, Meta(max_length=64)] = ""


Epoch = Annotated[str, Meta(min_length=1, max_length=64)]
Offset = Annotated[int, Meta(ge=0, le=2**53 - 1)]


class Position(Struct, gc=False):
    """A place in a topic's log."""

    epoch: Epoch
    offset: Offset


class Since(Struct, gc=False):
    """Where a subscription left off: at a place in its topic's log, or, for a pattern, at a time.

    `at` is milliseconds since 1970, that of the last message; `topics` are the places in the logs that are known.
    """

    epoch: Epoch | None = None
    offset: Offset | None = None
    at: Annotated[int, Meta(ge=0, le=2**53 - 1)] | None = None
    topics: Annotated[dict[Name, Position], Meta(max_length=1_000)] | None = None


class ClientFrame(Struct, tag_field="type", gc=False):
    """What a client may send."""


class Connect(ClientFrame, tag="connect"):
    """The first frame: who is there."""

    id: RequestId
    token: Token = ""
    client: ClientInfo | None = None


class Subscribe(ClientFrame, tag="subscribe"):
    """Ask for a topic, or for all topics of a pattern."""

    id: RequestId
    topic: Name
    from_: Since | None = field(name="from", default=None)
    tail: Annotated[int, Meta(ge=0, le=1_000)] | None = None
    presence: bool = False


class Unsubscribe(ClientFrame, tag="unsubscribe"):
    """Take a subscription back."""

    id: RequestId
    topic: Name


class Publish(ClientFrame, tag="publish"):
    """Send `data` to all who are subscribed to `topic`."""

    id: RequestId
    topic: Name
    data: Raw
    key: Key | None = None


class History(ClientFrame, tag="history"):
    """Ask for what a topic has kept: the last `limit` messages, those before an offset, or the first ones after one."""

    id: RequestId
    topic: Name
    limit: Annotated[int, Meta(ge=1, le=1_000)] = 100
    before: Offset | None = None
    after: Offset | None = None


class Presence(ClientFrame, tag="presence"):
    """Ask who is at a topic."""

    id: RequestId
    topic: Name


class Refresh(ClientFrame, tag="refresh"):
    """Bring a new token before the old one expires."""

    id: RequestId
    token: Token


class Pong(ClientFrame, tag="pong"):
    """The answer to a `Ping`."""


AnyClientFrame: TypeAlias = Connect | Subscribe | Unsubscribe | Publish | History | Presence | Refresh | Pong


class ServerFrame(Struct, tag_field="type", omit_defaults=True, gc=False):
    """What the gateway may send."""


class Connected(ServerFrame, tag="connected"):
    """The answer to `Connect`. `heartbeat` and `expires_in` are seconds."""

    id: int
    session: str
    user: str
    heartbeat: int
    expires_in: int


class Subscribed(ServerFrame, tag="subscribed"):
    """The answer to `Subscribe`.

    What follows comes after `offset`; or, for a pattern, nothing that is older than `at` (milliseconds since 1970) was
    missed but what gaps tell of.
    """

    id: int
    topic: str
    epoch: str | UnsetType = UNSET
    offset: int | UnsetType = UNSET
    recovered: bool | UnsetType = UNSET
    at: int | UnsetType = UNSET


class CaughtUp(ServerFrame, tag="caught_up"):
    """All that was missed under the pattern `topic`, which was resumed, has been sent, up to now: to `at`.

    `at` is that of `Subscribed`. Who comes back after this may come back with it.
    """

    topic: str
    at: int


class Message(ServerFrame, tag="message"):
    """One message of a topic. `at` is milliseconds since 1970; `data` is already in the dialect of the client."""

    topic: str
    at: int
    data: Any
    offset: int | UnsetType = UNSET
    epoch: str | UnsetType = UNSET
    encoding: str | UnsetType = UNSET
    key: str | UnsetType = UNSET
    from_: str | UnsetType = field(name="from", default=UNSET)


class Ok(ServerFrame, tag="ok"):
    """A request was done."""

    id: int
    offset: int | UnsetType = UNSET
    epoch: str | UnsetType = UNSET
    expires_in: int | UnsetType = UNSET


class Error(ServerFrame, tag="error"):
    """A request was not done, or a subscription ended: that of `topic`. `retry_after` is seconds."""

    code: str
    reason: str
    id: int | UnsetType = UNSET
    retry_after: float | UnsetType = UNSET
    topic: str | UnsetType = UNSET


class Gap(ServerFrame, tag="gap"):
    """Messages of `topic` were missed; `offset` is the next that will come.

    `cause`: ``trimmed``, ``epoch_changed`` or ``dropped``.
    """

    topic: str
    epoch: str
    offset: int
    cause: str


class Result(ServerFrame, tag="result"):
    """The answer to `History`: `messages` are like `Message`, oldest first; `offset` is the last that was given."""

    id: int
    topic: str
    messages: list[Raw]
    epoch: str
    offset: int


class Member(Struct, omit_defaults=True, gc=False):
    """Somebody at a topic: the user, what the token says of them, and a session of theirs."""

    user: str
    session: str
    info: Any = UNSET


class Members(ServerFrame, tag="result"):
    """The answer to `Presence`: `count` users are at the topic, and `members` some of them, or all."""

    id: int
    topic: str
    members: list[Member]
    count: int


class Joined(ServerFrame, tag="joined"):
    """Somebody is at `topic` now who was not."""

    topic: str
    member: Member


class Left(ServerFrame, tag="left"):
    """Somebody is at `topic` no more."""

    topic: str
    member: Member


class Degraded(ServerFrame, tag="degraded"):
    """The gateway lost its broker or may not publish; deliveries may go on, requests are refused."""

    reason: str | UnsetType = UNSET


class Restored(ServerFrame, tag="restored"):
    """Normal service is back."""


class Reconnect(ServerFrame, tag="reconnect"):
    """The gateway drains: come back in `after` seconds, to any gateway, without backing off."""

    after: float


class Ping(ServerFrame, tag="ping"):
    """Are you there? Any frame is an answer, `Pong` the plain one."""
