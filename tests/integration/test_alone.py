"""A router that keeps logs in memory has the broker to itself, on both buses."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest

from penstock.alone import PAUSE, Alone, Apart, guarded
from penstock.composition import OpenBus
from shared.bus import topology
from shared.bus.amqp import AmqpBus
from shared.bus.memory import MemoryBroker, MemoryBus
from shared.bus.port import Bus, BusState, Source
from shared.errors import ConfigurationError, QueueTaken
from shared.settings import CommonSettings
from tests.support.eventually import eventually

PATIENCE = 2 * PAUSE
"""Seconds; shorter than in earnest."""

LONG = 60.0
"""Seconds that do not end within a test."""

Connect = Callable[[str], Awaitable[Any]]


@pytest.fixture(params=["memory", "rabbitmq"])
async def connect(request: pytest.FixtureRequest) -> AsyncIterator[Connect]:
    """Open a bus to one broker as processes do; it is closed after the test."""
    broker, buses = MemoryBroker(), []
    url = request.getfixturevalue("vhost").amqp_url if request.param == "rabbitmq" else None

    async def connect(name: str) -> Any:
        bus = AmqpBus(url, name) if url else MemoryBus(broker, name)
        buses.append(bus)
        await OpenBus(bus).start()
        return bus

    yield connect
    for bus in buses:
        await bus.close()


class Consumer:
    """What others see of a router."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus

    async def start(self) -> None:
        await self._bus.consume([Source(topology.route_queue(0))], lambda received: None, prefetch=1)

    async def stop(self) -> None:
        """Stay: the bus is closed with the test."""


async def refused(service: Alone | Apart) -> str:
    with pytest.raises(ConfigurationError) as refusal:
        await service.start()
    return str(refusal.value)


async def test_of_two_with_logs_in_memory_that_start_together_one_is_refused(connect: Connect) -> None:
    buses = [await connect("one"), await connect("two")]
    starts = await asyncio.gather(*[Alone(bus, PATIENCE).start() for bus in buses], return_exceptions=True)
    assert sorted(type(end) for end in starts if end is not None) == [ConfigurationError]


async def test_none_with_logs_in_memory_starts_where_a_router_works(connect: Connect) -> None:
    await Consumer(await connect("store")).start()
    assert "Another router works on this broker" in await refused(Alone(await connect("memory"), PATIENCE))


async def test_none_with_a_store_starts_beside_one_with_logs_in_memory(connect: Connect) -> None:
    await Alone(await connect("memory"), PATIENCE).start()
    bus = await connect("store")
    for patience in (PATIENCE, 0.0):
        assert "keeps topics' logs in its own memory" in await refused(Apart(bus, patience))


async def test_one_with_a_store_that_starts_together_with_one_with_logs_in_memory_is_refused(connect: Connect) -> None:
    one, other = await connect("store"), await connect("memory")
    first, router, last = guarded(CommonSettings(), one, Consumer(one), in_memory=False)
    await first.start()
    await Alone(other, PATIENCE).start()
    await router.start()
    assert isinstance(last, Apart)
    assert "keeps topics' logs in its own memory" in await refused(last)


async def test_any_number_with_a_store_start_beside_each_other(connect: Connect) -> None:
    for name in ("one", "two"):
        bus = await connect(name)
        for service in guarded(CommonSettings(), bus, Consumer(bus), in_memory=False):
            await service.start()


@pytest.mark.parametrize("kind", [Alone, Apart])
async def test_who_has_not_gone_yet_is_waited_for_and_the_log_says_so(
    connect: Connect, kind: type[Alone | Apart], caplog: pytest.LogCaptureFixture
) -> None:
    former = await connect("former")
    await Alone(former, PATIENCE).start()
    await Consumer(former).start()
    starting = asyncio.create_task(kind(await connect("next"), LONG).start())
    await eventually(lambda: "waits for it to go, at most 60 s" in caplog.text)
    assert not starting.done()
    await former.close()
    await starting


async def test_where_nobody_is_nothing_is_waited_for(connect: Connect, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("penstock.alone.PAUSE", LONG)
    async with asyncio.timeout(LONG / 2):
        await Apart(await connect("store"), LONG).start()
        await Alone(await connect("memory"), LONG).start()


async def test_a_place_that_was_lost_to_another_is_told_as_an_error_and_taken_again_when_that_one_goes(
    connect: Connect, caplog: pytest.LogCaptureFixture
) -> None:
    bus = await connect("one")
    alone = Alone(bus, PATIENCE / 8)
    await alone.start()
    await bus.close()
    other = await connect("other")
    await Alone(other, PATIENCE).start()
    opening = asyncio.create_task(bus.open())
    await eventually(lambda: isinstance(bus.failure, QueueTaken))
    await eventually(lambda: "has taken its place" in caplog.text)
    assert [record.levelname for record in caplog.records if "its place" in record.message] == ["ERROR"]
    await other.close()
    await connect("another")  # at which a broker in memory looks who may come back
    await opening
    assert bus.state is BusState.READY
    assert "logs in its own memory" in await refused(Apart(await connect("store"), 0.0))
    await alone.stop()
