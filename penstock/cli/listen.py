"""``penstock listen``: print messages as they come."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Coroutine

import click
from click.core import ParameterSource

from penstock import tokens, ways
from penstock.cli.errors import CommandError
from penstock.cli.exits import Exit
from penstock.cli.options import amqp_url_option, json_option, port_option, url_option
from penstock.cli.output import note, say, write_json
from penstock.listening.heard import Heard
from penstock.lookup import lookup
from shared import lifecycle
from shared.clock import wall
from shared.topics import is_pattern

TOKEN_LIFE = tokens.DAY
"""Seconds for which the listener's own token is good."""

OF_ENVIRONMENT = "The token is that of PENSTOCK_TOKEN: set another there, or give one with --token."
OF_UP = "The token was made for the `penstock up` on this machine: give another with --token."
OF_SECRET = "The token was signed with the auth.secret that is configured here: give another with --token."


@click.command()
@click.argument("patterns", nargs=-1, required=True, metavar="PATTERN...")
@click.option("--count", type=click.IntRange(1), help="End after so many messages.")
@click.option(
    "--token",
    envvar="PENSTOCK_TOKEN",
    help="A token that may subscribe.  [default: one made for the `penstock up` on this machine]",
)
@url_option
@port_option
@amqp_url_option
@json_option
def command(
    patterns: tuple[str, ...],
    count: int | None,
    token: str | None,
    url: str | None,
    port: int | None,
    amqp_url: str | None,
    as_json: bool,
) -> None:
    """Print messages of topics that match a PATTERN (`*` is one segment, `#` none or more) until Ctrl-C.

    It listens at the `penstock up` on this machine or the gateway at --url, over a WebSocket. It reconnects
    by itself, goes on where it left off, and says where messages may be missing. Where an AMQP URL is given or
    configured, it binds a queue of its own to penstock.events at that broker instead: then it hears what back ends
    publish, and not what clients do.

    \b
    Examples:
      penstock listen 'orders.*'
      penstock listen '#' --json | jq .data
      penstock listen orders.42 --count 1
      penstock listen 'orders.*' --url https://push.example.com --token "$TOKEN"
      penstock listen '#' --amqp-url amqp://localhost
    """
    for pattern in patterns:
        if not is_pattern(pattern):
            raise click.UsageError(
                f"{pattern!r} is no pattern: 1-16 segments joined by dots, each of A-Z a-z 0-9 _ ~ : @ = - "
                "or one of * and #."
            )
    way, left = ways.choose(url, port, amqp_url), count

    def heard(message: Heard) -> bool:
        nonlocal left
        if as_json:
            write_json(message.for_programs())
        else:
            say(message.for_people(click.style))
        left = None if left is None else left - 1
        return left != 0

    if way.amqp_url is not None:
        from penstock.listening import over_amqp

        _until_told(lambda: over_amqp.listen(str(way.amqp_url), patterns, heard, note))
    else:
        from penstock.listening import over_websocket

        def bearer() -> str:
            return token or _token(way, patterns)

        whose = _whose(way, token)
        _until_told(lambda: over_websocket.listen(way.url, bearer, patterns, heard, note, whose))


def _whose(way: ways.Way, given: str | None) -> str:
    """Return where the token comes from, in a sentence; nothing where it was given on the command line."""
    if given:
        source = click.get_current_context().get_parameter_source("token")
        return OF_ENVIRONMENT if source is ParameterSource.ENVIRONMENT else ""
    if way.door is not None and way.door.secret is not None:
        return OF_UP
    return OF_UP if lookup("auth.secret") is None else OF_SECRET


def _token(way: ways.Way, patterns: tuple[str, ...]) -> str:
    """Return a token for exactly these patterns, signed with the secret that is at hand."""
    made = way.door.secret if way.door is not None else None
    secret = made or lookup("auth.secret")
    if secret is not None:
        return tokens.sign(tokens.claims("listener", wall(), TOKEN_LIFE, patterns, ()), secret, "HS256")
    if way.door is not None and way.door.token is not None:
        return way.door.token
    raise CommandError(
        f"There is no token for {way.url}: give one with --token or PENSTOCK_TOKEN (`penstock token` makes one), "
        "or start `penstock up` in development.",
        Exit.REFUSED,
    )


def _until_told(work: Callable[[], Coroutine[None, None, None]]) -> None:
    """Run `work` until it ends or a signal comes, which is the usual end of listening."""
    from penstock.process import run_async

    async def run() -> None:
        stop = asyncio.Event()
        restore = lifecycle.stop_on_signals(stop)
        working = asyncio.ensure_future(work())
        stopped = asyncio.ensure_future(stop.wait())
        try:
            await asyncio.wait((working, stopped), return_when=asyncio.FIRST_COMPLETED)
            if working.done():
                working.result()
        finally:
            for task in (working, stopped):
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await task
            restore()

    run_async(run())
