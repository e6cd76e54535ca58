"""What a gateway counts: plain integers on the hot path, read by whoever tells others ◆"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field


@dataclass(slots=True)
class Counters:
    """Since the gateway started, but for the gauges at the top."""

    connections: int = 0
    """Open WebSocket connections now."""
    sessions: int = 0
    """Of these, the authenticated ones."""
    window_bytes: int = 0
    """Of messages that are kept in memory for those who come back."""
    accepted: int = 0
    handshakes_refused: int = 0
    closed: Counter[str] = field(default_factory=Counter)
    """Connections that we closed, by close code."""
    errors: Counter[str] = field(default_factory=Counter)
    """Error frames sent, by error code."""
    faults: int = 0
    """Connections closed because of an exception that nobody expected."""
    frames_received: int = 0
    bad_requests: int = 0
    bad_frames: int = 0
    rate_limited: int = 0
    floods: int = 0
    too_many_pending: int = 0
    too_many_subscriptions: int = 0
    requests: int = 0
    requests_refused: int = 0
    """Answered `overloaded` or `unavailable` by the gateway itself."""
    request_timeouts: int = 0
    late_replies: int = 0
    odd_replies: int = 0
    envelopes_malformed: int = 0
    batches_sent: int = 0
    batches_refused: int = 0
    batches_unconfirmed: int = 0
    reads_paused: int = 0
    """Times a socket was not read because the uplink was full."""
    messages: int = 0
    """Messages that came from routers for topics that somebody here hears."""
    messages_unheard: int = 0
    deliveries: int = 0
    """Messages times receivers."""
    ranges_asked: int = 0
    """Times the past of a topic was asked for, for those who came back."""
    places_forgotten: int = 0
    """Topics heard through patterns alone for whose place there was no room any more."""
    windows_given_up: int = 0
    """Topics whose last messages were kept no longer as there was no room; the next who comes back has them read."""
    discoveries_asked: int = 0
    """Times it was asked where a topic begins that patterns alone hear."""
    deliveries_dropped: int = 0
    """Times, once in `dropped.PAUSE` seconds, that the broker had dropped what waited for us."""
    bindings_lost: int = 0
    """Times that deliveries could not reach us, as our bindings were gone."""
    sent_back: int = 0
    """Clients that were sent to resume, as it could not be told what they missed of a pattern."""
    healed: int = 0
    """Messages that the bus lost, and the log had."""
    gaps: Counter[str] = field(default_factory=Counter)
    """Holes that no log could fill, by cause."""
    resumed: Counter[str] = field(default_factory=Counter)
    """Subscriptions that said where they left off, by whether all was recovered."""
    replayed: int = 0
    """Messages sent out of logs to those who came back."""
    presence_reports: int = 0
    """Reports to routers of sessions that came to topics with presence, or left them."""
    presence_refused: int = 0
    """Of these, the ones that no router could take in; they are made again."""
    presence_pushed: int = 0
    """Members that joined or left, times those who were told."""
    leases_lost: int = 0
    """Times this gateway was held for dead, or the store had forgotten it; then it reports everyone anew."""
    dropped: int = 0
    conflated: int = 0
    slow_closed: int = 0
    flushes: int = 0
    stalls: int = 0
    """Times the event loop stood still for more than `wheel.STALL` seconds; nobody is held for silent because of it."""
    stalled_seconds: float = 0.0
    kicked: int = 0
    degradations: int = 0
    bindings_refused: int = 0
    """Orders about bindings that the broker refused: a part of the topology is gone, or may not be used."""
    events_emitted: int = 0
    events_refused: int = 0
