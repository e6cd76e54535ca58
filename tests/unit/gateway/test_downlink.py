"""From the routers to the sessions."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from gateway import downlink as room
from gateway.counters import Counters
from gateway.downlink import Downlink


class SilentBus:
    """A bus whose broker has stopped to answer."""

    def __init__(self) -> None:
        self.asked = 0

    async def consume(self, *_: Any, **__: Any) -> SilentBus:
        return self

    async def cancel(self) -> None:
        self.asked += 1
        await asyncio.Event().wait()


async def test_a_stop_does_not_wait_for_a_bus_that_does_not_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "STOP_PATIENCE", 0.01)
    bus: Any = SilentBus()
    downlink = Downlink(bus, "boot", Counters(), deliver=print, answer=print, kick=print, notice=print)
    await downlink.start()
    async with asyncio.timeout(10):
        await downlink.stop()
    assert bus.asked == 1
