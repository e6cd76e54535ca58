"""Looks at a broker and changes nothing: what it is, and whether it holds what we would declare.

AMQP 0-9-1 shows no bindings; that they are there is made sure of by declaring them.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from enum import StrEnum
from types import TracebackType
from typing import Self

from shared.bus.amqp_link import Link
from shared.bus.amqp_url import broker_url, named
from shared.bus.topology import Exchange, ExchangeKind, Queue
from shared.errors import BusAway, MissingPlugin, TopologyMismatch


class Found(StrEnum):
    """How an exchange or a queue was found."""

    THERE = "there"
    MISSING = "missing"
    DIFFERENT = "different"


@dataclass(frozen=True, slots=True)
class Finding:
    """How one exchange or queue was found, and the broker's words where it is not there as it should be."""

    name: str
    kind: str
    found: Found
    words: str = ""


@dataclass(frozen=True, slots=True)
class Identity:
    """What a broker says of itself."""

    product: str
    version: str


class Inspection:
    """A connection for looking around; use it as an async context manager.

    Entering raises `BusAway` where the broker cannot be reached, `ConfigurationError` where it refuses us.
    """

    def __init__(self, url: str, name: str = "penstock inspection") -> None:
        self._ended: list[str] = []
        self._url = named(broker_url(url), name)
        self._link = self._new_link()

    async def __aenter__(self) -> Self:
        await self._link.open()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._link.close()

    @property
    def identity(self) -> Identity:
        """Return product and version."""
        properties = self._link.server_properties
        return Identity(str(properties.get("product", "unknown")), str(properties.get("version", "unknown")))

    async def look(self, entity: Exchange | Queue) -> Finding:
        """Say whether the broker holds `entity` in the shape that we would declare."""
        kind = "exchange" if isinstance(entity, Exchange) else "queue"
        try:
            await self._declare(entity, passive=True)
        except TopologyMismatch as missing:
            return Finding(entity.name, kind, Found.MISSING, str(missing))
        try:
            await self._declare(entity, passive=False)  # it is there: this compares, and changes nothing
        except TopologyMismatch as different:
            return Finding(entity.name, kind, Found.DIFFERENT, str(different))
        return Finding(entity.name, kind, Found.THERE)

    async def can_hash(self) -> bool:
        """Say whether the broker has modulus-hash exchanges, by having one for a moment."""
        trial = Exchange(f"penstock.trial.{secrets.token_hex(8)}", ExchangeKind.MODULUS_HASH)
        try:
            await self._declare(trial, passive=False, passing=True)
        except MissingPlugin:
            self._link = self._new_link()  # the broker closes the connection over an unknown type
            await self._link.open()
            return False
        channel = await self._link.channel()
        await self._link.ask(channel.exchange_delete(trial.name), channel)
        return True

    async def _declare(self, entity: Exchange | Queue, *, passive: bool, passing: bool = False) -> None:
        """Declare on a channel of its own, which a refusal closes."""
        channel = await self._link.channel()
        if isinstance(entity, Exchange):
            order = channel.exchange_declare(
                entity.name, exchange_type=entity.kind, durable=not passing, auto_delete=passing, passive=passive
            )
            await self._link.ask(order, channel)
        else:
            await self._link.ask(
                channel.queue_declare(entity.name, durable=True, passive=passive, arguments=dict(entity.arguments())),
                channel,
            )
        await self._link.ask(channel.close(), channel)

    def _new_link(self) -> Link:
        return Link(self._url, self._ended.append, lambda reason: None)


__all__ = ["BusAway", "Finding", "Found", "Identity", "Inspection"]
