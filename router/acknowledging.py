"""Which messages of a turn are acknowledged, and how ◆"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from shared.bus.port import Intake, Received


def acknowledge(
    turn: Sequence[Received], consumption: Intake, *, rejected: Collection[int], held: Collection[int]
) -> None:
    """Take a turn off its queues, but for the tags that are `held`; those `rejected` go where dead letters go."""
    done = []
    for received in turn:
        if received.tag in rejected:
            consumption.reject(received, requeue=False)
        elif received.tag not in held:
            done.append(received)
    consumption.ack_all(done)
