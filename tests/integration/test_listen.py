"""`penstock listen` at a real gateway goes on over a lost connection, and tells where something may be missing."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator

import pytest

from penstock.listening import over_websocket
from tests.support.eventually import eventually
from tests.support.penstock import Penstock, running, token


@pytest.fixture
async def penstock() -> AsyncIterator[Penstock]:
    async with running() as penstock:
        yield penstock


@contextlib.asynccontextmanager
async def listening(penstock: Penstock) -> AsyncIterator[list[str]]:
    """Follow `orders.*`; yield what a terminal would show, of messages their data."""
    shown: list[str] = []

    def heard(message: over_websocket.Heard) -> bool:
        shown.append(str(message.data))
        return True

    url, bearer = penstock.edges[0].http, token(subscribe=["orders.*"])
    listener = asyncio.create_task(over_websocket.listen(url, lambda: bearer, ["orders.*"], heard, shown.append))
    await eventually(lambda: any(text.startswith("listening as") for text in shown))
    shown.clear()
    yield shown
    listener.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await listener


def cut(penstock: Penstock) -> None:
    [connection] = penstock.edges[0].gateway._reception.connections
    connection.abort()


async def test_what_comes_while_the_connection_is_lost_is_shown_afterwards(
    penstock: Penstock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(over_websocket, "full_jitter", lambda attempt, chance: 0.5)
    async with listening(penstock) as shown:
        await penstock.emit("orders.1", 1)
        await eventually(lambda: shown == ["1"])
        cut(penstock)
        await eventually(lambda: shown[-1].startswith("connection lost"))
        for number in (2, 3):
            await penstock.emit("orders.1", number)
        await eventually(lambda: any(text.startswith("listening as") for text in shown))
        await penstock.emit("orders.1", 4)
        await eventually(lambda: shown[3:] == ["2", "3", "4"])


async def test_what_may_have_come_while_the_store_lost_its_logs_is_told(
    penstock: Penstock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(over_websocket, "full_jitter", lambda attempt, chance: 0.0)
    async with listening(penstock) as shown:
        await penstock.emit("orders.1", 1)
        await eventually(lambda: shown == ["1"])
        store = penstock.desks[0].store
        store.logs.clear()
        store._born = time.monotonic()
        cut(penstock)
        told = "messages of orders.* may be missing here: not all that was sent meanwhile can be had"
        await eventually(lambda: shown[3:] == [told])
