"""All checks, in the order in which they are told."""

from __future__ import annotations

import asyncio
from typing import TypeVar

from gateway.settings import GatewaySettings
from penstock.composition import load
from penstock.doctor import machine
from penstock.doctor.broker import broker
from penstock.doctor.keys import token_key
from penstock.doctor.verdict import Verdict, fail, ok, warn
from penstock.effective.programs import unread
from router.settings import RouterSettings
from shared.clock import monotonic, wall
from shared.errors import ConfigurationError, StoreAway
from shared.settings import CommonSettings
from shared.telemetry.process import most_files

S = TypeVar("S", bound=CommonSettings)


async def examine(amqp_url: str | None) -> list[Verdict]:
    """Look at everything; `amqp_url` goes before the configured one."""
    common, gateway, router = (_loaded(kind) for kind in (CommonSettings, GatewaySettings, RouterSettings))
    verdicts = [machine.python(), machine.clock(wall())]
    verdicts += _settings([it for it in (common, gateway, router) if isinstance(it, str)])
    if isinstance(gateway, GatewaySettings):
        verdicts.append(machine.open_files(most_files(), gateway.gateway.max_connections))
        if gateway.port:
            verdicts.append(await asyncio.to_thread(machine.port, gateway.host, gateway.port))
    if isinstance(router, RouterSettings):
        verdicts.append(await asyncio.to_thread(token_key, router))
    if isinstance(common, CommonSettings):
        configured = common.amqp_url.get_secret_value() if common.amqp_url else None
        production = common.environment == "production"
        verdicts += await broker(amqp_url or configured, production=production)
        store_url = common.store_url.get_secret_value() if common.store_url else None
        verdicts.append(await store(store_url, production=production))
    return verdicts


def _loaded(kind: type[S]) -> S | str:
    """Return the settings, or what is wrong with them."""
    try:
        return load(kind)
    except ConfigurationError as error:
        return str(error)


def _settings(wrong: list[str]) -> list[Verdict]:
    if wrong:
        return [fail("settings", sentence, "See `penstock config`.") for sentence in dict.fromkeys(wrong)]
    strays = [warn("settings", sentence, "Mend the name, or remove it.") for sentence in unread()]
    return strays or [ok("settings", "they can be read, and all are known")]


async def store(store_url: str | None, *, production: bool = False) -> Verdict:
    """Judge the store; without a URL there is none to judge, and in `production` there must be one."""
    if store_url is None and production:
        found = "none is set: in production a router does not start without Valkey or Redis"
        return fail("store", found, "Set PENSTOCK_STORE_URL.")
    if store_url is None:
        return ok("store", "none is set: `penstock up` keeps logs and rates in memory")
    from shared.store.valkey import open_store  # its client library is loaded only where it is used
    from shared.store.valkey_url import parse

    try:
        opened = open_store(store_url)
        try:
            await opened.recent(0.0, monotonic())
        finally:
            await opened.close()
    except ConfigurationError as error:
        return fail("store", str(error), "Mend it, or the URL.")
    except StoreAway as error:
        return fail("store", str(error), "Start it, or mend PENSTOCK_STORE_URL.")
    return ok("store", f"{parse(store_url).where} answers")
