"""What a broker's refusal means for us, and what to do about it ◆

AMQP 0-9-1 section 1.1 lists the reply codes; RabbitMQ's texts say more than its codes.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from shared.errors import (
    BusAway,
    BusError,
    ConfigurationError,
    MissingPlugin,
    PublishRefused,
    QueueTaken,
    TopologyMismatch,
    Unroutable,
)

NOT_FOUND, LOCKED, ACCESS_REFUSED, PRECONDITION_FAILED, NOT_ALLOWED, COMMAND_INVALID = 404, 405, 403, 406, 530, 503

_EXCHANGE = re.compile(r"exchange '([^']*)'")
_EXCHANGE_KIND = re.compile(r"(?:unknown|invalid) exchange type '([^']*)'")
_SIZE = re.compile(r"message size (\d+)")

_DOWN = "is down or inaccessible"
"""Of a queue that is there, and whose node or leader is not, just now."""

_PLUGINS = {"x-modulus-hash": "rabbitmq_sharding"}


@dataclass(frozen=True, slots=True)
class Refusal:
    """The code and the words with which a broker closed a channel or a connection."""

    code: int
    text: str

    def __str__(self) -> str:
        return f"{self.text} ({self.code})"


def of_order(refusal: Refusal) -> ConfigurationError | BusAway:
    """Return the error of an order (declare, bind, consume …) that was refused.

    `BusAway` where trying again may help (`QueueTaken` for the queue of another connection), `ConfigurationError` where
    it cannot.
    """
    text = refusal.text
    if (kind := _EXCHANGE_KIND.search(text)) is not None:
        plugin = _PLUGINS.get(kind[1], "the plugin that has it")
        return MissingPlugin(
            f"the broker does not know exchanges of type {kind[1]}: enable the plugin on every node with "
            f"`rabbitmq-plugins enable {plugin}`"
        )
    if refusal.code == NOT_FOUND and _DOWN not in text:
        return TopologyMismatch(f"the broker lacks what was asked for: {refusal}")
    if refusal.code == PRECONDITION_FAILED:
        return TopologyMismatch(
            f"the broker holds it in another shape: {refusal}; delete the old one once it is empty, "
            "or use a virtual host of our own"
        )
    if refusal.code == ACCESS_REFUSED and "exclusive" not in text:
        return ConfigurationError(
            f"the broker's user may not do this: {refusal}; grant it configure, write and read on penstock.*"
        )
    error = QueueTaken if refusal.code == LOCKED else BusAway
    return error(f"the broker refused it for now: {refusal}")


def of_connection(refusal: Refusal, user: str, vhost: str) -> ConfigurationError | BusAway:
    """Return the error of a connection that was refused."""
    if refusal.code == ACCESS_REFUSED:
        return ConfigurationError(
            f"the broker refused user {user!r}: check user and password in the AMQP URL"
            " (the user guest may come from localhost only)"
        )
    if refusal.code == NOT_ALLOWED and "limit" not in refusal.text:
        return ConfigurationError(
            f"the broker does not let user {user!r} into the virtual host {vhost!r}: {refusal}; "
            "check the end of the AMQP URL, create the virtual host, or set permissions for it"
        )
    return BusAway(f"the broker refused the connection for now: {refusal}")


def of_message(refusal: Refusal) -> BusError:
    """Return the error of the message for which a broker closed the channel that it came on."""
    if refusal.code == NOT_FOUND:
        return Unroutable(f"the broker has no such exchange: {refusal}")
    return PublishRefused(f"the broker refused the message: {refusal}")


def culprit(refusal: Refusal) -> tuple[str | None, int | None]:
    """Return the exchange, or the size, of the message for which a channel was closed, as far as it says."""
    exchange, size = _EXCHANGE.search(refusal.text), _SIZE.search(refusal.text)
    return exchange and exchange[1], int(size[1]) if size else None
