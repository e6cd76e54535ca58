"""docs/configuration.md, written from the settings classes ◆"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from penstock.effective.fields import Setting
from penstock.effective.origin import OTHER_VARIABLES
from penstock.effective.shown import in_words, shown
from penstock.lookup import env_name

_HEAD = """\
# Configuration

<!-- Written by `python -m penstock.effective`; change the settings classes, not this file. -->

Every setting is an environment variable, or a key in the file `penstock.toml` of the working folder; the variable goes
first, and options of the command line (`--port` and the like) go before both. `__` in a variable's name nests:
`PENSTOCK_AUTH__SECRET` is `secret` in the table `[auth]`. Lists are written with commas or as JSON.

`penstock config` shows what is in effect and where it comes from, secrets masked; `penstock config --check` fails where
something is wrong or where a name is set that nobody reads. A wrong setting stops the start with one message.

With `PENSTOCK_ENVIRONMENT=development`, the default, `penstock up` makes a secret for tokens and an API key where none
are set, and leaves them in `~/.local/state/penstock/up-{port}.json` (`$XDG_STATE_HOME` and `$PENSTOCK_STATE_DIR` move
the folder), in a file that only its owner can read, so that `penstock emit`, `listen` and `token` find them; they stay
the same when it is started again. Every `penstock up` of one user on one virtual host of RabbitMQ has the same secret,
in `broker-….json`, for each may be handed the tokens of all. With `PENSTOCK_ENVIRONMENT=production` nothing is made and
nothing is written: what is missing stops the start.
"""

_TITLES = {
    "shared": ("All programs", "Read by gateway, router, worker and `penstock up`."),
    "process": ("Processes", "How any of the programs is run."),
    "gateway": ("Gateway", "Read by `penstock gateway` and `penstock up`."),
    "router": ("Router", "Read by `penstock router` and `penstock up`."),
    "worker": ("Worker", "Read by `penstock worker` and `penstock up`."),
}


def markdown(settings: Sequence[Setting], topic_rule: Sequence[Setting]) -> str:
    """Return the whole page."""
    parts = [_HEAD]
    for chapter, (title, sentence) in _TITLES.items():
        parts.append(f"## {title}\n\n{sentence}\n\n" + _table(s for s in settings if _chapter(s) == chapter))
    parts.append(
        "## Topic rules\n\n`[[topics]]` in `penstock.toml` is an ordered list; the first rule that matches a topic "
        'counts.\nAs a variable it is JSON: `PENSTOCK_TOPICS=\'[{"match": "orders.#", "publish_rate": 10}]\'`.\n\n'
        + "\n".join(_rows(["key", "type", "default", "what it is"], map(_rule_row, topic_rule)))
        + "\n"
    )
    parts.append(
        "## The command line\n\n"
        + "\n".join(_rows(["variable", "what it is"], ([f"`{n}`", what] for n, what in OTHER_VARIABLES.items())))
        + "\n"
    )
    return "\n".join(parts)


def _chapter(setting: Setting) -> str:
    return setting.programs[0] if len(setting.programs) == 1 else "shared"


def _table(settings: Iterable[Setting]) -> str:
    rows = (
        [
            f"`{env_name(setting.path)}`",
            f"`{setting.path}`",
            _type(setting),
            setting.unit,
            _default(setting),
            setting.sentence,
        ]
        for setting in settings
    )
    return "\n".join(_rows(["variable", "penstock.toml", "type", "unit", "default", "what it is"], rows)) + "\n"


def _rule_row(setting: Setting) -> list[str]:
    return [f"`{setting.path}`", _type(setting), _default(setting), setting.sentence]


def _type(setting: Setting) -> str:
    return f"{setting.kind}, {setting.bounds}" if setting.bounds else setting.kind


def _default(setting: Setting) -> str:
    words = in_words(shown(setting.default))
    return words if words == "–" else f"`{words}`"


def _rows(head: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    yield "| " + " | ".join(head) + " |"
    yield "| " + " | ".join("---" for _ in head) + " |"
    for row in rows:
        yield "| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |"
