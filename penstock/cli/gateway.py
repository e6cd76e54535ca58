"""``penstock gateway``: a gateway in a process of its own."""

from __future__ import annotations

from typing import Any

import click

from penstock.cli.exits import Exit
from penstock.cli.options import amqp_url_option, log_level_option


@click.command()
@click.option("--host", help="Address to listen on.  [default: PENSTOCK_HOST]")
@click.option("--port", type=click.IntRange(0, 65_535), help="Port; 0: any free one.  [default: PENSTOCK_PORT, 8000]")
@amqp_url_option
@log_level_option
def command(**options: Any) -> Exit:
    """Run a gateway: it holds the connections of clients. It needs RabbitMQ, and a router somewhere.

    SIGTERM sends its clients to the other gateways, a few at a time, and ends it within PENSTOCK_STOP_DEADLINE seconds.

    \b
    Examples:
      penstock gateway --amqp-url amqp://penstock:secret@broker
      PENSTOCK_PORT=8001 penstock gateway
    """
    from gateway.app import Gateway  # the server, which `--help` does not need
    from gateway.settings import GatewaySettings
    from penstock.composition import load
    from penstock.settings import ProcessSettings
    from penstock.single import run_gateway

    settings = load(GatewaySettings, options)
    return run_gateway(load(ProcessSettings, options), lambda bus, metrics: Gateway(settings, bus, metrics=metrics))
