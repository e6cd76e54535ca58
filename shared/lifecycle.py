"""A program's life: start its services, wait until it is told to stop, stop them within a deadline."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import sys
from collections.abc import Callable, Coroutine, Sequence
from typing import Protocol

log = logging.getLogger(__name__)

STOP_DEADLINE = 30.0
"""Seconds that all services of a process have, together, to finish what is in hand."""

STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT)

EXIT_AT_ONCE = 130
"""The status after a second signal: 128 + SIGINT, as shells have it."""


class Service(Protocol):
    """What can be started once and stopped once."""

    async def start(self) -> object:
        """Begin to work; return when the work is under way."""

    async def stop(self) -> None:
        """Finish what is in hand, and let go of everything."""


class DeadlineExceeded(Exception):
    """Services did not stop in time; what they had in hand was left."""


def stop_on_signals(stop: asyncio.Event, *, at_once: Callable[[], None] | None = None) -> Callable[[], None]:
    """Set `stop` at the first SIGTERM or SIGINT; at the second leave at once. Return what takes the handlers away.

    A person who presses Ctrl-C twice does not want to wait. What was in hand then stays with the broker.
    """
    loop = asyncio.get_running_loop()
    leave = at_once or _leave

    def told() -> None:
        if stop.is_set():
            leave()
        stop.set()

    for number in STOP_SIGNALS:
        loop.add_signal_handler(number, told)

    def restore() -> None:
        for number in STOP_SIGNALS:
            loop.remove_signal_handler(number)

    return restore


async def run(
    services: Sequence[Service],
    stop: asyncio.Event,
    *,
    deadline: float = STOP_DEADLINE,
    started: Callable[[], None] | None = None,
) -> None:
    """Start `services` in their order, call `started`, wait for `stop`, and stop them in the reverse order.

    The reverse order lets what clients see go first, while what answers it is still there. A service that fails to
    start takes down those before it, and its error is raised. Raises `DeadlineExceeded` after `deadline` seconds.
    """
    running: list[Service] = []
    try:
        await _unless(stop, _start(services, running))
        if started is not None and not stop.is_set():
            started()
        await stop.wait()
    finally:
        await _stop(running, deadline)


async def _start(services: Sequence[Service], running: list[Service]) -> None:
    for service in services:
        running.append(service)  # one that is stopped half-way through its start has things to let go of, too
        await service.start()


async def _unless(stop: asyncio.Event, work: Coroutine[object, object, None]) -> None:
    """Do `work`, but give it up when `stop` is set: a start may wait for a broker that never comes."""
    working = asyncio.ensure_future(work)
    stopped = asyncio.ensure_future(stop.wait())
    try:
        await asyncio.wait((working, stopped), return_when=asyncio.FIRST_COMPLETED)
        if working.done():
            working.result()
    finally:
        for task in (working, stopped):
            if not task.done():
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await task


async def _stop(running: Sequence[Service], deadline: float) -> None:
    late: Service | None = None
    try:
        async with asyncio.timeout(deadline):
            for service in reversed(running):
                late = service
                await _stop_one(service)
    except TimeoutError:
        raise DeadlineExceeded(
            f"{type(late).__name__.lower()} did not stop within {deadline:g} s; what it had in hand was left"
        ) from None


async def _stop_one(service: Service) -> None:
    try:
        await service.stop()
    except Exception:  # the services after this one must still be stopped
        log.exception("%s failed to stop", type(service).__name__.lower(), extra={"event": "stop.failed"})


def _leave() -> None:
    sys.stderr.write("\nStopped at once; what was in hand stays with the broker.\n")
    sys.stderr.flush()
    os._exit(EXIT_AT_ONCE)
