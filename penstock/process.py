"""Runs services as a process: logging, the event loop, signals, and the exit code at the end."""

from __future__ import annotations

import asyncio
import gc
import logging
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, TypeAlias, TypeVar

from penstock.cli.exits import Exit
from penstock.effective.programs import unread
from penstock.settings import ProcessSettings
from shared import lifecycle
from shared.lifecycle import DeadlineExceeded, Service
from shared.telemetry import logs
from shared.telemetry.logs import LogCounters
from shared.telemetry.process import raise_file_limit

log = logging.getLogger(__name__)

COLLECT_AFTER = (20_000, 20, 50)
"""New objects after which the youngest are looked through for cycles, and how often that is followed by older ones.

By default all that lives is looked through after 70,000 new objects. With thousands of clients that takes long just
when they come back, and finds nothing: what ends here is let go of by name.
"""

T = TypeVar("T")

Make: TypeAlias = Callable[[LogCounters], Sequence[Service]]


def run_services(settings: ProcessSettings, make: Make, started: Callable[[], None] | None = None) -> Exit:
    """Make services and run them until a signal comes; return the exit code of the process.

    `make` is called on the event loop, with what counts the log lines; `started` when all of them are at work.
    """
    counters = logs.configure(settings)
    raise_file_limit()
    gc.set_threshold(*COLLECT_AFTER)
    for sentence in unread():
        log.warning(sentence, extra={"event": "settings.unread"})
    try:
        run_async(_serve(settings, lambda: make(counters), started))
    except DeadlineExceeded as late:
        log.error(str(late), extra={"event": "stop.late"})
        return Exit.FAILED
    return Exit.OK


def run_async(work: Coroutine[Any, Any, T]) -> T:
    """Run `work` on an event loop of its own, uvloop where there is one."""
    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        return runner.run(work)


async def _serve(
    settings: ProcessSettings, make: Callable[[], Sequence[Service]], started: Callable[[], None] | None
) -> None:
    def at_work() -> None:
        gc.freeze()  # programs and settings stay: no need to look through them again
        if started is not None:
            started()

    stop = asyncio.Event()
    restore = lifecycle.stop_on_signals(stop)
    try:
        await lifecycle.run(make(), stop, deadline=settings.stop_deadline, started=at_work)
    finally:
        restore()


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    try:
        import uvloop
    except ImportError:  # not on Windows
        return None
    return uvloop.new_event_loop
