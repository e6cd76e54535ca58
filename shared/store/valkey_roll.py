"""Presence on Valkey: what goes to the server and comes back from it.

The index (leases, and which topics are to be looked at) lies in one place, topics under their tags. On one server the
first commands of a batch travel with the index, so that a batch is one call; on a Cluster they follow.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from math import ceil
from typing import Any, TypeAlias

import msgspec

from shared.store.memory_logs import new_epoch
from shared.store.roll import FORGOTTEN, LISTED_BYTES, LOOKED_AT, Attend, Attendance, Called, Member, Roll
from shared.store.valkey_packing import MAX_BATCH, Packed, packed_text
from shared.topics import partition, slot

Enrol: TypeAlias = Callable[[bytes], Awaitable[Sequence[Any]]]
"""Brings the packed index, with commands, to the server, and returns its answer."""
Carry: TypeAlias = Callable[[Sequence[Attend], Sequence[str]], Awaitable[Sequence[Attendance]]]
"""Has commands carried out, given the gateways that are alive; as many as one call may have."""

_encode = msgspec.msgpack.Encoder().encode
_KEPT = FORGOTTEN * 1000

FOLLOWS_WITHIN = 1.0
"""Seconds by which commands that follow the index may come later, and their node's clock be ahead of the index's: who
is to leave is looked for so much later. Looked for too early, and nobody would look again."""


async def call(roll: Roll, index: str, tags: Sequence[str] | None, enrol: Enrol, carry: Carry) -> Called:
    """Carry out a batch. `index` is what its keys begin with; `tags` are given where commands can travel along."""
    along = roll.commands[:MAX_BATCH] if tags else ()
    leases, alive, topics, more, answers = await enrol(_packed(roll, index, along, tags or ()))
    names = [name.decode() for name in alive]
    done = [attendance(each) for each in answers]
    looks = [Attend(topic) for topic in dict.fromkeys(topic.decode() for topic in topics)]
    rest = [*roll.commands[len(along) :], *looks]
    for start in range(0, len(rest), MAX_BATCH):
        done += await carry(rest[start : start + MAX_BATCH], names)
    count = len(roll.commands)
    named = {gateway: name.decode() for gateway, name in zip(roll.gateways, leases, strict=True)}
    return Called(named, names, done[:count], done[count:], more == 1)


def packed_commands(commands: Sequence[Attend], alive: Sequence[str], tags: Sequence[str]) -> bytes:
    """Pack commands for topics, without the index."""
    return _encode((False, list(alive), [_command(command, tags) for command in commands], _KEPT))


def attendance(answer: Sequence[Any]) -> Attendance:
    """Return what became of one topic."""
    topic, joined, left, count, sessions, members = answer
    return Attendance(topic.decode(), _members(joined), _members(left), count, sessions, _members(members))


def _packed(roll: Roll, index: str, along: Sequence[Attend], tags: Sequence[str]) -> bytes:
    lease = ceil(roll.lease * 1000)
    marked = [_mark(command, follows=place >= len(along)) for place, command in enumerate(roll.commands)]
    marks = [mark for mark in marked if mark is not None]
    head = (index, lease, new_epoch(), roll.spare, list(roll.gateways), marks, list(roll.partitions), LOOKED_AT)
    return _encode((head, (), [_command(command, tags) for command in along], _KEPT))


def _mark(command: Attend, *, follows: bool) -> Packed | None:
    """Pack what the index has to know of a command, which comes along or follows; nothing where it only looks."""
    if not command.gateway:
        return None
    later = FOLLOWS_WITHIN if follows else 0.0
    linger = ceil((command.linger + later) * 1000) if command.went and command.linger else 0
    return partition(command.topic), command.gateway, command.topic, command.stays, linger


def _command(command: Attend, tags: Sequence[str]) -> Packed:
    came = [part for member in command.came for part in (member.session, member.user, packed_text(member.info))]
    went = [part for member in command.went for part in (member.session, member.user)]
    return (
        tags[slot(command.topic)],
        command.topic,
        command.gateway,
        came,
        went,
        ceil(command.linger * 1000),
        command.limit,
        LISTED_BYTES,
        command.each,
        False if command.user is None else command.user,
    )


def _members(flat: Sequence[bytes]) -> list[Member]:
    parts = iter(flat)
    return [
        Member(user.decode(), session.decode(), info) for user, session, info in zip(parts, parts, parts, strict=True)
    ]
