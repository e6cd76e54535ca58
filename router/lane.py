"""The events of one partition that wait for the store beside it."""

from __future__ import annotations

from router.doubt import identity
from router.line import Line
from shared.bus.port import Depth, Intake, Received
from shared.bus.topology import spill_queue


class Lane:
    """The events of one partition that wait beside it. `kept`: for those there was no room, and they are in hand."""

    __slots__ = (
        "consumption", "empty_since", "expected", "full", "generation", "kept", "line", "mark", "marker", "proven",
        "queue", "settled", "silent_since",
    )  # fmt: skip

    def __init__(self, route: str) -> None:
        self.queue = spill_queue(route)
        self.marker: Received | None = None
        self.mark = ""
        self.proven = False
        """Whether the marker is known to be in the queue beside, or in its log; else it is one that came back."""
        self.full = False
        self.kept = Line()
        self.line = Line()
        """What was taken out of the queue and waits for its turn; bounded by the prefetch."""
        self.consumption: Intake | None = None
        self.generation = 0
        self.expected = 0
        """How many are to be taken out, and were `settled`, since that began."""
        self.settled = 0
        self.empty_since: float | None = None
        self.silent_since: float | None = None
        """Since when the broker has given us nothing of the partition, though some wait there; seconds, monotonic."""

    def mark_with(self, event: Received) -> None:
        """Have `event`, which is in hand, mark it."""
        self.marker, self.mark = event, identity(event)


def is_used(depth: Depth) -> bool:
    """Say whether something waits in a queue, or is in the hands of somebody who consumes from it."""
    return bool(depth.messages or depth.consumers)
