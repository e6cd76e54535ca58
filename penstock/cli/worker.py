"""``penstock worker``: a worker in a process of its own."""

from __future__ import annotations

from typing import Any

import click

from penstock.cli.exits import Exit
from penstock.cli.options import amqp_url_option, log_level_option


@click.command()
@amqp_url_option
@log_level_option
def command(**options: Any) -> Exit:
    """Run a worker: it watches the queues, and warns when dead letters grow or a partition is in trouble.

    It needs RabbitMQ. With PENSTOCK_METRICS_PORT it serves /metrics, /healthz and /readyz.

    \b
    Example:
      penstock worker --amqp-url amqp://penstock:secret@broker
    """
    from penstock.composition import load
    from penstock.settings import ProcessSettings
    from penstock.single import run_behind
    from workers.app import Worker  # the program, which `--help` does not need
    from workers.settings import WorkerSettings

    settings = load(WorkerSettings, options)
    return run_behind("worker", load(ProcessSettings, options), lambda bus: Worker(settings, bus))
