"""The port to the store: what must be remembered between two messages, by whichever router handles the next.

A router brings all of a batch's commands at once, so that a store over the network costs one round trip a batch.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from shared.store.counters import StoreCounters
from shared.store.roll import Called, Roll

DEDUPE = 300
"""Seconds for which the key of an entry is remembered."""

TENURE_BYTES = 8
DIGEST_BYTES = 8
"""Bytes of a tenure's name, and of the digest of an entry without a key."""

MAX_TO_COME = 1024
"""Entries without a key of one topic that may come again, and are remembered; beyond it the oldest are forgotten, and
would be appended again."""

REMEMBERED = 24 * 3600
"""Seconds, beyond its history's, for which an unused log's epoch and last offset are remembered."""

MAX_RECENT = 10_000
"""Topics that `Store.recent` tells of at most."""

ATTEMPTS_REMEMBERED = 3600
"""Seconds, from the last one, for which attempts are remembered that nobody settled. Programs that die at their start
are started ever later, and still within this time."""


@dataclass(frozen=True, slots=True)
class Limit:
    """A rate: `rate` a second, `burst` at once, for everything that shares `key`.

    The key is a tuple, never a string put together: `("user", "a.b")` and `("user.a", "b")` stay apart.
    """

    key: tuple[str | int, ...]
    rate: float
    burst: int


class Position(NamedTuple):
    """A place in a topic's log. Offsets of one epoch are 1, 2, 3 …; another epoch is another log."""

    epoch: str
    offset: int


class Turn(NamedTuple):
    """Which turn of whose a batch belongs to.

    `tenure` is a random name of `TENURE_BYTES` bytes, and another whenever what a router has in hand comes anew. The
    turns of one are numbered upwards; when one begins, all that came in those before it is acknowledged.
    """

    tenure: bytes
    number: int


@dataclass(frozen=True, slots=True)
class Append:
    """Put `entry` at the end of the log of `topic`, which keeps the last `history` (1 or more), for `ttl` seconds.

    With a `key` that was appended to this topic within `DEDUPE` seconds, nothing is done, and the answer is where the
    first one stands. Like a limit's, a key is a tuple, never a string put together.

    An entry without one may have a `digest` (`DIGEST_BYTES`). It is known as long as its turn may not be acknowledged:
    one that comes `again` is not appended then, and the answer is where the first one stands. Each stands for one that
    comes again, so of two that say the same, both of which are new, none is taken for the other.
    """

    topic: str
    entry: bytes
    history: int
    ttl: int
    key: tuple[str | int, ...] | None = None
    digest: bytes | None = None
    again: bool = False


@dataclass(frozen=True, slots=True)
class Admit:
    """Let one more through, if every limit allows it; one that refuses leaves the others unspent.

    What is let through is appended to its log, where there is one.
    """

    limits: tuple[Limit, ...]
    append: Append | None = None


@dataclass(frozen=True, slots=True)
class Admitted:
    """The outcome of an `Admit`: `retry_after` is 0 where it was let through, else seconds until it would be.

    `position` is where it stands in its log, None where it has none. `repeated`: it stood there before.
    """

    retry_after: float
    refused_by: Limit | None = None
    position: Position | None = None
    repeated: bool = False


@dataclass(frozen=True, slots=True)
class Read:
    """Read what the log of `topic` keeps after the offset `after` and, where it is given, before the offset `before`.

    At most `limit` entries (0: none, only where the log stands) and `max_bytes` bytes, but one entry in any case where
    there is one and `limit` allows it. Where there are more, the first ones, or with `newest` the last ones; always in
    ascending order.
    """

    topic: str
    after: int = 0
    before: int | None = None
    limit: int = 0
    max_bytes: int = 256 * 1024
    newest: bool = False


@dataclass(frozen=True, slots=True)
class Log:
    """What was read: `head` is the last offset that was given (0: none yet), `first` that of the oldest entry kept.

    Where nothing is kept `first` is `head + 1`. A topic without a log is given one by being read: its epoch is what
    tells a subscriber later that nothing was lost in between.
    """

    epoch: str
    head: int
    first: int
    entries: Sequence[tuple[int, bytes]] = ()


class Store(Protocol):
    """What routers share.

    All raise `shared.errors.StoreAway` where the store cannot be reached; what was asked of it is then done or not.
    """

    lasting: bool
    """Whether what it keeps outlives the process that uses it."""
    counters: StoreCounters
    """What this store has done and refused so far."""

    async def admit(self, commands: Sequence[Admit], now: float, turn: Turn | None = None) -> Sequence[Admitted]:
        """Carry out a batch of commands in their order, at the time `now` (seconds, monotonic).

        A store with a clock of its own goes by that one, for all routers alike. Without a `turn` digests mean nothing.
        Without commands all that is noted is that the turns before this one are acknowledged.
        """

    async def read(self, reads: Sequence[Read], now: float) -> Sequence[Log]:
        """Read logs, in one round trip."""

    async def recent(self, within: float, now: float) -> Sequence[str]:
        """Return the topics to whose logs something was appended in the last `within` seconds, newest first.

        At most `MAX_RECENT`.
        """

    async def age(self, now: float) -> float:
        """Return for how many seconds all that was appended is remembered: since the store was made, or lost something.

        What has expired, and what a log has no room for, was not lost. Infinite where nothing can have been.
        """

    async def call(self, roll: Roll, now: float) -> Called:
        """Carry out a batch about who is where, in its order: renew leases, take reports, look at topics."""

    async def begin(self, key: str, number: int, now: float) -> int:
        """Note that attempt `number` (0 or more) at what `key` stands for begins.

        Returns how many have begun since it was settled last, this one included. The same number counts once, so a call
        of which nobody knows whether it was done is made again.
        """

    async def settle(self, key: str, now: float) -> None:
        """Forget the attempts at what `key` stands for: one of them came to its end."""

    async def close(self) -> None:
        """Let go of the store."""
