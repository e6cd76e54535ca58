"""Who is where: what travels of that on the bus ◆

See `shared.envelopes`: the fields of a struct are the items of an array, and new ones go to the end.
"""

from __future__ import annotations

from enum import IntEnum

from msgspec import Raw, Struct

from shared.asking import GrantedRequest, Reply, Request


class Member(Struct, array_like=True, frozen=True, gc=False):
    """A session that is at a topic, and whose it is. `info` is MessagePack: the ``info`` of the token, or nil."""

    user: str
    session: str
    info: Raw = Raw(b"\xc0")


class AttendRequest(Request, tag=16):
    """These sessions of the gateway have come to `topic`, and these have gone; none of either: look at the topic.

    `stays`: other sessions of the gateway are there, or some of those that came. What is said twice changes nothing.
    ``/`` and the gateway's boot id stand for a topic at which all its sessions are: see `shared.store.roll`.
    """

    topic: str
    came: list[Member]
    went: list[Member]
    stays: bool = True


class PresenceRequest(GrantedRequest, tag=17):
    """Who is at `topic`?"""

    topic: str


class RenewRequest(Request, tag=18):
    """The gateway lives: renew its lease, and look at the topics of `partition` whose time has come."""

    partition: int


class SessionsRequest(Request, tag=19):
    """Who is connected? Those of `user` alone, where one is named; at most `limit` are listed."""

    user: str | None
    limit: int


class Change(IntEnum):
    """What became of a member."""

    JOINED = 1
    LEFT = 2


class Notice(Struct, array_like=True, gc=False):
    """A member joined or left `topic`: for those who asked to be told. It is not logged, and comes at most once."""

    topic: str
    change: Change
    member: Member


class Attended(Reply, tag=16):
    """The report is taken in. In `again` seconds the topic is to be looked at again; 0: there is no need."""

    again: float = 0.0


class PresenceRead(Reply, tag=17):
    """The answer to `PresenceRequest`: `count` users are at the topic, and `members` some of them, or all."""

    topic: str
    members: list[Member]
    count: int


class Renewed(Reply, tag=18):
    """The lease is good for `seconds`. Its name changes when it had run out or was lost: then all is to be reported.

    `more`: there was more to look at in this partition than one turn has room for; ask again.
    """

    lease: str
    seconds: float
    more: bool = False


class SessionsRead(Reply, tag=19):
    """The answer to `SessionsRequest`: `count` sessions are connected, and `sessions` some of them, or all."""

    sessions: list[Member]
    count: int
