"""``penstock doctor``: is everything there that is needed?"""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from penstock.cli.exits import Exit
from penstock.cli.options import amqp_url_option, json_option
from penstock.cli.output import say, write_json

if TYPE_CHECKING:
    from penstock.doctor.verdict import Verdict

_COLOURS = {"ok": "green", "warn": "yellow", "fail": "red"}


@click.command()
@amqp_url_option
@json_option
def command(amqp_url: str | None, as_json: bool) -> Exit:
    """Check whether everything Penstock needs is there, and say how to mend what is not.

    It looks at Python, the clock, the settings, the limit of open files, the port, the key for tokens, the broker (its
    version, plugin, alarms, and what it holds of ours) and the store. With PENSTOCK_ENVIRONMENT=production these two
    must be set. It changes nothing. It exits with 1 where something fails; warnings do not count.

    \b
    Examples:
      penstock doctor
      penstock doctor --amqp-url amqp://guest:guest@localhost
      penstock doctor --json | jq 'select(.level == "fail")'
    """
    from penstock.doctor.examination import examine
    from penstock.doctor.verdict import Level, worst
    from penstock.process import run_async

    verdicts = run_async(examine(amqp_url))
    for verdict in verdicts:
        if as_json:
            write_json(asdict(verdict))
        else:
            _print(verdict)
    return Exit.FAILED if worst(verdicts) is Level.FAIL else Exit.OK


def _print(verdict: Verdict) -> None:
    level = click.style(f"{verdict.level:<4}", fg=_COLOURS[verdict.level], bold=True)
    say(f"{level}  {verdict.subject}: {verdict.found}")
    if verdict.mend:
        say(f"      {verdict.mend}")
