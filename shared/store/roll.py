"""Who is where: the commands of presence, and their outcomes ◆

A member of a topic is a user, for as long as any session of theirs is there, and for a while after (`linger`). Sessions
belong to gateways, and a gateway is alive as long as its lease is: what a dead one reported counts no more, and whoever
looks at a topic clears it away. So that this happens soon, topics are also looked at by partition: those whose time
has come, and those of gateways that died.

The sessions of a gateway itself are at a topic of its own, ``/`` and its boot id: no client can name that.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

LOOKED_AT = 128
"""Topics of one partition that one roll looks at, of those whose time has come and of each dead gateway."""

FORGOTTEN = 24 * 3600
"""Seconds after which what nobody has touched is forgotten, should everything else have failed."""

LISTED_BYTES = 64 * 1024
"""Bytes of the members that one command lists."""

MAX_SESSIONS = 1_000
"""Sessions that one answer to "who is connected" lists at most."""

OWN = "/"
"""What the topic at which all sessions of a gateway are begins with."""


class Member(NamedTuple):
    """A session, and whose it is; `info` is any bytes."""

    user: str
    session: str
    info: bytes = b""


@dataclass(frozen=True, slots=True)
class Attend:
    """Sessions of `gateway` come to `topic`, and others go; who is gone for good is told of, and members are listed.

    `stays`: the gateway has sessions there afterwards. A user whose last session goes stays for `linger` seconds.
    At most `limit` members are listed and `LISTED_BYTES`: one for each user, or with `each` all sessions; with `user`
    only theirs.
    """

    topic: str
    gateway: str = ""
    came: Sequence[Member] = ()
    went: Sequence[Member] = ()
    stays: bool = True
    linger: float = 0.0
    limit: int = 0
    each: bool = False
    user: str | None = None


@dataclass(frozen=True, slots=True)
class Roll:
    """A batch. `gateways` are alive, and for the next `lease` seconds; these are the ones that ask or report.

    Of `partitions` the topics are looked at whose time has come, at most `LOOKED_AT` of a kind. `spare`: a lease that
    has run out counts all the same, as there may have been no way to renew it.
    """

    lease: float
    gateways: Sequence[str] = ()
    partitions: Sequence[int] = ()
    commands: Sequence[Attend] = ()
    spare: bool = False


@dataclass(frozen=True, slots=True)
class Attendance:
    """What became of one topic. `count` is the users, `sessions` the sessions there; both exact.

    `joined` and `left` are users, each with the session that made the difference. `sessions` is only told where members
    are listed: all that are there, or those of the user whose they are, however many of them are listed.
    """

    topic: str
    joined: Sequence[Member] = ()
    left: Sequence[Member] = ()
    count: int = 0
    sessions: int = 0
    members: Sequence[Member] = ()


@dataclass(frozen=True, slots=True)
class Called:
    """The outcome of a roll: one attendance for each command, and `looked` for the topics whose time had come.

    `leases` has the name of each gateway's lease; it is a new one when the gateway had none, and what it reported
    before is lost. `alive` are all gateways whose lease is good. `more`: there was more to look at.
    """

    leases: Mapping[str, str] = field(default_factory=dict)
    alive: Sequence[str] = ()
    attendances: Sequence[Attendance] = ()
    looked: Sequence[Attendance] = ()
    more: bool = False


def connected(gateways: Iterable[str], user: str | None) -> list[Attend]:
    """Return the commands that list who is connected to `gateways`: all sessions, or those of a `user`."""
    return [Attend(OWN + gateway, limit=MAX_SESSIONS, each=True, user=user) for gateway in gateways]


def together(attendances: Iterable[Attendance]) -> Attendance:
    """Return the sessions of all gateways as one."""
    each = list(attendances)
    members = [member for attendance in each for member in attendance.members]
    return Attendance("", sessions=sum(attendance.sessions for attendance in each), members=members)
