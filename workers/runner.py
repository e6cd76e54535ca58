"""Runs a job again and again, for as long as the worker lives."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable

from workers.counters import Counters

log = logging.getLogger(__name__)


class Runner:
    """Calls `job` every `interval` seconds, counted from the end of one call to the start of the next.

    So a slow job is never started twice. One that raises is counted, told, and called again next time.
    """

    def __init__(self, name: str, job: Callable[[], Awaitable[None]], interval: float, counters: Counters) -> None:
        self._name = name
        self._job = job
        self._interval = interval
        self._counters = counters
        self._task: asyncio.Task[None] | None = None

    @property
    def running(self) -> bool:
        """Say whether the job will be called again."""
        return self._task is not None and not self._task.done()

    def start(self) -> None:
        """Call the job now, and every `interval` from then on."""
        assert self._task is None, "a runner is started once"
        self._task = asyncio.get_running_loop().create_task(self._run(), name=self._name)

    async def stop(self) -> None:
        """Call the job no more; a call under way is cancelled."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    async def _run(self) -> None:
        while True:
            try:
                await self._job()
            except Exception:  # the border: a bug in one job must not end the worker
                self._counters.job_errors += 1
                log.exception("%s failed; it is tried again in %g s", self._name, self._interval, extra=_FAILED)
            await asyncio.sleep(self._interval)


_FAILED = {"event": "job.failed"}
