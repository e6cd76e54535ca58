"""Sets up logging for a process: one handler, on stderr."""

from __future__ import annotations

import logging
import sys
from dataclasses import dataclass, field
from typing import TextIO

from shared.clock import monotonic
from shared.settings import CommonSettings
from shared.telemetry.damper import Damper
from shared.telemetry.instruments import Catalogue, counter
from shared.telemetry.lines import JsonLines, TextLines

_QUIET = ("aiohttp", "websockets", "asyncio")
"""Libraries that tell on INFO what we tell ourselves. Not aiormq: the room that imports it silences it for good."""


@dataclass(slots=True)
class LogCounters:
    """What a process has logged."""

    lines: dict[str, int] = field(default_factory=dict)
    held_back: int = 0


LOG: Catalogue = {
    "lines": counter("Log lines written. One of level error asks for a look.", by="level"),
    "held_back": counter("Log lines left out, since more than 20 of one kind came in 10 s."),
}


class Damped(logging.Filter):
    """Passes a line on unless too many of its kind came; how many were left out is told with the next one."""

    def __init__(self, damper: Damper, counters: LogCounters) -> None:
        super().__init__()
        self._damper = damper
        self._counters = counters

    def filter(self, record: logging.LogRecord) -> bool:
        """Say whether the line appears."""
        kind = (record.name, record.levelno, getattr(record, "event", None) or str(record.msg))
        held_back = self._damper.admit(kind, monotonic())
        if held_back is None:
            self._counters.held_back += 1
            return False
        if held_back:
            record.held_back = held_back
        level = record.levelname.lower()
        self._counters.lines[level] = self._counters.lines.get(level, 0) + 1
        return True


def configure(settings: CommonSettings, stream: TextIO | None = None) -> LogCounters:
    """Send this process's log lines to `stream` (stderr), as the settings say, and return what counts them.

    Call it once, before services start.
    """
    counters = LogCounters()
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(JsonLines() if _wants_json(settings) else TextLines())
    handler.addFilter(Damped(Damper(), counters))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(settings.log_level.upper())
    quiet = logging.DEBUG if settings.log_level == "debug" else logging.WARNING
    for name in _QUIET:
        logging.getLogger(name).setLevel(quiet)
    return counters


def _wants_json(settings: CommonSettings) -> bool:
    if settings.log_format is not None:
        return settings.log_format == "json"
    return settings.environment == "production"
