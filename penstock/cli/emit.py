"""``penstock emit``: publish an event."""

from __future__ import annotations

import itertools
import sys

import click

from penstock import ways
from penstock.cli.options import amqp_url_option, json_option, port_option, url_option
from penstock.cli.output import say, write_json
from penstock.emitting import over_http
from penstock.emitting.event import JSON, TEXT, Event, NotAnEvent, check_json, check_key, check_topic


@click.command()
@click.argument("topic")
@click.argument("payload")
@click.option("--text", is_flag=True, help="The payload is plain text, not JSON.")
@click.option("--key", help="Idempotency key: the same one again within 5 minutes has no second effect.")
@click.option("--count", type=click.IntRange(1), default=1, show_default=True, help="Publish it so many times.")
@click.option(
    "--every", type=click.FloatRange(0, 3600), default=1.0, show_default=True, help="Seconds between two of them."
)
@click.option("--api-key", help="API key of the gateway.  [default: PENSTOCK_API_KEYS, else that of `penstock up`]")
@url_option
@port_option
@amqp_url_option
@json_option
def command(
    topic: str,
    payload: str,
    text: bool,
    key: str | None,
    count: int,
    every: float,
    api_key: str | None,
    url: str | None,
    port: int | None,
    amqp_url: str | None,
    as_json: bool,
) -> None:
    """Publish PAYLOAD (JSON; `-` reads it from stdin) to TOPIC.

    It goes to the `penstock up` on this machine or the gateway at --url, over HTTP; or, where an AMQP URL is given or
    configured, to the exchange penstock.events of that broker. It returns when the broker has confirmed it.

    \b
    Examples:
      penstock emit orders.42 '{"total": 12}'
      penstock emit news 'Doors open at nine' --text
      jq -c . order.json | penstock emit orders.42 -
      penstock emit sensors.7 21.5 --count 60 --every 1
      penstock emit orders.42 '{"total": 12}' --amqp-url amqp://localhost
    """
    try:
        event = Event(check_topic(topic), _body(payload, text), TEXT if text else JSON, check_key(key))
    except NotAnEvent as wrong:
        raise click.UsageError(str(wrong)) from wrong
    way = ways.choose(url, port, amqp_url)
    numbers = itertools.count(1)

    def confirmed(by: str) -> None:
        number = next(numbers)
        if as_json:
            write_json({"topic": topic, "number": number, "bytes": len(event.body), "confirmed_by": by})
        else:
            say(f"published to {topic}, confirmed by {by}" + (f" ({number} of {count})" if count > 1 else ""))

    if way.amqp_url is not None:
        from penstock.emitting import over_amqp
        from penstock.process import run_async

        run_async(over_amqp.emit(way.amqp_url, event, count, every, confirmed))
    else:
        over_http.emit(way.url, ways.api_key(way, api_key), event, count, every, confirmed)


def _body(payload: str, text: bool) -> bytes:
    """Return the payload's bytes; raise `NotAnEvent`."""
    if payload == "-":
        try:
            payload = sys.stdin.buffer.read().decode()
        except UnicodeDecodeError as error:
            raise NotAnEvent(f"The payload is not UTF-8: byte {error.start} cannot be read.") from error
    return payload.encode() if text else check_json(payload)
