"""These tests run on uvloop, as the gateway does; a module that says ``EVERY_LOOP = True`` on asyncio's loop, too."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest
import uvloop


def pytest_asyncio_loop_factories(item: pytest.Function) -> dict[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Return the loops on which the tests of this module run."""
    if getattr(item.module, "EVERY_LOOP", False):
        return {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}
    return {"uvloop": uvloop.new_event_loop}
