"""The tests of a whole gateway run on uvloop, as the gateway does."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest
import uvloop


def pytest_asyncio_loop_factories(item: pytest.Function) -> dict[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Return the loop on which the tests of this folder run."""
    return {"uvloop": uvloop.new_event_loop}
