"""What was written into the log, whole: with all fields, and before anything was masked or held back."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator

NOT_OURS = ("tests", "websockets", "docker", "testcontainers", "urllib3")
"""Loggers of the tests' own side."""

_whole = logging.Formatter()
"""With the traceback, and those of its causes."""


class Said(logging.Handler):
    """Keeps every line."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.records: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        if record.name.partition(".")[0] not in NOT_OURS:
            self.records.append(record)

    def events(self, name: str | None = None) -> list[logging.LogRecord]:
        """The lines with this event; without a name, all that have one."""
        named = [record for record in self.records if getattr(record, "event", None)]
        return [record for record in named if name in (None, record.event)]

    def never(self, *secrets: str) -> None:
        """Raise `AssertionError` where one of these stands in a line."""
        for record in self.records:
            line = f"{_whole.format(record)} {vars(record)!r}"
            for secret in secrets:
                assert secret not in line, f"{secret!r} is in a line of {record.name}: {line}"

    @classmethod
    @contextlib.contextmanager
    def everything(cls) -> Iterator[Said]:
        """Listen to all loggers, down to DEBUG."""
        said, root = cls(), logging.getLogger()
        before = root.level
        root.addHandler(said)
        root.setLevel(logging.DEBUG)
        try:
            yield said
        finally:
            root.setLevel(before)
            root.removeHandler(said)
