"""What goes to the server and comes back from it, as bytes ◆

Keys are `{prefix}:{tag}:kind:name`, the tag being a number in braces, so that all that concerns one topic shares a slot
of a Cluster. They are injective: a topic stands at the end, and tuples are packed (MessagePack), never put together.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

import msgspec

from shared.store.port import (
    ATTEMPTS_REMEMBERED,
    DEDUPE,
    MAX_RECENT,
    MAX_TO_COME,
    REMEMBERED,
    Admit,
    Admitted,
    Append,
    Limit,
    Log,
    Position,
    Read,
    Turn,
)
from shared.topics import SLOTS, slot

MAX_BATCH = 128
"""Commands, or reads, of one call: the server serves nobody else meanwhile."""

REMEMBERED_LIMITS = 16_384
"""Tuples of limits whose packed form is kept."""

ADMITTED = Admitted(0.0)
"""The outcome of a command that appends nothing."""

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder().decode

Packed: TypeAlias = tuple[Any, ...]


class Packing:
    """Packs for the keys that begin with `prefix`.

    A tuple of limits is packed once, as long as it is the same object: the router keeps one for each connection and
    topic. What is kept is bounded by `REMEMBERED_LIMITS`, and then begun anew.
    """

    def __init__(self, prefix: str) -> None:
        self.tags = [f"{prefix}:{{{number}}}:" for number in range(SLOTS)]
        """What the keys under each tag begin with."""
        self._limits: dict[int, tuple[tuple[Limit, ...], msgspec.Raw]] = {}
        self._untagged = f"{prefix}:"
        self.index = f"{prefix}:recent"
        self.presence = f"{prefix}:presence:"
        """What the keys of the index of presence begin with, on one server."""

    def tag(self, topic: str) -> str:
        """Return what the keys of `topic` begin with."""
        return self.tags[slot(topic)]

    def limit(self, limit: Limit, tag: str) -> Packed:
        """Pack one limit; its key begins with `tag`."""
        key = tag.encode() + b"rate:" + packed_key(limit.key)
        return packed_text(key), 1e6 / limit.rate, limit.burst * 1e6 / limit.rate

    def limits(self, limits: tuple[Limit, ...]) -> msgspec.Raw | None:
        """Pack the limits of one command."""
        if not limits:
            return None
        known = self._limits.get(id(limits))
        if known is not None and known[0] is limits:
            return known[1]
        packed = msgspec.Raw(_encode([self.limit(limit, self._untagged) for limit in limits]))
        if len(self._limits) >= REMEMBERED_LIMITS:
            self._limits.clear()
        self._limits[id(limits)] = limits, packed
        return packed

    def command(self, command: Admit) -> Packed:
        """Pack one command with all that belongs to it."""
        append = command.append
        if append is None:
            return (self.limits(command.limits),)
        key = append.key
        return (
            self.limits(command.limits) if command.limits else None,
            self.tags[slot(append.topic)],
            append.topic,
            packed_text(append.entry),
            append.history,
            append.ttl * 1000,
            None if key is None else packed_text(_encode((append.topic, key))),
            None if append.digest is None else packed_text(append.digest),
            append.again,
        )

    def attempt(self, key: str, number: int | None, tag: str | None = None) -> bytes:
        """Pack that an attempt begins, or with None that one came to its end; the key begins with `tag`."""
        name = f"{self._untagged if tag is None else tag}attempts:{key}"
        return _encode((name, -1 if number is None else number, ATTEMPTS_REMEMBERED * 1000))

    def append(self, append: Append) -> Packed:
        """Pack an append whose limits were taken care of."""
        return self.command(Admit((), append))

    def admit(
        self,
        commands: Sequence[Packed],
        epoch: str,
        turn: Turn | None = None,
        tag: str | None = None,
        bound: int = MAX_RECENT,
    ) -> bytes:
        """Pack a batch of them. `epoch` is for logs that begin; with a `tag` all that is written lies under it."""
        under = self._untagged if tag is None else tag
        packed = turn is not None and (f"{under}tenure:", packed_text(turn.tenure), turn.number, MAX_TO_COME)
        return _encode((epoch, f"{under}recent", bound, REMEMBERED * 1000, DEDUPE, commands, packed))

    def read(self, reads: Sequence[Read], epoch: str) -> bytes:
        """Pack a batch of reads."""
        packed = [
            (
                self.tag(read.topic),
                read.topic,
                read.after,
                -1 if read.before is None else read.before,
                read.limit,
                read.max_bytes,
                read.newest,
            )
            for read in reads
        ]
        return _encode((epoch, REMEMBERED * 1000, packed))


def packed_key(key: tuple[str | int, ...]) -> bytes:
    """Pack a key so that no two are alike."""
    return _encode(key)


def packed_text(value: bytes) -> msgspec.Raw:
    """Pack bytes as what MessagePack once called raw, and now str 32: Redis's Lua does not know its bin."""
    return msgspec.Raw(b"\xdb" + len(value).to_bytes(4) + value)


def recent(index: str, within: float, most: int) -> bytes:
    """Pack the question for recent topics."""
    return _encode((index, within * 1e6, most))


def age(index: str) -> bytes:
    """Pack the question for how long everything is remembered."""
    return _encode((index, REMEMBERED * 1000))


def answers(reply: bytes) -> list[Any]:
    """Unpack the answers to a batch of commands."""
    unpacked: list[Any] = _decode(reply)
    return unpacked


def admitted(answer: Any, limits: Sequence[Limit]) -> Admitted:
    """Return what one answer means for a command with these `limits`."""
    if answer == 0:
        return ADMITTED
    if len(answer) == 3:
        epoch, offset, repeated = answer
        return Admitted(0.0, None, Position(epoch, offset), repeated == 1)
    return Admitted(float(answer[0]), limits[answer[1] - 1])


def appended(outcomes: Sequence[Admitted]) -> int:
    """Return how many entries were put into logs, and had not stood there before."""
    return sum(outcome.position is not None and not outcome.repeated for outcome in outcomes)


def log(answer: Sequence[Any]) -> Log:
    """Return the log that was read."""
    epoch, head, first, flat = answer
    return Log(epoch.decode(), head, first, list(zip(flat[::2], flat[1::2], strict=True)))
