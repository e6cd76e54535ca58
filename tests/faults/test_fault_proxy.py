"""The proxy makes the trouble that it is told to, and none besides."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

import pytest

from tests.support.eventually import eventually
from tests.support.fault_proxy import FaultProxy, Weather
from tests.support.ports import free_port

DATA = bytes(range(256)) * 40


@asynccontextmanager
async def echo() -> AsyncIterator[int]:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.read(65_536):
                writer.write(data)
                await writer.drain()
        except OSError:
            pass
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


@asynccontextmanager
async def through(**options: Any) -> AsyncIterator[FaultProxy]:
    async with echo() as port, FaultProxy(("127.0.0.1", port), **options) as proxy:
        yield proxy


async def said_and_heard(proxy: FaultProxy, data: bytes = DATA) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
    try:
        writer.write(data)
        async with asyncio.timeout(10):
            return await reader.readexactly(len(data))
    finally:
        writer.transport.abort()


@pytest.mark.parametrize("weather", [Weather(piece=1), Weather(ragged=1)])
def test_when_the_weather_clears_what_is_left_is_sent_at_once(weather: Weather) -> None:
    pieces = weather.pieces(DATA, random.Random(1))
    assert [next(pieces), next(pieces)] == [DATA[:1], DATA[1:2]]
    weather.clear()
    assert list(pieces) == [DATA[2:]]


@pytest.mark.parametrize("weather", [{}, {"piece": 1}, {"ragged": 9}, {"latency": 0.001, "jitter": 0.002}])
async def test_bytes_come_through_unchanged_in_any_weather(weather: dict[str, Any]) -> None:
    async with through() as proxy:
        for way in (proxy.up, proxy.down):
            for name, value in weather.items():
                setattr(way, name, value)
        assert await said_and_heard(proxy) == DATA


async def test_latency_and_bandwidth_take_their_time() -> None:
    async with through() as proxy:
        proxy.up.latency, proxy.down.bandwidth = 0.05, 50_000
        began = time.monotonic()
        await said_and_heard(proxy, b"x" * 5_000)
        assert time.monotonic() - began >= 0.15


async def test_a_connection_is_reset_after_a_number_of_bytes_that_the_seed_decides() -> None:
    async def cut_at(seed: int) -> int:
        async with through(seed=seed) as proxy:
            proxy.cut_after = (100, 9_000)
            reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
            heard = 0
            try:
                for start in range(0, len(DATA), 100):
                    writer.write(DATA[start : start + 100])
                    heard += len(await reader.readexactly(100))
            except (ConnectionError, asyncio.IncompleteReadError):
                pass
            writer.transport.abort()
            assert proxy.cuts == 1
            return heard

    assert await cut_at(1) == await cut_at(1) != await cut_at(2)


async def test_what_is_held_one_way_goes_on_when_it_is_released() -> None:
    async with through() as proxy:
        proxy.hold(down=True)
        answer = asyncio.create_task(said_and_heard(proxy))
        await eventually(lambda: any(link.passed >= len(DATA) for link in proxy.links))
        assert not answer.done()
        proxy.release()
        assert await answer == DATA


async def test_connections_are_told_apart_by_what_their_client_said_first() -> None:
    async with through() as proxy:
        proxy.hold(lambda link: b"who: a" in link.head, up=True)
        held = asyncio.create_task(said_and_heard(proxy, b"who: a"))
        assert await said_and_heard(proxy, b"who: b") == b"who: b"
        assert not held.done()
        assert proxy.reset(lambda link: b"who: a" in link.head) == 1
        with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
            await held


@pytest.mark.parametrize(
    "trouble", [lambda proxy: setattr(proxy, "closed", True), lambda proxy: setattr(proxy, "cut_after", (1, 2))]
)
async def test_nobody_gets_through_until_it_is_cleared(trouble: Callable[[FaultProxy], None]) -> None:
    async with through() as proxy:
        trouble(proxy)
        with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
            await said_and_heard(proxy)
        proxy.clear()
        assert await said_and_heard(proxy) == DATA


async def test_of_several_servers_one_that_is_there_is_chosen() -> None:
    async with echo() as port, FaultProxy(("127.0.0.1", free_port()), ("127.0.0.1", port)) as proxy:
        for _ in range(5):
            assert await said_and_heard(proxy, b"x") == b"x"


async def test_a_client_that_leaves_leaves_nothing_behind() -> None:
    leaving: Coroutine[Any, Any, bytes]
    async with through() as proxy:
        leaving = said_and_heard(proxy)
        await leaving
        await eventually(lambda: not proxy.links)
