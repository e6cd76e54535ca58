"""Options that several commands have."""

from __future__ import annotations

import click

json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON, one object a line, for programs.")

port_option = click.option(
    "--port",
    type=click.IntRange(1, 65_535),
    help="Port of the `penstock up` on this machine that is meant.  [default: PENSTOCK_PORT, else 8000]",
)

url_option = click.option(
    "--url", envvar="PENSTOCK_URL", help="A gateway, http:// or https://, instead of the `penstock up` on this machine."
)

amqp_url_option = click.option(
    "--amqp-url",
    help="RabbitMQ, amqp:// or amqps://.  [default: PENSTOCK_AMQP_URL, penstock.toml]",
)

log_level_option = click.option(
    "--log-level", type=click.Choice(["debug", "info", "warning", "error"]), help="Least level that is logged."
)
