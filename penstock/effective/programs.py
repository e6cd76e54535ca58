"""The settings classes of all programs, and what they say together."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import SecretStr

from gateway.settings import GatewaySettings
from penstock.composition import load
from penstock.effective.fields import Setting, all_settings
from penstock.effective.origin import DEFAULT, origin, strays
from penstock.effective.shown import shown
from penstock.lookup import lookup, toml_file
from penstock.settings import ProcessSettings
from router.settings import RouterSettings
from shared.errors import ConfigurationError
from shared.settings import CommonSettings
from workers.settings import WorkerSettings

CLASSES: Mapping[str, type[CommonSettings]] = {
    "process": ProcessSettings,
    "gateway": GatewaySettings,
    "router": RouterSettings,
    "worker": WorkerSettings,
}
"""``process`` is the front door: how any of the programs is run."""


@dataclass(frozen=True, slots=True)
class Effective:
    """A setting, the value in effect (shown, so without secrets), and where that comes from."""

    setting: Setting
    value: Any
    origin: str


@dataclass(frozen=True, slots=True)
class Report:
    """All settings; what is wrong with some, and names that nobody reads, a sentence each."""

    settings: list[Effective]
    wrong: list[str]
    strays: list[str]


def report() -> Report:
    """Read the settings of all programs. One that cannot be read does not hide the others."""
    loaded: dict[str, CommonSettings] = {}
    wrong: dict[str, None] = {}
    for program, kind in CLASSES.items():
        try:
            loaded[program] = load(kind)
        except ConfigurationError as error:
            wrong[str(error)] = None
    file = toml_file()
    settings = [
        _effective(setting, loaded, origin(setting.path, os.environ, file)) for setting in all_settings(CLASSES)
    ]
    return Report(settings, list(wrong), unread())


def unread() -> list[str]:
    """Return a sentence for each variable and each key of the file that nobody reads."""
    return strays((setting.path for setting in all_settings(CLASSES)), os.environ, toml_file())


def _effective(setting: Setting, loaded: Mapping[str, CommonSettings], origin: str) -> Effective:
    """Return a setting as the first program has it that could be loaded; where none could, as it was written."""
    value: Any = next((loaded[program] for program in setting.programs if program in loaded), None)
    if value is None:
        return Effective(setting, shown(setting.default if origin == DEFAULT else _written(setting)), origin)
    for part in setting.path.split("."):
        value = getattr(value, part, None)
    return Effective(setting, shown(value), origin)


def _written(setting: Setting) -> object:
    """Return what was written, unread; None where it stands within a larger value (``PENSTOCK_AUTH`` as JSON)."""
    written = lookup(setting.path)
    return SecretStr(written) if setting.secret and written is not None else written
