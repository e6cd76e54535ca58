"""Lets a crowd in one after the other, in the order in which it came.

When thousands come at once, whoever is let in makes work for a while: a token, subscriptions, what was missed. All at
the same time they would all be late, too late for many, who then come again. So some are let in, and others when these
are through; they wait here, and who goes meanwhile has cost next to nothing.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable

from gateway.transports.counters import PortCounters
from gateway.transports.listener import MAX_HEAD, Take

log = logging.getLogger(__name__)

ON_THE_WAY = 256
"""Clients that are let in while others are not authenticated yet: more would only wait for each other."""
LET_IN_PER_TURN = 32
"""Clients that a turn of the loop lets in at least: those who come and say nothing must not hold up the others."""


class Lobby:
    """Hands connections to `let_in`, and those who come when `most` wait to `turn_away`.

    `on_the_way` says how many were let in and are not authenticated yet.
    """

    def __init__(
        self,
        let_in: Take,
        turn_away: Take,
        on_the_way: Callable[[], int],
        counters: PortCounters,
        *,
        most: int,
    ) -> None:
        self._let_in = let_in
        self._turn_away = turn_away
        self._on_the_way = on_the_way
        self._counters = counters
        self._most = most
        self._guests: deque[Guest] = deque()
        self._room = ON_THE_WAY
        self._armed = False
        self._loop = asyncio.get_running_loop()

    def take(self, transport: asyncio.Transport, head: bytes) -> None:
        """Let a connection in whose request has been read, now or when its turn has come."""
        if not self._guests and self._room:
            self._room -= 1
            self._arm()
            self._let_in(transport, head)
        elif len(self._guests) < self._most:
            self._guests.append(Guest(transport, head))
            self._counters.lobby_waiting = len(self._guests)
        else:
            self._turn_away(transport, head)

    def close(self) -> None:
        """Drop everybody who waits."""
        for guest in self._guests:
            guest.transport.abort()
        self._guests.clear()
        self._counters.lobby_waiting = 0

    def _arm(self) -> None:
        if not self._armed:
            self._armed = True
            self._loop.call_soon(self._next_turn)

    def _next_turn(self) -> None:
        self._armed = False
        room = self._room = max(LET_IN_PER_TURN, ON_THE_WAY - self._on_the_way())
        guests = self._guests
        while guests and self._room:
            guest = guests.popleft()
            if guest.has_gone:
                self._counters.lobby_gone += 1
                continue
            self._room -= 1
            try:
                self._let_in(guest.transport, guest.head)
            except Exception:  # ours; who comes behind must not wait for ever
                log.exception("a connection could not be let in", extra={"event": "lobby.failed"})
                guest.transport.abort()
        self._counters.lobby_waiting = len(guests)
        if guests or self._room < room:
            self._arm()


class Guest(asyncio.Protocol):
    """A connection that waits. `head` are all bytes so far."""

    __slots__ = ("has_gone", "head", "transport")

    def __init__(self, transport: asyncio.Transport, head: bytes) -> None:
        self.transport = transport
        self.head = head
        self.has_gone = False
        transport.set_protocol(self)

    def data_received(self, data: bytes) -> None:
        """Keep what comes early; who says a great deal before it was answered is no client of ours."""
        self.head += data
        if len(self.head) > 2 * MAX_HEAD:
            self.transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait no more."""
        self.has_gone = True
