"""Opens the broker for a command: a person waits, so it is now or not at all."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from urllib.parse import unquote, urlsplit

from penstock.cli.errors import CommandError
from penstock.cli.exits import Exit
from shared.bus.port import Bus

PATIENCE = 5.0
"""Seconds to wait for a broker."""

_THIS_MACHINE = ("localhost", "127.0.0.1", "::1")


@contextlib.asynccontextmanager
async def opened(amqp_url: str, name: str, patience: float = PATIENCE) -> AsyncIterator[Bus]:
    """Yield an open bus, and close it after use.

    Raises `CommandError` where no broker answers in time, `ConfigurationError` where trying again cannot help.
    """
    from shared.bus.amqp import AmqpBus  # its client library is loaded only where it is used

    bus = AmqpBus(amqp_url, name)
    causes: list[str] = []
    bus.watch(lambda state, cause: causes.append(cause))
    try:
        async with asyncio.timeout(patience):
            await bus.open()
    except TimeoutError:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(patience):
                await bus.close()
        why = f" ({causes[-1]})" if causes else ""
        raise CommandError(
            f"No RabbitMQ answers at {where(amqp_url)}{why}. Is it running, and is the URL right?", Exit.UNREACHABLE
        ) from None
    try:
        yield bus
    finally:
        await bus.close()


def where(amqp_url: str) -> str:
    """Return host, port and virtual host of a URL, without user and password."""
    parts = urlsplit(amqp_url)
    port = parts.port or (5671 if parts.scheme == "amqps" else 5672)
    return f"{parts.hostname}:{port}{parts.path}"


def identity(amqp_url: str) -> str:
    """Return one name for a virtual host of a broker, whoever connects and however the URL is written.

    Raises `ConfigurationError` for what is no URL of a broker.
    """
    from shared.bus.amqp_url import broker_url

    url = broker_url(amqp_url)
    host = "localhost" if url.host in _THIS_MACHINE else url.host
    return f"{host}:{url.port} {unquote(url.raw_path[1:]) or '/'}"
