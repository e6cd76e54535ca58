"""Asks a router who is connected, for whoever asks over HTTP."""

from __future__ import annotations

import asyncio
from asyncio import Future
from collections.abc import Callable
from itertools import count
from typing import TypeAlias

from gateway.effects import Ask
from shared.attending import SessionsRead, SessionsRequest
from shared.envelopes import AnyReply, Refused

SESSION = -3
"""The number by which answers for this room are told from those for clients."""

WITHIN = 4.0
"""Seconds that an answer may take."""

AT_ONCE = 64
"""Questions without an answer; a further one is refused."""

Found: TypeAlias = SessionsRead | Refused | None
"""What a router said; None: nothing in time, or there were too many questions."""


class Census:
    """See above. `ask` sends a request to a router."""

    def __init__(self, boot_id: str, ask: Callable[[Ask], None]) -> None:
        self._boot_id = boot_id
        self._ask = ask
        self._numbers = count(1)
        self._waiting: dict[int, Future[Found]] = {}
        self._loop = asyncio.get_running_loop()

    async def sessions(self, user: str | None, limit: int) -> Found:
        """Return who is connected: those of `user` alone where one is named, and at most `limit`."""
        if len(self._waiting) >= AT_ONCE:
            return None
        number = next(self._numbers)
        answer = self._waiting[number] = self._loop.create_future()
        try:
            self._ask(Ask(f"{self._boot_id}.{number}", SessionsRequest(SESSION, number, user, limit)))
            async with asyncio.timeout(WITHIN):
                found: Found = await answer
                return found
        except TimeoutError:
            return None
        finally:
            del self._waiting[number]

    def answer(self, reply: AnyReply) -> None:
        """Take a router's answer, or a refusal in its stead."""
        waiting = self._waiting.get(reply.id)
        if waiting is not None and not waiting.done() and isinstance(reply, SessionsRead | Refused):
            waiting.set_result(reply)
