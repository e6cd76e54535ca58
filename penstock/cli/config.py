"""``penstock config``: the settings in effect."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from penstock.cli.exits import Exit
from penstock.cli.options import json_option
from penstock.cli.output import say, write_json

if TYPE_CHECKING:
    from penstock.effective.programs import Effective, Report


@click.command()
@click.option("--set", "only_set", is_flag=True, help="Only what differs from the default by somebody's will.")
@click.option("--check", is_flag=True, help="Exit with 5 where a setting is wrong or nobody reads it.")
@json_option
def command(only_set: bool, check: bool, as_json: bool) -> Exit:
    """Show the settings in effect in this folder and environment, and where each comes from. Secrets are masked.

    Names that nobody reads, most of them mistyped, are told on stderr.

    \b
    Examples:
      penstock config --set
      penstock config --check && penstock gateway
      penstock config --json | jq '.settings[] | select(.origin != "default")'
    """
    from penstock.effective.programs import report

    found = report()
    settings = [item for item in found.settings if not only_set or item.origin != "default"]
    if as_json:
        write_json(_as_data(settings, found))
    else:
        _print(settings)
    for sentence in (*found.wrong, *found.strays):
        click.secho(sentence, err=True, fg="yellow")
    if found.wrong or (check and found.strays):
        return Exit.CONFIGURATION
    return Exit.OK


def _print(settings: list[Effective]) -> None:
    from penstock.effective.shown import in_words
    from penstock.lookup import env_name

    for item in settings:
        setting, is_default = item.setting, item.origin == "default"
        name = click.style(env_name(setting.path), bold=not is_default)
        say(f"{name} = {in_words(item.value)}  {click.style('(' + item.origin + ')', dim=True)}")
        type_of = ", ".join(filter(None, (setting.kind, setting.unit, setting.bounds)))
        default = "" if is_default else f"; default {in_words(setting.default)}"
        say(click.style(f"    {setting.sentence} [{type_of}{default}]", dim=True))


def _as_data(settings: list[Effective], found: Report) -> dict[str, object]:
    from penstock.effective.shown import shown
    from penstock.lookup import env_name

    return {
        "settings": [
            {
                "name": item.setting.path,
                "variable": env_name(item.setting.path),
                "value": item.value,
                "origin": item.origin,
                "default": shown(item.setting.default),
                "type": item.setting.kind,
                "unit": item.setting.unit or None,
                "bounds": item.setting.bounds or None,
                "programs": item.setting.programs,
                "description": item.setting.sentence,
            }
            for item in settings
        ],
        "wrong": found.wrong,
        "unread": found.strays,
    }
