"""Plain integers that tell what a client has been through ◆"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class Counters:
    """Counted since the client was made; read them at any time."""

    connections: int = 0
    """Connections that were accepted (`connected` came)."""
    losses: int = 0
    """Attempts and connections that ended without our asking."""
    silences: int = 0
    """Connections given up because nothing was heard for too long."""
    unanswered: int = 0
    """Requests whose answer did not come in time."""
    malformed: int = 0
    """Frames that broke the protocol."""
    messages: int = 0
    """Messages received."""
    duplicates: int = 0
    """Messages that everyone here had already; dropped."""
    holes: int = 0
    """Holes that the gateway had not announced; handed out as gaps all the same."""
    resumes: int = 0
    """Subscriptions that came back with all that they had missed."""
    repeats: int = 0
    """Publishes (and reads of a history) sent once more, because no answer came or it was: not now."""
    unrouted: int = 0
    """Messages that nobody here was subscribed to (any more)."""
    gaps: int = 0
    """Holes announced to a subscriber, by the gateway or after a reconnect."""
    dropped: int = 0
    """Items dropped by full buffers, by either rule."""
    slow_consumers: int = 0
    """Subscriptions ended by ``overflow="raise"``."""
    send_queue_overflows: int = 0
    """Connections given up because the gateway did not take what we sent."""
    renewals: int = 0
    """Tokens accepted by `refresh`."""
