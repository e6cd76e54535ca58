"""Lets any number of tasks follow a client's state."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from .states import State

BACKLOG = 64
"""States kept for a watcher that is slow; older ones are dropped, the present one never."""


class Watchers:
    """The present state, and who wants to hear of the next."""

    def __init__(self) -> None:
        self.state = State.IDLE
        self._backlogs: set[asyncio.Queue[State]] = set()

    def tell(self, state: State) -> None:
        """Let everyone know."""
        self.state = state
        for backlog in self._backlogs:
            if backlog.full():
                backlog.get_nowait()
            backlog.put_nowait(state)

    async def states(self) -> AsyncIterator[State]:
        """Yield the present state, then each that follows; ends after ``closed``."""
        backlog: asyncio.Queue[State] = asyncio.Queue(BACKLOG)
        backlog.put_nowait(self.state)
        self._backlogs.add(backlog)
        try:
            while True:
                state = await backlog.get()
                yield state
                if state is State.CLOSED:
                    return
        finally:
            self._backlogs.discard(backlog)
