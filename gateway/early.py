"""What a client sends while a token of it is looked at ◆

Clients need not wait for ``connected``: what comes while a router looks at the token is held here, and taken in its
order when the token is good. It is held for somebody whom nobody knows yet, so there is little room.
"""

from __future__ import annotations

from typing import TypeAlias

from shared.frames import History, Presence, Publish, Refresh, Subscribe, Unsubscribe

Early: TypeAlias = Subscribe | Unsubscribe | Publish | History | Presence | Refresh

MAX_EARLY_BYTES = 64 * 1024
"""Bytes of payloads and tokens that are held for one client."""


class EarlyFrames:
    """At most `bound` frames, and `MAX_EARLY_BYTES`."""

    __slots__ = ("_bytes", "frames")

    def __init__(self) -> None:
        self.frames: list[Early] = []
        self._bytes = 0

    def hold(self, frame: Early, bound: int) -> bool:
        """Keep a frame, or say that there is no room for it."""
        size = _size(frame)
        if len(self.frames) >= bound or self._bytes + size > MAX_EARLY_BYTES:
            return False
        if isinstance(frame, Publish):
            frame.data = frame.data.copy()  # it was a view, and would keep all of the message that it came in
        self._bytes += size
        self.frames.append(frame)
        return True


def _size(frame: Early) -> int:
    match frame:
        case Publish():
            return len(bytes(frame.data))
        case Refresh():
            return len(frame.token)
    return 0
