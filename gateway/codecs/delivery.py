"""The ``message`` frame of a bus entry, its payload already in the dialect of the client ◆"""

from __future__ import annotations

from typing import Any

from msgspec import UNSET, Raw, UnsetType

from shared.envelopes import Entry, HistoryRead
from shared.frames import Message, Result


def message_frame(entry: Entry, data: Any, encoding: str | UnsetType) -> Message:
    """Return the frame. Where it has a place in a log it tells all of it: one frame serves all, whatever they know."""
    return Message(
        entry.topic,
        entry.at,
        data,
        UNSET if entry.offset is None else entry.offset,
        UNSET if entry.epoch is None else entry.epoch,
        encoding,
        UNSET if entry.key is None else entry.key,
        UNSET if entry.sender is None else entry.sender,
    )


def result_frame(request: int, read: HistoryRead, messages: list[bytes]) -> Result:
    """Return the answer to a ``history``; `messages` are its frames, encoded."""
    return Result(request, read.topic, [Raw(message) for message in messages], read.epoch, read.offset)
