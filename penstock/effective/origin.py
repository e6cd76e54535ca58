"""Where settings come from, and names that nobody reads ◆"""

from __future__ import annotations

import difflib
from collections.abc import Container, Iterable, Mapping
from typing import Any

from penstock.lookup import ENV_PREFIX, TOML_FILE, env_name

DEFAULT = "default"
"""The origin of what nobody set."""

OTHER_VARIABLES = {
    "PENSTOCK_DEBUG": "1: commands show tracebacks.",
    "PENSTOCK_STATE_DIR": "Folder in which `penstock up` leaves the way in for commands on the same machine "
    "(development). Absent: ~/.local/state/penstock.",
    "PENSTOCK_URL": "Gateway for `penstock emit` and `listen`.",
    "PENSTOCK_TOKEN": "Token for `penstock listen`.",
}
"""Variables of the command line, which are no settings of a program."""


def origin(path: str, environment: Mapping[str, str], file: Mapping[str, Any]) -> str:
    """Return where the setting at `path` comes from: a variable's name, the file's name, or `DEFAULT`."""
    set_there = {name.upper() for name in environment}
    parts = path.split(".")
    for length in range(len(parts), 0, -1):  # PENSTOCK_AUTH may hold all of [auth], as JSON
        variable = env_name(".".join(parts[:length]))
        if variable in set_there:
            return variable
    return TOML_FILE if _has(file, parts) else DEFAULT


def strays(paths: Iterable[str], environment: Mapping[str, str], file: Mapping[str, Any]) -> list[str]:
    """Return a sentence for each variable and each key of the file that nobody reads: likely mistyped."""
    settings = set(paths)
    known = {".".join(path.split(".")[:length]) for path in settings for length in range(1, path.count(".") + 2)}
    variables = {env_name(path) for path in known} | set(OTHER_VARIABLES)
    sentences = [
        f"Nobody reads the variable {name}{perhaps(name.upper(), variables)}"
        for name in sorted(environment)
        if name.upper().startswith(ENV_PREFIX) and name.upper() not in variables
    ]
    return sentences + [
        f"Nobody reads {key} in {TOML_FILE}{perhaps(key, known)}"
        for key in _keys(file, "", settings)
        if key not in known
    ]


def perhaps(name: str, known: Iterable[str]) -> str:
    """Return the end of a sentence about a `name` that is unknown: which one may be meant, where one is close."""
    close = difflib.get_close_matches(name, list(known), n=1)
    return f"; did you mean {close[0]}?" if close else "."


def _keys(table: Mapping[str, Any], prefix: str, settings: Container[str]) -> Iterable[str]:
    for name, value in table.items():
        path = f"{prefix}{name}"
        if isinstance(value, dict) and path not in settings:  # in a setting, whoever reads it says what is wrong
            yield from _keys(value, f"{path}.", settings)
        else:
            yield path


def _has(table: Any, parts: list[str]) -> bool:
    for part in parts:
        if not isinstance(table, Mapping) or part not in table:
            return False
        table = table[part]
    return True
