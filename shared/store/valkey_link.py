"""The way to one server, or to the master that Sentinel names: calls of scripts, one after the other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.asyncio.sentinel import Sentinel
from redis.backoff import NoBackoff
from redis.exceptions import NoScriptError

from shared.store.valkey_scripts import Script
from shared.store.valkey_url import Kind, StoreUrl

CONNECT_TIMEOUT = 2.0
ANSWER_TIMEOUT = 2.0
"""Seconds until a server that does not let us in, or does not answer, counts as away."""

SENTINEL_TIMEOUT = 1.0
"""Seconds for one Sentinel; there are others."""

CONNECTIONS = 8
"""Connections of one store at most (of a Cluster: to one node)."""


class SingleLink:
    """Calls scripts on one server. What it raises is the library's, or an `OSError`."""

    def __init__(self, url: StoreUrl) -> None:
        # Typed by hand: the library's own types know its orders one by one, not this general one.
        self._redis: Any
        self._sentinels: Sequence[Any] = ()
        if url.kind is Kind.SENTINEL:
            sentinel = _sentinel(url)
            self._redis = sentinel.master_for(url.service, **connection_options(url))
            self._sentinels = sentinel.sentinels
        else:
            [(host, port)] = url.hosts
            self._redis = Redis(host=host, port=port, **connection_options(url))

    async def call(self, script: Script, argument: bytes) -> Any:
        """Run `script` once and return its answer. One that the server has forgotten is brought along anew."""
        ask = self._redis.execute_command
        try:
            return await ask("EVALSHA", script.digest, 0, argument)
        except NoScriptError:
            return await ask("EVAL", script.text, 0, argument)

    async def reset(self) -> None:
        """Let go of the connections; the next call makes new ones."""
        await self._redis.connection_pool.disconnect(inuse_connections=False)

    async def close(self) -> None:
        """Let go of the server, and of the Sentinels."""
        for client in (self._redis, *self._sentinels):
            await client.aclose()
            await client.connection_pool.disconnect()  # one that was lent by somebody's pool is not closed with it


def _sentinel(url: StoreUrl) -> Any:
    own = {**timeouts(SENTINEL_TIMEOUT, SENTINEL_TIMEOUT), **tls(url)}
    for name in ("username", "password"):
        if f"sentinel_{name}" in url.options:
            own[name] = url.options[f"sentinel_{name}"]
    return Sentinel(list(url.hosts), sentinel_kwargs=own)  # type: ignore[no-untyped-call]


def connection_options(url: StoreUrl) -> dict[str, Any]:
    """Return how the library is to make connections."""
    return {
        **timeouts(CONNECT_TIMEOUT, ANSWER_TIMEOUT),
        **tls(url),
        "username": url.username,
        "password": url.password,
        "db": url.db,
        "max_connections": CONNECTIONS,
        "client_name": "penstock",
    }


def timeouts(connect: float, answer: float) -> dict[str, Any]:
    """Return bounds in seconds. Nothing is tried twice: the caller knows best what may be said twice, and when."""
    return {
        "socket_connect_timeout": connect,
        "socket_timeout": answer,
        "retry": Retry(NoBackoff(), 0),
        "driver_info": None,  # who we are, `client_name` says; it would be two more words at each greeting
        "protocol": 2,  # answers are the same, and the greeting is shorter
    }


def tls(url: StoreUrl) -> dict[str, Any]:
    """Return how the library is to speak TLS, if it is to."""
    if not url.tls:
        return {}
    return {"ssl": True, "ssl_check_hostname": url.options.get("ssl_check_hostname") != "no", **url.files}
