"""What a caller may ask for ◆"""

from __future__ import annotations

from typing import Final

from .errors import InvalidArgument
from .messages import Position
from .patterns import is_wild

MAX_KEY: Final = 128
"""Characters of an idempotency key."""
MAX_EPOCH: Final = 64
"""Characters of an epoch."""
MAX_OFFSET: Final = 2**53 - 1
"""The largest offset: what JavaScript can count exactly."""
MAX_MESSAGES: Final = 1_000
"""Messages of one read, and of a tail."""


def check_key(key: str) -> None:
    """Raise `InvalidArgument` unless `key` can be an idempotency key."""
    if not 1 <= len(key) <= MAX_KEY:
        raise InvalidArgument(f"The key has {len(key)} characters; it must have 1 to {MAX_KEY}.")


def check_beginning(pattern: str, since: Position | None, tail: int | None) -> None:
    """Raise `InvalidArgument` unless a subscription to a valid `pattern` can begin there."""
    if since is not None and tail is not None:
        raise InvalidArgument("Give `since` or `tail`, not both: one says where to begin, the other how far back.")
    if tail is not None and not 0 <= tail <= MAX_MESSAGES:
        raise InvalidArgument(f"tail is {tail}; it must be 0 to {MAX_MESSAGES}.")
    if since is None:
        return
    if is_wild(pattern):
        raise InvalidArgument(f"{pattern!r} is a pattern: `since` is a place in the log of one topic.")
    if not isinstance(since, Position):
        raise InvalidArgument(f"`since` is {type(since).__name__}; it must be a Position.")
    if not 1 <= len(since.epoch) <= MAX_EPOCH or not 0 <= since.offset <= MAX_OFFSET:
        raise InvalidArgument(f"{since!r} is no place in a log.")


def check_range(limit: int, before: int | None, after: int | None) -> None:
    """Raise `InvalidArgument` unless a history can be read so."""
    if not 1 <= limit <= MAX_MESSAGES:
        raise InvalidArgument(f"limit is {limit}; it must be 1 to {MAX_MESSAGES}.")
    if before is not None and after is not None:
        raise InvalidArgument("Give `before` or `after`, not both.")
    for name, offset in (("before", before), ("after", after)):
        if offset is not None and not 0 <= offset <= MAX_OFFSET:
            raise InvalidArgument(f"{name} is {offset}; it must be 0 to {MAX_OFFSET}.")


def check_presence(pattern: str, presence: bool) -> None:
    """Raise `InvalidArgument` where presence is wanted of something that is not one topic."""
    if presence and is_wild(pattern):
        raise InvalidArgument(f"Presence is of one topic, and {pattern!r} is a pattern.")
