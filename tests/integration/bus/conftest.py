"""Buses on a real RabbitMQ."""

from collections.abc import AsyncIterator, Awaitable, Callable
from urllib.parse import urlsplit, urlunsplit

import pytest

from shared.bus.amqp import AmqpBus
from tests.contract.bus.proxy import Proxy

Connect = Callable[..., Awaitable[AmqpBus]]


@pytest.fixture
async def connect() -> AsyncIterator[Connect]:
    """Open a bus on a URL; it is closed after the test."""
    buses: list[AmqpBus] = []

    async def connect(url: str, name: str = "test", **options: int) -> AmqpBus:
        bus = AmqpBus(url, name, **options)
        buses.append(bus)
        await bus.open()
        return bus

    yield connect
    for bus in buses:
        await bus.close()


@pytest.fixture
async def proxied() -> AsyncIterator[Callable[..., Awaitable[tuple[str, Proxy]]]]:
    """Put a proxy before the broker of a URL; returns the URL that leads through it."""
    proxies: list[Proxy] = []

    async def proxied(url: str, **options: object) -> tuple[str, Proxy]:
        parts = urlsplit(url)
        proxy = Proxy(parts.hostname or "", parts.port or 5672, **options)  # type: ignore[arg-type]
        proxies.append(proxy)
        await proxy.start()
        return urlunsplit(parts._replace(netloc=f"{parts.netloc.rpartition('@')[0]}@127.0.0.1:{proxy.port}")), proxy

    yield proxied
    for proxy in proxies:
        await proxy.stop()
