"""How commands print: for people in colours on a terminal, for programs as JSON, one object a line."""

from __future__ import annotations

import json
from typing import Any

import click


def say(text: str = "", **style: Any) -> None:
    """Print a line for people; click drops the colours where there is no terminal."""
    click.echo(click.style(text, **style) if style else text)


def note(text: str) -> None:
    """Print a line on stderr, where it does not get into what a program reads."""
    click.secho(text, err=True, dim=True)


def write_json(value: object) -> None:
    """Print one JSON value on one line, at once: somebody may be waiting for it at the other end of a pipe."""
    click.echo(json.dumps(value, ensure_ascii=False))


def write_table(rows: list[tuple[str, ...]], *, indent: str = "") -> None:
    """Print rows with their columns aligned, the first row as a heading."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for number, row in enumerate(rows):
        line = "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        click.echo(indent + (click.style(line, bold=True) if number == 0 else line))
