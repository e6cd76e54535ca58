"""What a check found ◆"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum


class Level(StrEnum):
    """How it is."""

    OK = "ok"
    WARN = "warn"
    """It works, and something is worth changing."""
    FAIL = "fail"
    """Something will not work."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """One line: what was looked at, how it is, what was found, and how to mend it."""

    subject: str
    level: Level
    found: str
    mend: str = ""


def ok(subject: str, found: str) -> Verdict:
    """Return a good verdict."""
    return Verdict(subject, Level.OK, found)


def warn(subject: str, found: str, mend: str) -> Verdict:
    """Return a warning."""
    return Verdict(subject, Level.WARN, found, mend)


def fail(subject: str, found: str, mend: str) -> Verdict:
    """Return a failure."""
    return Verdict(subject, Level.FAIL, found, mend)


def worst(verdicts: Iterable[Verdict]) -> Level:
    """Return the worst level of all."""
    levels = {verdict.level for verdict in verdicts}
    return Level.FAIL if Level.FAIL in levels else Level.WARN if Level.WARN in levels else Level.OK
