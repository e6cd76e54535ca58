"""Which way `emit` and `listen` go: to a gateway, or to a broker."""

from __future__ import annotations

import json
from dataclasses import dataclass

import click

from penstock import local
from penstock.lookup import lookup

DEFAULT_PORT = 8000


@dataclass(frozen=True, slots=True)
class Way:
    """Either to the broker at `amqp_url`, or to the gateway at `url`; `door` is what `penstock up` left for it."""

    url: str
    amqp_url: str | None = None
    door: local.Door | None = None


def choose(url: str | None, port: int | None, amqp_url: str | None) -> Way:
    """Choose: what was given as an option, else the configured broker, else the `penstock up` on this machine."""
    if sum(option is not None for option in (url, port, amqp_url)) > 1:
        raise click.UsageError("--url, --port and --amqp-url are three ways to the same: give one of them.")
    if url is not None:
        return Way(url)
    if port is None:
        amqp_url = amqp_url or lookup("amqp_url")
        if amqp_url is not None:
            return Way("", amqp_url)
    at = port or configured_port()
    door = local.recall(at)
    return Way(f"http://127.0.0.1:{at}" if door is None else door.url, None, door)


def configured_port() -> int:
    """Return the port of the `penstock up` that is meant where none is named."""
    configured = lookup("port")
    try:
        return int(configured or DEFAULT_PORT)
    except ValueError:
        raise click.UsageError(f"PENSTOCK_PORT is {configured!r} and must be a number.") from None


def api_key(way: Way, given: str | None) -> str | None:
    """Return the API key to show, None where there is none."""
    if given is not None:
        return given
    if way.door is not None and way.door.api_key is not None:
        return way.door.api_key
    configured = (lookup("api_keys") or "").strip()
    if configured.startswith("["):
        keys = json.loads(configured)
        return str(keys[0]) if keys else None
    return configured.split(",")[0].strip() or None
