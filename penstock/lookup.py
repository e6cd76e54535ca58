"""Reads single settings without the machinery that reads all: for commands that must be quick.

The same places in the same order as `shared.settings`: the environment, then ``penstock.toml``.
"""

from __future__ import annotations

import json
import os
import tomllib
from functools import cache
from pathlib import Path
from typing import Any

from shared.errors import ConfigurationError

TOML_FILE = "penstock.toml"
ENV_PREFIX = "PENSTOCK_"


def env_name(path: str) -> str:
    """Return the variable of a setting: ``auth.secret`` is ``PENSTOCK_AUTH__SECRET``."""
    return ENV_PREFIX + path.upper().replace(".", "__")


def lookup(path: str) -> str | None:
    """Return the setting at `path` as a variable would hold it, None where it is not set.

    Raises `ConfigurationError` for a broken file.
    """
    wanted = env_name(path)
    for name, value in os.environ.items():
        if name.upper() == wanted:
            return value
    found: Any = toml_file()
    for part in path.split("."):
        found = found.get(part) if isinstance(found, dict) else None
    if found is None or isinstance(found, str):
        return found
    return json.dumps(found, default=str)


def toml_file() -> dict[str, Any]:
    """Return what ``penstock.toml`` in the working folder says, nothing where there is none."""
    return _read(Path(TOML_FILE).absolute())


@cache
def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text())
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise ConfigurationError(f"Cannot read {path}: {error}. Mend the file, or remove it.") from error
