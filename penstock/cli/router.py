"""``penstock router``: a router in a process of its own."""

from __future__ import annotations

from typing import Any

import click

from penstock.cli.exits import Exit
from penstock.cli.options import amqp_url_option, log_level_option


@click.command()
@amqp_url_option
@click.option("--store-url", help="Valkey or Redis.  [default: PENSTOCK_STORE_URL]")
@log_level_option
def command(**options: Any) -> Exit:
    """Run a router: it decides what may be done, and where it goes.

    It needs RabbitMQ, Valkey or Redis, and a key to check tokens with.

    Any number may run: the broker shares the work out. SIGTERM lets it finish what is in hand. With
    PENSTOCK_METRICS_PORT it serves /metrics, /healthz and /readyz.

    \b
    Examples:
      PENSTOCK_AUTH__SECRET=… penstock router --amqp-url amqp://penstock:secret@broker --store-url redis://store
      PENSTOCK_AUTH__JWKS_URL=https://login.example.com/jwks.json penstock router
    """
    from penstock.alone import guarded
    from penstock.composition import OpenStore, load, make_store
    from penstock.settings import ProcessSettings
    from penstock.single import run_behind
    from router.app import Router  # the server, which `--help` does not need
    from router.settings import RouterSettings
    from shared.errors import ConfigurationError

    settings = load(RouterSettings, options)
    if not settings.auth.has_key:
        raise ConfigurationError(
            "A router of its own must be told how to check tokens: set one of PENSTOCK_AUTH__SECRET, "
            "PENSTOCK_AUTH__PUBLIC_KEY_FILE and PENSTOCK_AUTH__JWKS_URL (only `penstock up` makes a secret up)."
        )
    process = load(ProcessSettings, options)
    store = make_store(settings, "router" if process.amqp_url else None)  # without a broker, that is told first
    counters = {"store": store.counters}
    return run_behind(
        "router",
        process,
        lambda bus: Router(settings, bus, store),
        [OpenStore(store)],
        counters,
        lambda bus, router: guarded(process, bus, router, in_memory=False),
    )
