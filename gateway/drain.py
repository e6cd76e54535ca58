"""Sends the clients of a gateway that stops to the others, a few at a time."""

from __future__ import annotations

import asyncio
import math
import random
from collections.abc import Collection

from gateway.effects import End, Send
from gateway.performer import Performer
from gateway.states import State
from gateway.transports.websocket import Connection
from shared.codes import CloseCode
from shared.frames import Reconnect

STEP = 0.1
"""Seconds between two batches."""


async def drain(connections: Collection[Connection], performer: Performer, *, within: float) -> None:
    """Tell every client to come back somewhere else and close it, in even batches over `within` seconds.

    Each is told to wait a random part of one second, so that not even a batch arrives at once.
    """
    leaving = [connection for connection in connections if connection.session.state is not State.ENDED]
    steps = max(1, math.floor(within / STEP))
    size = max(100, math.ceil(len(leaving) / steps))
    for start in range(0, len(leaving), size):
        for connection in leaving[start : start + size]:
            goodbye = Send(Reconnect(after=round(random.random(), 3)))
            performer.perform(connection, [goodbye, End(CloseCode.DRAIN, "this gateway is about to stop")])
        if start + size < len(leaving):
            await asyncio.sleep(STEP)
