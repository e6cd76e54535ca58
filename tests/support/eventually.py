"""Wait for a condition, never for a time."""

import asyncio
import inspect
import time
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar, overload

T = TypeVar("T")

WITHIN = 10.0  # seconds
FIRST_PAUSE = 0.002  # seconds; doubled up to LONGEST_PAUSE, so that quick things are seen quickly
LONGEST_PAUSE = 0.05


@overload
async def eventually(condition: Callable[[], Awaitable[T]], within: float = WITHIN) -> T: ...


@overload
async def eventually(condition: Callable[[], T], within: float = WITHIN) -> T: ...


async def eventually(condition: Callable[[], Any], within: float = WITHIN) -> Any:
    """Call *condition* until it gives something true, and return that.

    *condition* is a function or a coroutine function without arguments. An ``AssertionError`` that it
    raises means "not yet"; any other exception ends the wait. After *within* seconds an
    ``AssertionError`` tells what was waited for and what was seen last.
    """
    wait = _Wait(condition, within)
    while True:
        try:
            value = condition()
            if inspect.isawaitable(value):
                value = await value
        except AssertionError as not_yet:
            wait.saw(not_yet)
        else:
            if value:
                return value
            wait.saw(value)
        await asyncio.sleep(wait.pause())


def wait_until(condition: Callable[[], T], within: float = WITHIN) -> T:
    """Do the same as :func:`eventually` in a test without an event loop."""
    wait = _Wait(condition, within)
    while True:
        try:
            value = condition()
        except AssertionError as not_yet:
            wait.saw(not_yet)
        else:
            if value:
                return value
            wait.saw(value)
        time.sleep(wait.pause())


class _Wait:
    """How long to pause next, and what to say when the time is over."""

    def __init__(self, condition: Callable[[], Any], within: float) -> None:
        self._condition = condition
        self._within = within
        self._deadline = time.monotonic() + within
        self._pause = FIRST_PAUSE
        self._last: object = None

    def saw(self, last: object) -> None:
        self._last = last

    def pause(self) -> float:
        """Seconds until the next look; ``AssertionError`` when there is none."""
        if time.monotonic() >= self._deadline:
            cause = self._last if isinstance(self._last, AssertionError) else None
            raise AssertionError(
                f"not within {self._within:g} s: {_words(self._condition)}\nseen last: {self._last!r}"
            ) from cause
        pause, self._pause = self._pause, min(2 * self._pause, LONGEST_PAUSE)
        return pause


def _words(condition: Callable[[], Any]) -> str:
    """The condition as it stands in the test."""
    if getattr(condition, "__name__", "<lambda>") != "<lambda>":
        return str(condition.__name__)
    try:
        return inspect.getsource(condition).strip()
    except (OSError, TypeError):
        return repr(condition)
