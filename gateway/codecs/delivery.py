"""The ``message`` frame of a bus entry, its payload already in the dialect of the client ◆"""

from __future__ import annotations

from typing import Any

from msgspec import UNSET, UnsetType

from shared.envelopes import Entry
from shared.frames import Message


def message_frame(entry: Entry, data: Any, encoding: str | UnsetType, *, epoch: bool) -> Message:
    """Return the frame; the epoch is in it where it is asked for and known."""
    return Message(
        entry.topic,
        entry.at,
        data,
        UNSET if entry.offset is None else entry.offset,
        entry.epoch if epoch and entry.epoch is not None else UNSET,
        encoding,
        UNSET if entry.key is None else entry.key,
        UNSET if entry.sender is None else entry.sender,
    )
