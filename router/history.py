"""What a topic's log is given, and what is read from it ◆

A log keeps entries as they travel, but without their epoch and offset: these are known when an entry stands in it.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

from router.rules import Rule
from shared.envelopes import Entry, Reader, pack
from shared.store.port import Append, Log, Position, Read

CACHED_HEADS = 16_384
"""Topics for which the question where their log stands is kept; many ask it at once when they come back."""

_read_entry = Reader(Entry)


def append(
    entry: Entry, rule: Rule, key: tuple[str | int, ...] | None, digest: bytes | None = None, *, again: bool = False
) -> Append:
    """Return what puts `entry` into its topic's log: once for each `key`, or known by its `digest` (see `Append`)."""
    return Append(entry.topic, pack(entry), rule.history, rule.history_ttl, key, digest, again)


@lru_cache(maxsize=CACHED_HEADS)
def head_of(topic: str) -> Read:
    """Return the question where the log of `topic` stands."""
    return Read(topic)


def first_of(topic: str, position: Position) -> Read:
    """Return the question what stands at `position`: what its publisher said when it said it first."""
    return Read(topic, after=position.offset - 1, before=position.offset + 1, limit=1)


def entries_of(log: Log) -> list[Entry]:
    """Return what was read, each with its place. Raises `MalformedEnvelope` where one is none that we have appended."""
    entries = []
    for offset, packed in log.entries:
        entry = _read_entry(packed)
        entry.epoch, entry.offset = log.epoch, offset
        entries.append(entry)
    return entries


def entry_at(position: Position, log: Log) -> Entry | None:
    """Return what stands at `position` of the `log` that was read there; None where it was kept no longer."""
    if log.epoch != position.epoch:
        return None
    return next((entry for entry in entries_of(log) if entry.offset == position.offset), None)


def in_order(entries: Iterable[Entry]) -> list[Entry]:
    """Return the entries of each log once each and in the order of their offsets.

    Only repeated ones make a difference; what is appended has its offset in the order in which it came.
    """
    unlogged = [entry for entry in entries if entry.offset is None]
    once = {(entry.topic, entry.epoch, entry.offset): entry for entry in entries if entry.offset is not None}
    logs: dict[tuple[str, str | None], int] = {}
    for topic, epoch, _ in once:
        logs.setdefault((topic, epoch), len(logs))
    return unlogged + [once[place] for place in sorted(once, key=lambda place: (logs[place[:2]], place[2] or 0))]
