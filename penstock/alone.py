"""Sees to it that logs in memory have the broker to themselves.

A router that keeps them has the queue `penstock.memory`, which its connection has to itself. So a second one does not
get it, and whoever keeps them in a store finds that it is there.
"""

from __future__ import annotations

import asyncio
import logging
from asyncio import TimerHandle
from collections.abc import Awaitable, Callable

from shared.bus import topology
from shared.bus.port import Bus, BusState
from shared.errors import BusAway, ConfigurationError, QueueTaken
from shared.lifecycle import Service
from shared.settings import CommonSettings

log = logging.getLogger(__name__)

PAUSE = 0.5
"""Seconds after which one looks again: who has just ended may be seen for a moment, or until the broker notices."""

_CURE = (
    "Stop one of them, give all of them one Valkey or Redis (PENSTOCK_STORE_URL or --store-url), or this one a virtual "
    "host of its own."
)
_NOT_ALONE = (
    "Another router works on this broker, and this one would keep topics' logs in its own memory: their subscribers "
    f"would be told of gaps that are none. {_CURE}"
)
_NOT_APART = (
    "Another router works on this broker and keeps topics' logs in its own memory (`penstock up` without a store URL), "
    "and this one would keep other logs of them in its store: their subscribers would be told of gaps that are none. "
    f"{_CURE}"
)
_TAKEN = (
    "While this router had no connection another one, which keeps topics' logs in its own memory, has taken its place "
    f"on the broker (queue {topology.MEMORY}): this one works no more until that one is gone. {_CURE}"
)


def guarded(settings: CommonSettings, bus: Bus, router: Service, *, in_memory: bool) -> tuple[Service, ...]:
    """Return a router and who looks out for it, in the order of their start.

    Of two that start together at least one sees the other: one has its queue and looks for consumers then, the other
    consumes and looks for the queue then.
    """
    patience = _patience(settings)
    if in_memory:
        return Alone(bus, patience), router
    return Apart(bus, patience), router, Apart(bus, 0.0)


class Alone:
    """Starts before a router that keeps logs in its own memory.

    `patience` is the seconds within which a broker notices that somebody who was there has ended.
    """

    def __init__(self, bus: Bus, patience: float) -> None:
        self._bus = bus
        self._patience = patience
        self._timer: TimerHandle | None = None
        self._stopped = False

    async def start(self) -> None:
        """Have the queue; raise `ConfigurationError` where another router works on the broker and does not go."""
        for is_so in (self._have_queue, self._nobody_consumes):
            if not await _comes_true(self._bus, self._patience, is_so):
                raise ConfigurationError(_NOT_ALONE)
        self._bus.watch(self._follow)

    async def stop(self) -> None:
        """Look no more; the queue ends with the connection."""
        self._stopped = True
        self._forget_timer()

    async def _have_queue(self) -> bool:
        if await self._bus.depth(topology.MEMORY) is None:  # asked first: an order that is refused costs the connection
            await self._bus.declare(topology.memory())
        return True

    async def _nobody_consumes(self) -> bool:
        depth = await self._bus.depth(topology.route_queue(0))
        return depth is None or not depth.consumers

    def _follow(self, state: BusState, cause: str) -> None:
        """Be ready to tell why a lost connection does not come back: the bus has all its queues again, or is away."""
        self._forget_timer()
        if state is BusState.AWAY and not self._stopped:
            self._tell_later()

    def _tell_later(self) -> None:
        # After twice the time: until the broker notices, it is our own lost connection that has the queue.
        self._timer = asyncio.get_running_loop().call_later(2 * self._patience, self._tell)

    def _tell(self) -> None:
        if isinstance(self._bus.failure, QueueTaken):
            log.error(_TAKEN, extra={"event": "memory.taken"})
        else:
            self._tell_later()

    def _forget_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


class Apart:
    """Starts before a router that keeps logs in a store, and again behind it, then with no `patience` (seconds)."""

    def __init__(self, bus: Bus, patience: float) -> None:
        self._bus = bus
        self._patience = patience

    async def start(self) -> None:
        """Raise `ConfigurationError` where a router that keeps logs in its memory works on the broker and stays."""
        if not await _comes_true(self._bus, self._patience, self._no_memory):
            raise ConfigurationError(_NOT_APART)

    async def stop(self) -> None:
        """Do nothing: it holds nothing."""

    async def _no_memory(self) -> bool:
        await self._bus.depth(topology.MEMORY)
        return True


async def _comes_true(bus: Bus, patience: float, is_so: Callable[[], Awaitable[bool]]) -> bool:
    """Ask until it is so; return False where it is not for `patience` seconds in which there was a connection.

    A queue that another connection has to itself makes it untrue.
    """
    waited = 0.0
    while True:
        try:
            if await is_so():
                return True
            is_known = True
        except QueueTaken:
            is_known = True
        except BusAway:
            is_known = bus.state is not BusState.AWAY or isinstance(bus.failure, QueueTaken)
        if is_known:
            if waited >= patience:
                return False
            if waited == PAUSE:
                log.warning(
                    "Another router works on this broker, or has ended and the broker has not noticed yet. This one "
                    "waits for it to go, at most %g s.", patience, extra={"event": "start.waits"},
                )  # fmt: skip
            waited += PAUSE
        await asyncio.sleep(PAUSE)


def _patience(settings: CommonSettings) -> float:
    if settings.amqp_url is None:
        return PAUSE
    from shared.bus.amqp_url import noticed_within  # its libraries are loaded only where there is a broker

    return noticed_within(settings.amqp_url.get_secret_value())
