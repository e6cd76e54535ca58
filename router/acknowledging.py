"""Which messages of a turn are acknowledged, and how ◆"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from shared.bus.port import Intake, Received


def acknowledge(
    turn: Sequence[Received],
    consumption: Intake,
    *,
    rejected: Collection[int],
    held: Collection[int],
    one_by_one: bool,
) -> None:
    """Take a turn off its queues, but for the tags that are `held`; those `rejected` go where dead letters go.

    Unless `one_by_one`, all that is left is acknowledged with its last message, which takes along what came before it.
    """
    done = None
    for received in turn:
        if received.tag in rejected:
            consumption.reject(received, requeue=False)
        elif received.tag in held:
            continue
        elif one_by_one:
            consumption.ack(received)
        else:
            done = received
    if done is not None:
        consumption.ack(done, through=True)
