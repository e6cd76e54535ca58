"""Opens the broker for a command: a person waits, so it is now or not at all."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from urllib.parse import urlsplit

from penstock.cli.errors import CommandError
from penstock.cli.exits import Exit
from shared.bus.port import Bus

PATIENCE = 5.0
"""Seconds to wait for a broker."""


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
