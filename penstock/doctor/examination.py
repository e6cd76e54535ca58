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
from shared.clock import wall
from shared.errors import ConfigurationError
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
        verdicts += await broker(amqp_url or configured)
        verdicts.append(_store(common))
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


def _store(settings: CommonSettings) -> Verdict:
    if settings.store_url is not None:
        return fail(
            "store",
            "PENSTOCK_STORE_URL is set, and this version keeps what routers share in the memory of each",
            "Remove it.",
        )
    return ok("store", "in memory: each router counts rate limits for itself")
