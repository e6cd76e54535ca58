"""The command ``penstock``: finds the subcommand, runs it, turns errors into a sentence and a code.

Commands are imported when they are called: making a token must not load a message broker's client.
"""

from __future__ import annotations

import contextlib
import difflib
import os
import sys
from collections.abc import Sequence
from importlib import import_module

import click

from penstock.cli.errors import DEBUG, debugging, told
from penstock.cli.exits import Exit, table
from penstock.release import release
from shared.errors import ConfigurationError

COMMANDS = {
    "up": "Run gateway, router and workers in one process.",
    "gateway": "Run a gateway: it holds the connections of clients.",
    "router": "Run a router: it decides what may be done, and where it goes.",
    "worker": "Run a worker: housekeeping.",
    "emit": "Publish an event.",
    "listen": "Print messages as they come.",
    "sessions": "List who is connected.",
    "token": "Make a token for a client.",
    "topology": "Show, apply or check what Penstock has on RabbitMQ.",
    "config": "Show the settings in effect, and where each comes from.",
    "doctor": "Check whether everything Penstock needs is there.",
}
"""Every command with its short help, in the order of ``penstock --help``; module and command have the same name."""


class LazyGroup(click.Group):
    """Knows its commands by name, and imports one when it is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names in the order of the table."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return the command, or None where there is none of that name."""
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = import_module(f"penstock.cli.{cmd_name}").command
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command; a name that is close to one is answered with that one."""
        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            close = difflib.get_close_matches(args[0], COMMANDS, n=1)
            raise click.UsageError(
                f"There is no command {args[0]!r}" + (f"; did you mean {close[0]}?" if close else "."), ctx
            )
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the table without importing anything."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


def _show_version(ctx: click.Context, param: click.Parameter, wanted: bool) -> None:
    if wanted and not ctx.resilient_parsing:
        click.echo(f"penstock {release()}")
        ctx.exit()


@click.group(
    cls=LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog=f"\b\nExit codes:\n{table()}\n\nSettings: penstock config --help",
)
@click.option("--version", is_flag=True, is_eager=True, expose_value=False, callback=_show_version, help="Show it.")
@click.option("--debug", is_flag=True, help="Show tracebacks (also: PENSTOCK_DEBUG=1).")
def penstock(debug: bool) -> None:
    """Penstock: publish to a RabbitMQ exchange, reach every subscribed browser, phone and service.

    \b
    Begin here, in three terminals:
      penstock up
      penstock listen 'orders.*'
      penstock emit orders.42 '{"total": 12}'
    """
    if debug:
        os.environ[DEBUG] = "1"


def run(arguments: Sequence[str]) -> int:
    """Run the command line; return its exit code."""
    try:
        code = penstock.main(args=list(arguments), prog_name="penstock", standalone_mode=False)
        return code if isinstance(code, int) else Exit.OK
    except click.exceptions.Exit as left:
        return left.exit_code
    except click.ClickException as wrong:
        wrong.show()
        return wrong.exit_code
    except (click.Abort, KeyboardInterrupt):
        return Exit.INTERRUPTED
    except BrokenPipeError:
        _close_stdout()  # `penstock listen … | head -1`: the reader has seen enough
        return Exit.OK
    except Exception as error:  # the border to people: a sentence instead of a traceback
        if debugging():
            raise
        sentence, code = told(error)
        if isinstance(error, ConfigurationError):
            from penstock.effective.programs import unread  # all programs' settings: only where they are to blame

            with contextlib.suppress(ConfigurationError):  # a file that cannot be read is what was told
                sentence = " ".join([sentence, *(stray for stray in unread() if stray not in sentence)])
        click.secho(f"penstock: {sentence}", err=True, fg="red" if sys.stderr.isatty() else None)
        return code


def _close_stdout() -> None:
    with contextlib.suppress(OSError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
