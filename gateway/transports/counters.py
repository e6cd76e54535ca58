"""What the port counts before there are sessions ◆"""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(slots=True)
class PortCounters:
    """Since the gateway started, but for the gauges at the top."""

    heads_waiting: int = 0
    """Connections whose request head is not complete now."""
    http_connections: int = 0
    """Connections that speak HTTP now."""
    heads_timed_out: int = 0
    """Connections that were closed because no whole request head came in time."""
    heads_evicted: int = 0
    """Connections that were closed without a whole request head because too many newer ones came."""
    heads_refused: int = 0
    """Connections whose request head was too large, or no HTTP at all."""
    http_refused: int = 0
    """Requests that were turned away because too many connections spoke HTTP, in all or from their address."""
    http_answers: dict[str, int] = field(default_factory=dict)
    """Answers over HTTP, by status code."""
    http_failures: int = 0
    """Requests that ended in an error of ours."""
