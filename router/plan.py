"""What a pipeline decides: the plan of a batch, and the deeds that follow from it ◆"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from math import ceil
from typing import NamedTuple, TypeAlias

import msgspec

from router.refusals import DeadReason, Refusal, Unprocessable
from shared.attending import AttendRequest, PresenceRequest, RenewRequest, SessionsRequest
from shared.bus.port import Message, Received
from shared.envelopes import (
    AnyReply,
    AnyRequest,
    ConnectRequest,
    Entry,
    FetchRequest,
    Grant,
    GrownRequest,
    HistoryRequest,
    RefreshRequest,
    Refused,
    SubscribeRequest,
)
from shared.store.port import Admit, Read
from shared.store.roll import Attend, Attendance, Called


class Asker(msgspec.Struct, gc=False):
    """Who asks: a gateway, with its sessions' grants (None where one cannot be read).

    `waited`: the request has waited for the issuer's keys once, and does not do so again. `again`: the batch was given
    to a router before, who may have done any part of it.
    """

    gateway: str
    grants: list[Grant | None]
    waited: bool = False
    again: bool = False


class Publication(msgspec.Struct, gc=False):
    """An entry that is delivered if the store says yes to `command`.

    One that a client asked for has an `asker` to be answered; a back end's event has its `origin`, to be buried.
    """

    entry: Entry
    command: Admit
    asker: Asker | None = None
    session: int = 0
    id: int = 0
    origin: Received | None = None


class Recent(NamedTuple):
    """The topics whose logs grew of late, newest first, and since when the store remembers everything: s since 1970."""

    topics: Sequence[str]
    born: float


class Inquiry(msgspec.Struct):
    """A request that is answered with what logs hold: that of one topic or, where there is `within`, a pattern's.

    The latter are the ones that grew within so many seconds. What is to be read is known when the store has said which
    these are: one `read`, or one for each of `heads` (None: they cannot be told). `refusal` is why nothing comes of it.
    """

    asker: Asker
    request: SubscribeRequest | FetchRequest | HistoryRequest | GrownRequest
    within: float | None = None
    read: Read | None = None
    heads: tuple[Read, ...] | None = None
    whole: bool = True
    """Whether the heads are all; not where the store has lost its logs within the time asked about."""
    refusal: Refusal | None = None
    at: int | None = None
    """When it is answered: milliseconds since 1970."""
    info: bytes | None = None
    """With what a session that subscribes is a member of the topic; None where that has no presence."""


class Attending(msgspec.Struct):
    """A request about who is where, and what the store is asked for it; None: nothing of its own."""

    asker: Asker
    request: AttendRequest | PresenceRequest | RenewRequest | SessionsRequest
    command: Attend | None = None


class Parked(msgspec.Struct):
    """A request that waits for the issuer's keys."""

    asker: Asker
    request: ConnectRequest | RefreshRequest


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """What goes to ``penstock.dead``: a whole message, or the `part` of a batch that could not be read."""

    origin: Received
    reason: DeadReason
    detail: str
    part: bytes | None = None

    @property
    def body(self) -> bytes:
        """Return the bytes to keep."""
        return self.origin.body if self.part is None else self.part


@dataclass(frozen=True, slots=True)
class Denial:
    """A request that was refused, for counters and the log."""

    asker: Asker
    session: int
    refusal: Refusal


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A message to publish, and where."""

    exchange: str
    routing_key: str
    message: Message


Asked: TypeAlias = AnyRequest | Publication
"""What has a session and an id, to be answered."""


@dataclass(slots=True)
class Plan:
    """What is known of a batch before the store was asked. `now` is seconds since 1970."""

    now: float
    requests: int = 0
    events: int = 0
    publications: list[Publication] = field(default_factory=list)
    replies: dict[str, list[AnyReply]] = field(default_factory=dict)
    """By gateway."""
    denials: list[Denial] = field(default_factory=list)
    inquiries: list[Inquiry] = field(default_factory=list)
    attending: list[Attending] = field(default_factory=list)
    called: Called | None = None
    """What the store said to those; None where it is away."""
    connected: dict[str | None, Attendance] = field(default_factory=dict)
    """Sessions that are connected: all, and those of a user."""
    lease: float = 0.0
    noticed: int = 0
    """Members that joined or left."""
    parked: list[Parked] = field(default_factory=list)
    held: list[Received] = field(default_factory=list)
    """Events that cannot be logged now, and so not be delivered; in their order."""
    repeated: int = 0
    """Publications that stood in their logs before."""
    dead: list[DeadLetter] = field(default_factory=list)
    faults: list[Exception] = field(default_factory=list)
    """Exceptions that nobody expected; each has cost one item, and none its neighbours."""

    @property
    def commands(self) -> list[Admit]:
        """Return the commands for the store, one for each publication."""
        return [publication.command for publication in self.publications]

    def answer(self, asker: Asker, reply: AnyReply) -> None:
        """Have `reply` sent to the gateway that asked."""
        replies = self.replies.get(asker.gateway)
        if replies is None:
            self.replies[asker.gateway] = [reply]
        else:
            replies.append(reply)

    def refuse(self, asker: Asker, asked: Asked, refusal: Refusal) -> None:
        """Have the request answered with no."""
        wait = None if refusal.retry_after is None else ceil(refusal.retry_after * 1000) / 1000
        self.answer(asker, Refused(asked.session, asked.id, refusal.code, refusal.reason, wait, refusal.close))
        self.denials.append(Denial(asker, asked.session, refusal))

    def bury(self, origin: Received, why: Unprocessable, part: bytes | None = None) -> None:
        """Have a message, or a `part` of it, kept as a dead letter."""
        self.dead.append(DeadLetter(origin, why.reason, why.detail, part))


@dataclass(frozen=True, slots=True)
class Deeds:
    """What is to be done: deliver, then answer and bury. Only then is the batch acknowledged, but for what is `held`.

    `published` is the number of entries in the deliveries.
    """

    deliveries: list[Outgoing]
    replies: list[Outgoing]
    dead: list[DeadLetter]
    held: list[Received]
    published: int
