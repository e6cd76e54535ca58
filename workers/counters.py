"""What a worker counts and has seen last ◆"""

from __future__ import annotations

from dataclasses import dataclass, field

from shared.telemetry.instruments import Catalogue, counter, gauge


@dataclass(slots=True)
class Counters:
    """Since the worker started; what it has seen is as of its last look."""

    looks: int = 0
    looks_failed: int = 0
    """Looks that the bus did not answer."""
    job_errors: int = 0
    """Jobs that raised what they should not."""
    queue_messages: dict[str, int] = field(default_factory=dict)
    queue_consumers: dict[str, int] = field(default_factory=dict)
    queues_in_trouble: dict[str, int] = field(default_factory=dict)
    """How many queues have each trouble of `workers.housekeeping.verdicts.Trouble`."""


WORKER: Catalogue = {
    "looks": counter("Looks at the queues. It stands still: the worker does nothing."),
    "looks_failed": counter("Looks that the broker did not answer."),
    "job_errors": counter("Jobs that failed by a bug of ours. Report it with the log line job.failed."),
    "queue_messages": gauge(
        "Messages in a queue, at the last look. penstock.dead should be 0; a route queue refuses from 20,000.",
        by="queue",
    ),
    "queue_consumers": gauge("Consumers of a queue, at the last look. A route queue needs one.", by="queue"),
    "queues_in_trouble": gauge(
        "Queues that are missing, nearly_full, or without a router (no_consumer).", by="trouble"
    ),
}
