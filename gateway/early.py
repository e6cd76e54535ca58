"""What a client sends while a token of it is looked at ◆

Clients need not wait for ``connected``: what comes while a router looks at the token is held here, and taken in its
order when the token is good. It is held for somebody whom nobody knows yet, so there is little room.
"""

from __future__ import annotations

from typing import TypeAlias

from shared.frames import History, Presence, Publish, Refresh, Subscribe, Unsubscribe
from shared.topics import MAX_BYTES

Early: TypeAlias = Subscribe | Unsubscribe | Publish | History | Presence | Refresh

MAX_EARLY_BYTES = 64 * 1024
"""Bytes that are held for one client; more only where its subscriptions, all that it may have, need more."""

FRAME_BYTES, SINCE_BYTES, PLACE_BYTES = 256, 128, 240
"""Bytes in memory of a frame, of where it left off, and of each place in a log, reckoned without their texts."""

SUBSCRIPTION_BYTES = FRAME_BYTES + SINCE_BYTES + MAX_BYTES + 64
"""Bytes in memory of a subscribe of a client that comes back: 64 are for its epoch."""


def room(subscriptions: int) -> int:
    """Return how many bytes are held at most for a client that may have so many subscriptions."""
    return max(MAX_EARLY_BYTES, subscriptions * SUBSCRIPTION_BYTES)


class EarlyFrames:
    """What is held for one client."""

    __slots__ = ("_bytes", "frames")

    def __init__(self) -> None:
        self.frames: list[Early] = []
        self._bytes = 0

    def hold(self, frame: Early, most: int, room: int) -> bool:
        """Keep a frame, or say that it would be one more than `most`, or have them need more than `room` bytes."""
        size = _size(frame)
        if len(self.frames) >= most or self._bytes + size > room:
            return False
        if isinstance(frame, Publish):
            frame.data = frame.data.copy()  # it was a view, and would keep all of the message that it came in
        self._bytes += size
        self.frames.append(frame)
        return True


def _size(frame: Early) -> int:
    """Reckon the bytes of memory that a frame needs."""
    match frame:
        case Refresh():
            return FRAME_BYTES + _text(frame.token)
        case Publish():
            return FRAME_BYTES + _text(frame.topic) + len(bytes(frame.data)) + _text(frame.key)
        case Subscribe() if frame.from_ is not None:
            places = (frame.from_.topics or {}).items()
            known = sum(PLACE_BYTES + _text(name) + _text(place.epoch) for name, place in places)
            return FRAME_BYTES + SINCE_BYTES + _text(frame.topic) + _text(frame.from_.epoch) + known
    return FRAME_BYTES + _text(frame.topic)


def _text(text: str | None) -> int:
    """Return the bytes of a string: one beyond U+FFFF makes all its characters as wide."""
    if text is None:
        return 0
    return len(text) if text.isascii() else 4 * len(text)
