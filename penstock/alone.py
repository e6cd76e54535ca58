"""Sees to it that logs in memory have the broker to themselves."""

from __future__ import annotations

import asyncio

from shared.bus.port import Bus
from shared.bus.topology import route_queue
from shared.errors import ConfigurationError

LOOKS = 4
PAUSE = 0.5
"""How often, and after how many seconds again, one looks: who has just been stopped may be seen for a moment."""


class Alone:
    """Starts before a router that keeps logs in its own memory."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus

    async def start(self) -> None:
        """Raise `ConfigurationError` where another router works on the broker: two memories are two logs of a topic."""
        for look in range(LOOKS):
            depth = await self._bus.depth(route_queue(0))
            if depth is None or not depth.consumers:
                return
            if look + 1 < LOOKS:
                await asyncio.sleep(PAUSE)
        raise ConfigurationError(
            "Another router works on this broker, and this one would keep topics' logs in its own memory: their "
            "subscribers would be told of gaps that are none. Give all of them one Valkey or Redis "
            "(PENSTOCK_STORE_URL or --store-url), or this one a virtual host of its own."
        )

    async def stop(self) -> None:
        """Do nothing: others may come, and are refused themselves."""
