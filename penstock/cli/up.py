"""``penstock up``: everything in one process."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from penstock import greeting, local
from penstock.called import called
from penstock.cli.exits import Exit
from penstock.cli.options import amqp_url_option, json_option, log_level_option
from penstock.cli.output import note, say, write_json
from penstock.release import release
from penstock.ways import configured_port
from shared.clock import wall

if TYPE_CHECKING:
    from collections.abc import Sequence

    from penstock.allinone import Programs
    from shared.lifecycle import Service
    from shared.telemetry.logs import LogCounters


@click.command()
@click.option("--host", help="Address to listen on.  [default: PENSTOCK_HOST]")
@click.option("--port", type=click.IntRange(0, 65_535), help="Port; 0: any free one.  [default: PENSTOCK_PORT, 8000]")
@amqp_url_option
@click.option("--store-url", help="Valkey or Redis.  [default: PENSTOCK_STORE_URL; without: in memory]")
@log_level_option
@json_option
def command(as_json: bool, **options: Any) -> Exit:
    """Run gateway, router and workers in one process: on a memory bus, or on RabbitMQ where there is an AMQP URL.

    In development (the default) it makes a secret and an API key, and leaves them for `penstock emit`, `listen` and
    `token` in ~/.local/state/penstock, in files for you alone. All that you start on one RabbitMQ have one secret. With
    PENSTOCK_ENVIRONMENT=production it makes nothing.

    Ctrl-C or SIGTERM stops it when clients have been sent away and what is in hand is done; a second one at once.

    \b
    Examples:
      penstock up
      penstock up --port 9000
      penstock up --amqp-url amqp://guest:guest@localhost
    """
    from penstock import allinone  # the servers, which `penstock up --help` does not need
    from penstock.process import run_services

    wanted = configured_port() if options["port"] is None else options["port"]
    programs = allinone.programs(options, local.recall(wanted))
    running: list[allinone.AllInOne] = []

    def make(log: LogCounters) -> Sequence[Service]:
        running.append(allinone.AllInOne(programs, log))
        return running[0].services

    def started() -> None:
        host, port = running[0].listening.address
        _greet(programs, host, port, as_json)

    return run_services(programs.process, make, started)


def _greet(programs: Programs, host: str, port: int, as_json: bool) -> None:
    from penstock.allinone import door
    from penstock.broker import where
    from shared.store.valkey_url import parse

    way_in = door(programs, port, host, wall())
    if programs.process.environment == "development" and local.remember(port, way_in) is None:
        note(f"{local.folder()} cannot be written: `penstock emit` and `listen` will need --api-key and --token.")
    amqp_url = programs.process.amqp_url
    up = greeting.Up(
        release=release(),
        penstock=called(),
        url=way_in.url,
        port=port,
        bus="memory; it ends with this process"
        if amqp_url is None
        else f"RabbitMQ at {where(amqp_url.get_secret_value())}",
        store="memory; topics' logs end with this process"
        if programs.router.store_url is None
        else f"Valkey or Redis at {parse(programs.router.store_url.get_secret_value()).where}",
        token=way_in.token,
        api_key=way_in.api_key,
    )
    if as_json:
        write_json(greeting.for_programs(up))
    else:
        say(greeting.for_people(up))
