"""From the sessions to the routers: natural batching, a bounded window, and an answer for every request.

Whatever has piled up while earlier batches are on their way goes into the next one. What may go by any partition goes
by one after the other, so that what a crowd asks for fills few batches instead of sixteen. When the window is full the
sockets that ask for more are not read (TCP then holds their clients back); past the high-water mark requests are
refused.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Protocol

from gateway.counters import Counters
from gateway.effects import Ask
from shared import topics
from shared.attending import AttendRequest
from shared.bus.port import Bus, BusState, Message
from shared.bus.topology import FRAMES
from shared.codes import ErrorCode
from shared.envelopes import (
    MAX_BYTES,
    MAX_ITEMS,
    VERSION,
    AnyRequest,
    ConnectRequest,
    FrameBatch,
    GrantedRequest,
    PublishRequest,
    RefreshRequest,
    Refused,
    pack,
)
from shared.errors import BusError, ConfirmTimeout, PublishRefused

RETRY_OVERLOADED = 1.0
RETRY_UNAVAILABLE = 2.0
"""Seconds that refused clients are told to wait."""

ITEM_OVERHEAD = 64
"""Bytes reckoned for a request beside its payload or token."""

NO_GRANT = b""
"""What a request without a grant points to: no router can read it, so it grants nothing."""


class Asker(Protocol):
    """A connection as the uplink sees it."""

    def pause_reading(self) -> None:
        """Read no more of the client until `resume_reading`."""

    def resume_reading(self) -> None:
        """Read again."""


class Uplink:
    """The way up. `answer` is called for requests that no router will answer.

    `window` is batches on their way per partition, `high_water` requests waiting.
    """

    def __init__(
        self,
        bus: Bus,
        boot_id: str,
        counters: Counters,
        answer: Callable[[Refused], None],
        *,
        window: int,
        high_water: int,
    ) -> None:
        self._bus = bus
        self._boot_id = boot_id
        self._counters = counters
        self._answer = answer
        self._window = window
        self._high_water = high_water
        self._low_water = high_water // 4
        self._waiting: list[deque[Ask]] = [deque() for _ in range(topics.PARTITIONS)]
        self._in_flight = [0] * topics.PARTITIONS
        self._common = 0
        """The partition that takes what may go by any, until the next flush or a full batch."""
        self._size = 0
        self._paused: dict[Asker, None] = {}
        self._armed = False
        self._loop = asyncio.get_running_loop()

    def ask(self, ask: Ask, asker: Asker | None = None) -> None:
        """Send a request to a router, or have it answered with a refusal at once."""
        self._counters.requests += 1
        request = ask.request
        if self._bus.state is not BusState.READY:
            self._refuse(request, ErrorCode.UNAVAILABLE, "the service cannot take requests just now", RETRY_UNAVAILABLE)
            return
        if self._size >= self._high_water:
            self._refuse(request, ErrorCode.OVERLOADED, "too many requests are waiting", RETRY_OVERLOADED)
            return
        self._size += 1
        self._waiting[self._any() if ask.key is None else topics.partition(ask.key)].append(ask)
        if self._size > self._low_water and asker is not None and asker not in self._paused:
            self._paused[asker] = None
            self._counters.reads_paused += 1
            asker.pause_reading()
        if not self._armed:
            self._armed = True
            self._loop.call_soon(self._flush)

    def forget(self, asker: Asker) -> None:
        """Note that a connection is gone."""
        self._paused.pop(asker, None)

    def _any(self) -> int:
        if len(self._waiting[self._common]) >= MAX_ITEMS:
            self._common = (self._common + 1) % topics.PARTITIONS
        return self._common

    def _flush(self) -> None:
        self._armed = False
        self._common = (self._common + 1) % topics.PARTITIONS
        for number, waiting in enumerate(self._waiting):
            while waiting and self._in_flight[number] < self._window:
                self._send(number, waiting)
        if self._paused and self._size <= self._low_water:
            paused, self._paused = self._paused, {}
            for asker in paused:
                asker.resume_reading()

    def _send(self, number: int, waiting: deque[Ask]) -> None:
        requests, grants = take_batch(waiting)
        self._size -= len(requests)
        body = pack(FrameBatch(VERSION, self._boot_id, grants, requests))
        confirm = self._bus.publish(FRAMES, str(number), Message(body), mandatory=True)
        self._in_flight[number] += 1
        self._counters.batches_sent += 1
        confirm.add_done_callback(partial(self._confirmed, number, requests))

    def _confirmed(self, number: int, requests: list[AnyRequest], confirm: asyncio.Future[None]) -> None:
        self._in_flight[number] -= 1
        if self._waiting[number] and not self._armed:
            self._armed = True
            self._loop.call_soon(self._flush)
        if confirm.cancelled():
            return
        error = confirm.exception()
        if error is None:
            return
        if not isinstance(error, BusError):
            raise error
        if isinstance(error, ConfirmTimeout):
            self._counters.batches_unconfirmed += 1
        else:
            self._counters.batches_refused += 1
        for request in requests:
            self._refuse(request, *_explain(error))

    def _refuse(self, request: AnyRequest, code: ErrorCode, reason: str, retry_after: float | None) -> None:
        self._counters.requests_refused += 1
        self._answer(Refused(request.session, request.id, code.value, reason, retry_after))


def take_batch(waiting: deque[Ask]) -> tuple[list[AnyRequest], list[bytes]]:
    """Take one batch off the front: its requests, and the grants that they point into.

    At most `MAX_ITEMS` requests or about `MAX_BYTES` bytes; a larger request travels alone.
    """
    requests: list[AnyRequest] = []
    places: dict[bytes, int] = {}
    size = 0
    while waiting and len(requests) < MAX_ITEMS:
        ask = waiting[0]
        request = ask.request
        weight = _weight(request)
        if requests and size + weight > MAX_BYTES:
            break
        waiting.popleft()
        size += weight
        if isinstance(request, GrantedRequest):
            grant = ask.grant or NO_GRANT
            if grant not in places:
                size += len(grant)
            request.grant = places.setdefault(grant, len(places))
        requests.append(request)
    return requests, list(places)


def _weight(request: AnyRequest) -> int:
    """Reckon the bytes of a request without its grant."""
    match request:
        case PublishRequest():
            return ITEM_OVERHEAD + len(request.payload)
        case RefreshRequest():
            return ITEM_OVERHEAD + len(request.token) + sum(map(len, request.topics))
        case AttendRequest():
            members = (*request.came, *request.went)
            return ITEM_OVERHEAD + sum(ITEM_OVERHEAD + len(bytes(member.info)) for member in members)
        case ConnectRequest():
            return ITEM_OVERHEAD + len(request.token)
    return ITEM_OVERHEAD


def _explain(error: BusError) -> tuple[ErrorCode, str, float | None]:
    if isinstance(error, PublishRefused):
        return ErrorCode.OVERLOADED, "the routers have too much to do", RETRY_OVERLOADED
    if isinstance(error, ConfirmTimeout):
        return ErrorCode.TIMEOUT, "the broker did not confirm in time; the outcome is unknown", None
    return ErrorCode.UNAVAILABLE, "the service cannot take requests just now", RETRY_UNAVAILABLE
