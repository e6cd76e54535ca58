"""What a session knows of its present connection; each new one begins with nothing remembered ◆"""

from __future__ import annotations

from typing import Final

from .errors import ConnectionFailed
from .settings import Settings

HEARTBEAT: Final = 25.0
"""Seconds between a gateway's pings when it does not say."""
HEARTBEAT_GRACE: Final = 10.0
"""Seconds beyond the heartbeat after which a silent gateway counts as gone."""
NORMAL: Final = 1000
"""Close code for a connection that has done its duty (RFC 6455, section 7.4.1, as the next two)."""
GOING_AWAY: Final = 1001
"""Close code for a gateway that is silent or does not answer."""
PROTOCOL_ERROR: Final = 1002
"""Close code for a gateway that breaks the protocol."""


class Link:
    """One connection, from the open WebSocket on."""

    def __init__(self, now: float, settings: Settings) -> None:
        self.heard_at = now
        self.silence = settings.silence or HEARTBEAT + HEARTBEAT_GRACE
        self.answer_by: float | None = now + settings.connect_timeout
        """By when `connected` must come; None once it has."""
        self.authenticated_at: float | None = None
        self.leaving = False
        """We are ending it; what still comes does not count."""
        self.return_at: float | None = None
        """When a draining gateway wants us back."""
        self.not_before = now
        """The gateway named a time before which it will not take us."""
        self.verdict: int | None = None
        """The close code of 4100-4199 that an answer to `connect` amounts to."""
        self.fatal: ConnectionFailed | None = None
        """Why there is no point in coming back, where no close code says so."""
        self.reason = ""
        self._fixed_silence = settings.silence is not None

    def authenticated(self, now: float, heartbeat: float | None) -> None:
        """Note the gateway's `connected`; `heartbeat` is in seconds."""
        self.answer_by = None
        self.authenticated_at = now
        if heartbeat and not self._fixed_silence:
            self.silence = heartbeat + HEARTBEAT_GRACE

    def lived(self, now: float) -> float:
        """Return the seconds since `connected`; 0 when it never came."""
        return 0.0 if self.authenticated_at is None else now - self.authenticated_at

    def deadlines(self) -> tuple[float | None, ...]:
        """Return the times at which something is due on the connection itself."""
        return self.heard_at + self.silence, self.answer_by, self.return_at
