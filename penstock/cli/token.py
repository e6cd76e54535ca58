"""``penstock token``: make a token for a client."""

from __future__ import annotations

from pathlib import Path

import click

from penstock import local, tokens
from penstock.cli.errors import CommandError
from penstock.cli.exits import Exit
from penstock.cli.options import json_option, port_option
from penstock.cli.output import say, write_json
from penstock.lookup import lookup
from penstock.ways import configured_port
from shared.clock import wall
from shared.errors import ConfigurationError


class Duration(click.ParamType[int]):
    """``90s``, ``15m``, ``1h``, ``30d``."""

    name = "duration"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Return seconds."""
        if isinstance(value, int):
            return value
        try:
            return tokens.seconds(str(value))
        except ValueError as error:
            self.fail(str(error), param, ctx)


@click.command()
@click.option("--sub", "--user", "sub", default="developer", show_default=True, help="The user whom the token names.")
@click.option("--subscribe", multiple=True, metavar="PATTERN", help="May subscribe to this; repeat for more.")
@click.option("--publish", multiple=True, metavar="PATTERN", help="May publish to this; repeat for more.")
@click.option("--call", multiple=True, metavar="PATTERN", help="For what comes: nothing can be called yet.")
@click.option("--ttl", type=Duration(), default="1h", show_default=True, help="How long it is good: 90s, 15m, 1h, 30d.")
@click.option("--jti", help="An id for this one token, to revoke it by.")
@click.option("--secret", help="HS256 secret. Better: PENSTOCK_AUTH__SECRET, which `ps` does not show.")
@click.option(
    "--key-file", type=click.Path(path_type=Path), help="PEM private key: RSA, P-256 or Ed25519; the algorithm follows."
)
@click.option("--algorithm", type=click.Choice(["HS256", "RS256", "ES256", "EdDSA"]), help="Insist on this one.")
@port_option
@json_option
def command(
    sub: str,
    subscribe: tuple[str, ...],
    publish: tuple[str, ...],
    call: tuple[str, ...],
    ttl: int,
    jti: str | None,
    secret: str | None,
    key_file: Path | None,
    algorithm: str | None,
    port: int | None,
    as_json: bool,
) -> None:
    """Make a token for a client.

    Without --secret and --key-file it is signed with the configured secret (PENSTOCK_AUTH__SECRET, penstock.toml), else
    with that of the `penstock up` on this machine.

    \b
    Examples:
      penstock token --sub ada --subscribe 'orders.#' --publish 'orders.ada.*'
      penstock token --sub ada --subscribe '#' --ttl 15m --key-file private.pem
      TOKEN=$(penstock token --subscribe '#')
    """
    if not (subscribe or publish or call):
        raise click.UsageError("The token would have no rights: give it --subscribe or --publish.")
    try:
        payload = tokens.claims(sub, wall(), ttl, subscribe, publish, call)
    except ConfigurationError as wrong:
        raise click.UsageError(str(wrong)) from wrong
    key, fits = _key(secret, key_file, port)
    if algorithm not in (None, fits):
        raise CommandError(f"The key is one for {fits}, not for {algorithm}.", Exit.CONFIGURATION)
    if jti:
        payload["jti"] = jti
    token = tokens.sign(payload, key, fits)
    if as_json:
        write_json({"token": token, "algorithm": fits, "claims": payload})
    else:
        say(token)


def _key(secret: str | None, key_file: Path | None, port: int | None) -> tuple[str | bytes, str]:
    """Return the key to sign with, and its algorithm."""
    if secret is not None and key_file is not None:
        raise click.UsageError("--secret and --key-file are two ways to sign: give one of them.")
    if key_file is not None:
        return tokens.read_private_key(key_file)
    if secret is not None:
        return secret, "HS256"
    if configured := lookup("auth.secret"):
        return configured, "HS256"
    at = port or configured_port()
    door = local.recall(at)
    if door is not None and door.secret is not None:
        return door.secret, "HS256"
    raise CommandError(
        "There is nothing to sign with: set PENSTOCK_AUTH__SECRET, give --key-file, "
        f"or start `penstock up` on port {at} in development first.",
        Exit.CONFIGURATION,
    )
