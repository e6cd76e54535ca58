"""What travels on the bus: batches, msgpack arrays with one header each ◆

The wire format is MessagePack; the fields of a struct are the items of an array, so new fields go to the end, with a
default, and an older reader skips them. A batch is at most `MAX_ITEMS` items or `MAX_BYTES` bytes, whichever comes
first; one item that is larger travels alone.

gateway → router   `FrameBatch` of requests      exchange ``penstock.frames``
router → gateways  `DeliveryBatch` of entries    exchange ``penstock.deliver``
router → gateway   `ReplyBatch` of replies       exchange ``penstock.replies``
anyone → gateways  one `Kick`                    exchange ``penstock.control``
"""

from __future__ import annotations

from enum import IntEnum
from typing import Generic, TypeAlias, TypeVar

import msgspec
from msgspec import Raw, Struct

from shared.asking import GrantedRequest as GrantedRequest
from shared.asking import Reply as Reply
from shared.asking import Request as Request
from shared.attending import (
    Attended,
    AttendRequest,
    Notice,
    PresenceRead,
    PresenceRequest,
    Renewed,
    RenewRequest,
    SessionsRead,
    SessionsRequest,
)
from shared.errors import MalformedEnvelope

VERSION = 1
"""Counts changes that an older reader would misread; what only adds items needs none."""
MAX_ITEMS = 128
MAX_BYTES = 128 * 1024


class Encoding(IntEnum):
    """How a payload's bytes are to be read."""

    JSON = 0
    TEXT = 1
    MSGPACK = 2
    BINARY = 3


class Slow(IntEnum):
    """What to do for a client that does not read as fast as a topic speaks."""

    DISCONNECT = 0
    DROP = 1
    LATEST = 2


class Grant(Struct, array_like=True, frozen=True):
    """What a token proved. A gateway carries it, as bytes it does not look into, beside each request of its session."""

    user: str
    subscribe: tuple[str, ...]
    publish: tuple[str, ...]
    call: tuple[str, ...]
    expires: int
    """Seconds since 1970."""
    jti: str = ""
    info: Raw = Raw(b"\xc0")
    """The token's ``info``, MessagePack."""


class ConnectRequest(Request, tag=0):
    """Is this token good?"""

    token: str
    address: str


class SubscribeRequest(GrantedRequest, tag=1):
    """May this session hear `topic`, which may be a pattern? `resume`: the client said where it left off.

    `within`: it heard the last message of the pattern so many seconds ago, and asks for the logs that grew since.
    """

    topic: str
    resume: bool = False
    within: float | None = None
    presence: bool = False
    """The session wants to be told who joins and leaves; refused where the topic has no presence."""
    at: int | None = None
    """Of a pattern, when the client's last message was taken, in milliseconds since 1970: a router's word."""


class PublishRequest(GrantedRequest, tag=2):
    """Publish `payload` on `topic`."""

    topic: str
    payload: bytes
    encoding: Encoding
    key: str | None = None


class RefreshRequest(GrantedRequest, tag=3):
    """Here is a new token; of `topics`, which may the session not hear any more?"""

    token: str
    topics: tuple[str, ...]


class ProbeRequest(Request, tag=4):
    """Answer this, to show that the way to a router and back is open."""


class FetchRequest(Request, tag=5):
    """Give us what the log of `topic` holds after the offset `after`; asked by a gateway for its sessions.

    `limit` 0 asks only where the log stands. Where there is more than fits into one answer, the first of it comes.
    """

    topic: str
    after: int
    limit: int


class HistoryRequest(GrantedRequest, tag=6):
    """Give this session what `topic` has kept: the last `limit` before `before`, or the first `limit` after `after`."""

    topic: str
    limit: int
    before: int | None = None
    after: int | None = None


class GrownRequest(Request, tag=7):
    """Tell us which logs under the pattern `topic` grew within so many seconds; asked by a gateway for its sessions."""

    topic: str
    within: float


AnyRequest: TypeAlias = (
    ConnectRequest
    | SubscribeRequest
    | PublishRequest
    | RefreshRequest
    | ProbeRequest
    | FetchRequest
    | HistoryRequest
    | GrownRequest
    | AttendRequest
    | PresenceRequest
    | RenewRequest
    | SessionsRequest
)


class FrameBatch(Struct, array_like=True):
    """Requests of one gateway. `gateway` is its boot id, the routing key of the answers."""

    version: int
    gateway: str
    grants: list[bytes]
    items: list[AnyRequest]


class LooseFrameBatch(Struct, array_like=True):
    """The same, its items unread: to tell the readable ones from the others."""

    version: int
    gateway: str
    grants: list[bytes]
    items: list[Raw]


class Entry(Struct, array_like=True, gc=False):
    """One message on its way to the subscribers of its topic. `at` is milliseconds since 1970."""

    topic: str
    payload: bytes
    encoding: Encoding
    at: int
    slow: Slow = Slow.DISCONNECT
    key: str | None = None
    sender: str | None = None
    epoch: str | None = None
    offset: int | None = None
    trace: str | None = None
    """W3C ``traceparent``."""
    taken: int = 0
    """When a router took it, in milliseconds since 1970, where `at` is another time: that of a back end; else 0."""


class DeliveryBatch(Struct, array_like=True):
    """Entries, or notices, for every gateway that serves one of their slots."""

    version: int
    items: list[Entry]
    notices: list[Notice] = []


class Granted(Reply, tag=0):
    """The token is good for another `expires_in` seconds.

    A span, not a time of day: the gateway's clock may be set differently from the router's.
    """

    grant: bytes
    user: str
    expires_in: int
    jti: str = ""


class Head(Struct, array_like=True, frozen=True, gc=False):
    """Where the log of a topic stands: `offset` is the last that was given, 0 for none."""

    topic: str
    epoch: str
    offset: int


class SubscribeAllowed(Reply, tag=1):
    """The subscription holds. `epoch` and `offset` say where the topic's log stands, None where it has none.

    `heads`: the logs under a pattern that grew within the time asked about; None where they cannot be told, and not all
    of them where `recovered` is False. `at`: for a pattern the time of the answer, milliseconds since 1970; what is
    published later is no older.
    """

    topic: str
    epoch: str | None = None
    offset: int | None = None
    recovered: bool | None = None
    heads: tuple[Head, ...] | None = None
    at: int | None = None
    info: bytes | None = None
    """With what the gateway reports the session as a member, unread; None where the topic has no presence."""


class Published(Reply, tag=2):
    """The message is on its way. `epoch` and `offset` are None where the topic keeps no log."""

    epoch: str | None = None
    offset: int | None = None


class Refused(Reply, tag=3):
    """The request was not done. `close`: a close code, where the connection ends with it. `retry_after` is seconds."""

    code: str
    reason: str
    retry_after: float | None = None
    close: int | None = None


class Refreshed(Reply, tag=4):
    """The new token is good; `lost` are the subscriptions that it does not cover."""

    grant: bytes
    user: str
    expires_in: int
    lost: tuple[str, ...] = ()
    jti: str = ""


class Probed(Reply, tag=5):
    """The answer to `ProbeRequest`."""


class Fetched(Reply, tag=6):
    """Entries of a log, in order, each with its offset and epoch. `head` and `first`: see `shared.store.port.Log`."""

    topic: str
    epoch: str
    head: int
    first: int
    entries: list[Entry]


class HistoryRead(Reply, tag=7):
    """The answer to `HistoryRequest`; `offset` is the last that was given."""

    topic: str
    epoch: str
    offset: int
    entries: list[Entry]


class Grown(Reply, tag=8):
    """The answer to `GrownRequest`; None: there are too many to tell. `at` is its time, milliseconds since 1970."""

    topic: str
    heads: tuple[Head, ...] | None
    at: int


AnyReply: TypeAlias = (
    Granted
    | SubscribeAllowed
    | Published
    | Refused
    | Refreshed
    | Probed
    | Fetched
    | HistoryRead
    | Grown
    | Attended
    | PresenceRead
    | Renewed
    | SessionsRead
)


class ReplyBatch(Struct, array_like=True):
    """A router's answers to one gateway."""

    version: int
    items: list[AnyReply]


class Kick(Struct, array_like=True, tag="kick"):
    """End the sessions that match every field that is given; none given matches none."""

    user: str | None = None
    session: str | None = None
    jti: str | None = None
    reason: str = "revoked"


Envelope = TypeVar("Envelope", bound=Struct)

_encoder = msgspec.msgpack.Encoder()


class Reader(Generic[Envelope]):
    """Reads envelopes of one kind."""

    __slots__ = ("_decoder", "_has_version", "_kind")

    def __init__(self, kind: type[Envelope]) -> None:
        self._kind = kind
        self._decoder = msgspec.msgpack.Decoder(kind)
        self._has_version = "version" in kind.__struct_fields__

    def __call__(self, body: bytes) -> Envelope:
        """Return the envelope in `body`; raise `MalformedEnvelope` where there is none, or one of another version."""
        try:
            envelope = self._decoder.decode(body)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, OverflowError) as error:
            raise MalformedEnvelope(f"not a {self._kind.__name__}: {error}") from error
        if self._has_version and envelope.version != VERSION:  # type: ignore[attr-defined]
            raise MalformedEnvelope(f"a {self._kind.__name__} of another version than {VERSION}")
        return envelope


def pack(envelope: Struct) -> bytes:
    """Return the bytes of an envelope."""
    return _encoder.encode(envelope)


read_frames = Reader(FrameBatch)
read_frames_loosely = Reader(LooseFrameBatch)
read_deliveries = Reader(DeliveryBatch)
read_replies = Reader(ReplyBatch)
read_kick = Reader(Kick)
read_grant = Reader(Grant)
