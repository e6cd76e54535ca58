"""The worker: puts its jobs together, starts and stops them."""

from __future__ import annotations

import contextlib
import logging

from shared.bus import topology
from shared.bus.port import Bus, BusState
from shared.errors import BusAway
from workers.counters import Counters
from workers.housekeeping.queues import Housekeeping
from workers.housekeeping.verdicts import Watch
from workers.runner import Runner
from workers.settings import WorkerSettings

log = logging.getLogger(__name__)


class Worker:
    """What stands in nobody's way. Any number of them may run, each on a `bus` of its own."""

    def __init__(self, settings: WorkerSettings, bus: Bus) -> None:
        self.counters = Counters()
        self._bus = bus
        housekeeping = Housekeeping(bus, Watch(settings.housekeeping.nearly_full), self.counters)
        self._runner = Runner("housekeeping", housekeeping.look, settings.housekeeping.interval, self.counters)

    @property
    def healthy(self) -> bool:
        """Say whether the worker does its work."""
        return self._runner.running and self._bus.state is not BusState.AWAY

    async def start(self) -> None:
        """Declare what everybody declares, and begin; the bus must be open.

        Raises `ConfigurationError` where the broker will not have it.
        """
        with contextlib.suppress(BusAway):  # lost just now: the bus declares it when it is back
            await self._bus.declare(topology.common())
        self._runner.start()
        log.info("worker started", extra={"event": "worker.started"})

    async def stop(self) -> None:
        """End the jobs."""
        await self._runner.stop()
        log.info("worker stopped", extra={"event": "worker.stopped"})
