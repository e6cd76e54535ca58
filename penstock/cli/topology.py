"""``penstock topology``: what Penstock has on RabbitMQ."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import click

from penstock.broker import PATIENCE, opened, where
from penstock.cli.errors import CommandError
from penstock.cli.exits import Exit
from penstock.cli.options import amqp_url_option, json_option
from penstock.cli.output import say, write_json, write_table
from penstock.lookup import lookup
from shared.bus import topology
from shared.bus.topology import Exchange, Queue

PLUGIN = "plugin"
"""The kind of what is found to be missing and cannot be declared."""


@click.group(name="topology")
def command() -> None:
    """Show, apply or check the exchanges, queues and bindings that Penstock has on RabbitMQ.

    Every program declares them at its start; these commands are for those who want to look first, or whose programs
    may not declare.
    """


@command.command()
@json_option
def show(as_json: bool) -> None:
    """Show what Penstock declares, without asking a broker.

    A gateway adds exclusive queues of its own: penstock.gateway.ID, penstock.dropped.ID and penstock.replies.ID. A
    router adds penstock.spill.N when it is needed, and `penstock up` without a store the exclusive penstock.memory.

    \b
    Examples:
      penstock topology show
      penstock topology show --json | jq .queues
    """
    wanted = topology.common()
    if as_json:
        write_json(
            {
                "exchanges": [asdict(exchange) for exchange in wanted.exchanges],
                "queues": [_queue_as_data(queue) for queue in wanted.queues],
                "bindings": [asdict(binding) for binding in wanted.bindings],
            }
        )
        return
    write_table([("exchange", "type"), *((exchange.name, exchange.kind) for exchange in wanted.exchanges)])
    say()
    write_table([("queue", "arguments"), *((queue.name, _arguments(queue)) for queue in wanted.queues)])
    say()
    write_table(
        [("from", "to", "key"), *((binding.source, binding.destination, binding.key) for binding in wanted.bindings)]
    )


@command.command()
@amqp_url_option
@json_option
def apply(amqp_url: str | None, as_json: bool) -> None:
    """Declare what is missing. What is there stays as it is; what is there in another shape is told, and left.

    \b
    Example:
      penstock topology apply --amqp-url amqp://guest:guest@localhost
    """
    from penstock.process import run_async

    url, wanted = _url(amqp_url), topology.common()

    async def declare() -> None:
        async with opened(url, "topology") as bus:
            await bus.declare(wanted)

    run_async(declare())
    counts = {"exchanges": len(wanted.exchanges), "queues": len(wanted.queues), "bindings": len(wanted.bindings)}
    if as_json:
        write_json({"broker": where(url), **counts})
    else:
        say(f"{where(url)} has all of them: " + ", ".join(f"{number} {name}" for name, number in counts.items()))


@command.command()
@amqp_url_option
@json_option
def check(amqp_url: str | None, as_json: bool) -> Exit:
    """Compare what the broker holds with what Penstock declares, and change nothing.

    AMQP does not show bindings: `penstock topology apply` makes sure of them. It exits with 5 where something is
    missing or has another shape.

    \b
    Example:
      penstock topology check --amqp-url amqp://guest:guest@localhost
    """
    from penstock.process import run_async

    url = _url(amqp_url)
    differences = run_async(_differences(url))
    if as_json:
        write_json({"broker": where(url), "differences": differences})
    elif not differences:
        say(f"{where(url)} holds every exchange and queue in its right shape.")
    else:
        _tell(differences)
    return Exit.CONFIGURATION if differences else Exit.OK


async def _differences(url: str) -> list[dict[str, Any]]:
    import asyncio

    from shared.bus.amqp_inspection import Found, Inspection
    from shared.errors import BusAway

    wanted = topology.common()
    entities: tuple[Exchange | Queue, ...] = (*wanted.exchanges, *wanted.queues)
    try:
        async with asyncio.timeout(PATIENCE * 2), Inspection(url, "penstock topology check") as inspection:
            differences = [asdict(await inspection.look(entity)) for entity in entities]
            if not await inspection.can_hash():
                differences.append(
                    {
                        "name": "rabbitmq_sharding",
                        "kind": PLUGIN,
                        "found": Found.MISSING,
                        "words": "on every node: rabbitmq-plugins enable rabbitmq_sharding",
                    }
                )
    except (BusAway, TimeoutError) as error:
        raise CommandError(f"No RabbitMQ answers at {where(url)} ({error}).", Exit.UNREACHABLE) from error
    return [difference for difference in differences if difference["found"] != Found.THERE]


def _tell(differences: list[dict[str, Any]]) -> None:
    for difference in differences:
        say(f"{difference['found']}: {difference['kind']} {difference['name']}")
        if difference["words"] and (difference["found"] != "missing" or difference["kind"] == PLUGIN):
            say(f"    {difference['words']}")
    if cure := _cure(differences):
        say(cure)


def _cure(differences: list[dict[str, Any]]) -> str:
    """Return what to do about what is missing; nothing where what is there is in another shape."""
    missing = {difference["kind"] for difference in differences if difference["found"] == "missing"}
    if missing == {PLUGIN}:
        return "Without the plugin nothing of Penstock starts."
    if PLUGIN in missing:
        return "Enable the plugin first; then `penstock topology apply` declares what is missing."
    return "Missing ones are declared by `penstock topology apply`." if missing else ""


def _url(given: str | None) -> str:
    url = given or lookup("amqp_url")
    if url is None:
        raise click.UsageError("There is no broker to ask: set PENSTOCK_AMQP_URL or give --amqp-url.")
    return url


def _arguments(queue: Queue) -> str:
    return " ".join(f"{name.removeprefix('x-')}={value}" for name, value in queue.arguments().items())


def _queue_as_data(queue: Queue) -> dict[str, Any]:
    return {"name": queue.name, "durable": True, "arguments": queue.arguments()}
