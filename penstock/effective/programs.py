"""The settings classes of all programs, and what they say together."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from gateway.settings import GatewaySettings
from penstock.composition import load
from penstock.effective.fields import Setting, all_settings
from penstock.effective.origin import origin, strays
from penstock.effective.shown import shown
from penstock.lookup import toml_file
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
        Effective(setting, shown(_value(setting, loaded)), origin(setting.path, os.environ, file))
        for setting in all_settings(CLASSES)
    ]
    return Report(settings, list(wrong), unread())


def unread() -> list[str]:
    """Return a sentence for each variable and each key of the file that nobody reads."""
    return strays((setting.path for setting in all_settings(CLASSES)), os.environ, toml_file())


def _value(setting: Setting, loaded: Mapping[str, CommonSettings]) -> object:
    """Return the value in effect, None where no program could be loaded that has it."""
    value: Any = next((loaded[program] for program in _readers(setting) if program in loaded), None)
    for part in setting.path.split("."):
        value = getattr(value, part, None)
    return value


def _readers(setting: Setting) -> Iterable[str]:
    return setting.programs
