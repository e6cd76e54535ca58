"""``penstock sessions``: who is connected."""

from __future__ import annotations

import datetime
from typing import Any

import click

from penstock import ways
from penstock.asking import over_http
from penstock.cli.options import json_option, port_option, url_option
from penstock.cli.output import note, say, write_json, write_table
from penstock.lookup import lookup
from shared.store.roll import MAX_SESSIONS


@click.command()
@click.option("--user", help="Only the sessions of this user.")
@click.option(
    "--limit", type=click.IntRange(1, MAX_SESSIONS), default=100, show_default=True, help="List so many at most."
)
@click.option("--api-key", help="API key of the gateway.  [default: PENSTOCK_API_KEYS, else that of `penstock up`]")
@click.option("--store-url", help="Valkey or Redis.  [default: PENSTOCK_STORE_URL, penstock.toml]")
@url_option
@port_option
@json_option
def command(
    user: str | None,
    limit: int,
    api_key: str | None,
    store_url: str | None,
    url: str | None,
    port: int | None,
    as_json: bool,
) -> None:
    """List who is connected: session, user, gateway, address, and since when. The count is exact.

    It reads the store where a store URL is given or configured, and else asks the `penstock up` on this machine or the
    gateway at --url. A gateway that was killed is gone from the list when its lease has run out (20 s).

    \b
    Examples:
      penstock sessions
      penstock sessions --user ann --json | jq .count
      penstock sessions --store-url redis://localhost
      penstock sessions --url https://push.example.com --api-key "$API_KEY"
    """
    if sum(option is not None for option in (url, port, store_url)) > 1:
        raise click.UsageError("--url, --port and --store-url are three ways to the same: give one of them.")
    if url is None and port is None:
        store_url = store_url or lookup("store_url")
    if store_url is not None:
        from penstock.asking import over_store
        from penstock.process import run_async

        found = run_async(over_store.sessions(store_url, user, limit))
    else:
        way = ways.choose(url, port or (None if url else ways.configured_port()), None)
        found = over_http.sessions(way.url, ways.api_key(way, api_key), user, limit)
    if as_json:
        write_json(found)
    else:
        _show(found["count"], found["sessions"])


def _show(count: int, sessions: list[dict[str, Any]]) -> None:
    if sessions:
        rows = [
            (each["session"], each["user"], each["gateway"], each["address"], _time(each["since"])) for each in sessions
        ]
        write_table([("session", "user", "gateway", "address", "since"), *rows])
    say(f"{count} connected" if len(sessions) == count else f"{len(sessions)} of {count} connected")
    if len(sessions) < count:
        note("--limit lists more of them, --user those of one user.")


def _time(since: int) -> str:
    return datetime.datetime.fromtimestamp(since / 1000, datetime.UTC).strftime("%Y-%m-%d %H:%M:%SZ")
