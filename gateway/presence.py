"""Reports to routers which sessions are where, lives by a lease, and tells who wants to know of joining and leaving.

Nothing is decided here: whether a topic has presence, and who counts as a member of it, routers say.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from itertools import count

import msgspec
from msgspec import Raw

from gateway import members
from gateway.counters import Counters
from gateway.effects import Ask
from gateway.fanout import Fanout, Receiver
from gateway.reports import SESSION, Reports
from gateway.transports.websocket import Connection
from shared.attending import Attended, Member, Notice, Renewed, RenewRequest
from shared.clock import monotonic, wall
from shared.codes import ErrorCode
from shared.envelopes import AnyReply, Refused
from shared.store.roll import OWN
from shared.topics import PARTITIONS, partition

LEASE = 20.0
"""Seconds for which a lease is taken to be good before a router has said it."""

ROUNDS = 5
"""How often in the time of a lease it is renewed by way of each partition."""

FAREWELL = 2.0
"""Seconds that a gateway which stops waits for its last reports to be taken in."""

_KEYS = {partition(key): key for key in (f"{OWN}{number}" for number in range(64 * PARTITIONS))}
"""For each partition a key that leads to it."""


class Presence:
    """See above. `ask` sends a request to a router."""

    def __init__(self, boot_id: str, fanout: Fanout, ask: Callable[[Ask], None], counters: Counters) -> None:
        self._own = f"{OWN}{boot_id}"
        self._fanout = fanout
        self._ask = ask
        self._counters = counters
        self._reports = Reports()
        self._watchers: dict[str, dict[Receiver, None]] = {}
        """By topic: who wants to be told; bounded as subscriptions are."""
        self._lease = ""
        self._pause = LEASE / ROUNDS / PARTITIONS
        self._partition = 0
        self._numbers = count(-1, -1)
        self._asked: dict[int, int] = {}
        """Renewals without an answer, and by way of which partition."""
        self._armed = False
        self._timer: asyncio.TimerHandle | None = None
        self._loop = asyncio.get_running_loop()

    def start(self) -> None:
        """Begin to live by a lease."""
        self._tick()

    async def stop(self) -> None:
        """Tell what is still to be told, for a short while; then say no more."""
        until = monotonic() + FAREWELL
        while not self._reports.is_done and monotonic() < until:  # noqa: ASYNC110 (once in a life)
            await asyncio.sleep(self._pause / ROUNDS)
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    # What sessions do.

    def connect(self, connection: Connection) -> None:
        """Report a session that was let in."""
        session = connection.session
        info = msgspec.msgpack.encode((session.address, int(wall() * 1000)))
        self._report(self._own, Member(session.user, session.name, Raw(info)))

    def appear(self, connection: Connection, topic: str, info: bytes, *, watches: bool) -> None:
        """Report a session whose subscription to `topic` has begun; where it `watches`, tell it of others."""
        if watches:
            self._watchers.setdefault(topic, {})[connection] = None
        self._report(topic, Member(connection.session.user, connection.session.name, Raw(info)))

    def leave(self, connection: Connection, topic: str) -> None:
        """Report a session whose subscription has ended; one that has not begun changes nothing."""
        if not self._reports.go(topic, connection.session.name):
            return
        watchers = self._watchers.get(topic)
        if watchers is not None:
            watchers.pop(connection, None)
            if not watchers:
                del self._watchers[topic]
        self._arm()

    def disconnect(self, connection: Connection) -> None:
        """Report a session that has ended; doing it twice changes nothing."""
        if self._reports.go(self._own, connection.session.name):
            self._arm()

    # What routers say.

    def notice(self, notice: Notice) -> None:
        """Tell those who want to know that a member joined or left."""
        watchers = self._watchers.get(notice.topic)
        if not watchers:
            return
        frame = members.change(notice)
        chunks: dict[int, bytes] = {}
        for watcher in tuple(watchers):
            dialect = watcher.dialect
            chunk = chunks.get(dialect.index)
            if chunk is None:
                chunk = chunks[dialect.index] = dialect.encode(frame)
            self._fanout.send(watcher, chunk)
        self._counters.presence_pushed += len(watchers)

    def answer(self, reply: AnyReply) -> None:
        """Take a router's answer, or a refusal in its stead."""
        now = monotonic()
        match reply:
            case Attended(id=number, again=again):
                self._reports.taken(number, again, now)
                self._arm()
            case Renewed():
                self._renewed(reply)
            case Refused(id=number) if number > 0:
                self._counters.presence_refused += 1
                self._reports.refused(number, now, forever=reply.code not in _FOR_A_WHILE)
            case Refused(id=number):
                self._asked.pop(number, None)

    def _renewed(self, reply: Renewed) -> None:
        if reply.lease != self._lease:
            if self._lease:
                self._counters.leases_lost += 1
            self._lease = reply.lease
            self._reports.tell_all()
            self._arm()
        self._pause = reply.seconds / ROUNDS / PARTITIONS
        number = self._asked.pop(reply.id, None)
        if reply.more and number is not None:
            self._renew(number)

    # Time.

    def _report(self, topic: str, member: Member) -> None:
        self._reports.come(topic, member)
        self._arm()

    def _arm(self) -> None:
        if not self._armed:
            self._armed = True
            self._loop.call_soon(self._flush)

    def _flush(self) -> None:
        self._armed = False
        for request in self._reports.due(monotonic()):
            self._counters.presence_reports += 1
            self._ask(Ask(request.topic, request))

    def _tick(self) -> None:
        self._timer = self._loop.call_later(self._pause, self._tick)
        if len(self._asked) >= PARTITIONS:
            self._asked.clear()  # nobody answers; an answer that comes late all the same is as good
        self._renew(self._partition)
        self._partition = (self._partition + 1) % PARTITIONS
        self._reports.tell_some()
        self._flush()

    def _renew(self, number: int) -> None:
        request = next(self._numbers)
        self._asked[request] = number
        self._ask(Ask(_KEYS[number], RenewRequest(SESSION, request, number)))


_FOR_A_WHILE = frozenset(
    code.value for code in (ErrorCode.UNAVAILABLE, ErrorCode.OVERLOADED, ErrorCode.TIMEOUT, ErrorCode.INTERNAL)
)
