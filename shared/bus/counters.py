"""What a bus counts: plain integers, read by whoever measures ◆"""

from __future__ import annotations

from dataclasses import dataclass

from shared.errors import BusError, ConfirmTimeout, PublishRefused, Unroutable


@dataclass(slots=True)
class BusCounters:
    """Since this bus was made. Each only ever grows."""

    published: int = 0
    """Messages that were sent to the broker."""
    confirmed: int = 0
    """Messages that the broker took."""
    nacked: int = 0
    """Messages that the broker refused: a queue on their way was full, or it had no right to take them."""
    unroutable: int = 0
    """Messages without a queue that must have one, or without an exchange."""
    confirm_timeouts: int = 0
    """Messages whose outcome is unknown: no confirm in time, or the connection was lost before it."""
    late_confirms: int = 0
    """Confirms that came after nobody waited for them any more."""
    refused_away: int = 0
    """Messages not sent, since there was no connection."""
    refused_blocked: int = 0
    """Messages not sent, since the broker held publishers back."""
    refused_full: int = 0
    """Messages not sent, since too many were waiting for their confirms."""
    received: int = 0
    """Messages given to handlers."""
    redelivered: int = 0
    """Those of them that had been given out before."""
    stale_acks: int = 0
    """Acknowledgements of deliveries that are not ours any more; they do nothing."""
    unreadable_headers: int = 0
    """Messages whose headers could not be read; they were given to handlers without them."""
    depths_doubted: int = 0
    """Times that a broker took so long to say that nothing is in a queue that it was asked again."""
    handler_errors: int = 0
    """Handlers that raised, which they must not; their messages stay unacknowledged."""
    connections_lost: int = 0
    """Times that `READY` or `BLOCKED` ended without `close`."""
    reconnections: int = 0
    """Times that everything remembered was back after that."""
    attempts_failed: int = 0
    """Attempts to connect that came to nothing."""
    channels_lost: int = 0
    """Channels that the broker closed."""
    consumers_cancelled: int = 0
    """Consumers that the broker cancelled: their queue was deleted or moved."""

    def count_failure(self, error: BusError) -> None:
        """Count what came of a message that was sent."""
        match error:
            case PublishRefused():
                self.nacked += 1
            case Unroutable():
                self.unroutable += 1
            case ConfirmTimeout():
                self.confirm_timeouts += 1
