"""The broker: that it answers, what it is, what it can, what it holds, and how it is."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence

from penstock.broker import opened, where
from penstock.cli.errors import CommandError
from penstock.doctor.verdict import Verdict, fail, ok, warn
from shared.bus import topology
from shared.bus.amqp_inspection import Finding, Found, Identity, Inspection
from shared.bus.port import Message
from shared.bus.topology import Exchange, Queue
from shared.errors import BusAway, BusBlocked, BusError, ConfigurationError, ConfirmTimeout

OLDEST = (3, 10)
BALANCED = (4, 0)
"""Since this version partitions are shared out evenly: consumer priorities count for single active consumers."""

ALARM_PATIENCE = 2.0
"""Seconds for the confirm of a message to nowhere; a broker with an alarm does not read it."""


async def broker(amqp_url: str | None, *, production: bool = False) -> list[Verdict]:
    """Judge the broker; without a URL there is none to judge, and in `production` there must be one."""
    if amqp_url is None and production:
        found = "none is set: in production a gateway, router or worker does not start without RabbitMQ"
        return [fail("broker", found, "Set PENSTOCK_AMQP_URL, or give --amqp-url.")]
    if amqp_url is None:
        return [ok("broker", "none is set: `penstock up` uses the memory bus")]
    at = where(amqp_url)
    try:
        async with Inspection(amqp_url, "penstock doctor") as inspection:
            verdicts = [version(inspection.identity, at), plugin(await inspection.can_hash())]
            if verdicts[1].mend:
                return verdicts
            wanted = topology.common()
            entities: tuple[Exchange | Queue, ...] = (*wanted.exchanges, *wanted.queues)
            verdicts.append(shape([await inspection.look(entity) for entity in entities]))
    except ConfigurationError as error:
        return [fail("broker", f"{at}: {error}", "Mend it, or the URL.")]
    except BusAway as error:
        return [fail("broker", f"{at}: {error}", "Start RabbitMQ, or mend PENSTOCK_AMQP_URL.")]
    return [*verdicts, await _alarm(amqp_url)]


def version(identity: Identity, at: str) -> Verdict:
    """Judge product and version."""
    name = f"{identity.product} {identity.version} at {at}"
    numbers = tuple(int(part) for part in re.findall(r"\d+", identity.version)[:2])
    if identity.product != "RabbitMQ" or len(numbers) < 2:
        return warn("broker", name, "Penstock is made for RabbitMQ, and tested with nothing else.")
    if numbers < OLDEST:
        return fail("broker", name, "Penstock needs RabbitMQ 3.10 or later.")
    if numbers < BALANCED:
        return warn("broker", f"{name}: one router may get all partitions", "RabbitMQ 4 shares them out evenly.")
    return ok("broker", name)


def plugin(can_hash: bool) -> Verdict:
    """Judge whether the one plugin is there."""
    if can_hash:
        return ok("plugin", "the broker has x-modulus-hash exchanges")
    return fail(
        "plugin",
        "the broker has no x-modulus-hash exchanges: rabbitmq_sharding is not enabled",
        "On every node: rabbitmq-plugins enable rabbitmq_sharding (RabbitMQ 4.3 and later need no plugin)",
    )


def shape(findings: Sequence[Finding]) -> Verdict:
    """Judge what the broker holds of ours."""
    different = [finding for finding in findings if finding.found is Found.DIFFERENT]
    missing = [finding for finding in findings if finding.found is Found.MISSING]
    if different:
        names = ", ".join(finding.name for finding in different)
        return fail("topology", f"in another shape than ours: {names}", "See `penstock topology check`.")
    if len(missing) == len(findings):
        return ok("topology", "nothing is there yet; the first program to start declares it")
    if missing:
        names = ", ".join(finding.name for finding in missing)
        return warn("topology", f"missing: {names}", "Declare it with `penstock topology apply`, or start a router.")
    return ok("topology", f"all {len(findings)} exchanges and queues are there")


async def _alarm(amqp_url: str) -> Verdict:
    """Publish to a queue that does not exist: a healthy broker confirms and forgets it.

    Twice, for a broker with an alarm still takes the first message of a connection, and reads no more after it.
    """
    try:
        async with opened(amqp_url, "doctor") as bus, asyncio.timeout(ALARM_PATIENCE):
            for _ in range(2):
                await bus.publish("", "penstock.doctor.nowhere", Message(b"", durable=False))
    except (BusBlocked, ConfirmTimeout, TimeoutError):
        return fail(
            "alarm",
            "the broker takes no messages: it has raised a memory or disk alarm",
            "See `rabbitmq-diagnostics alarms`; give it memory or disk.",
        )
    except (BusError, CommandError) as error:
        return warn("alarm", f"could not be seen: {error}", "Try again.")
    return ok("alarm", "none: the broker takes messages")
