"""A clock that is wrong, for one process: libfaketime, which stands between a program and the time of day.

The monotonic clock stays as it is. What the time of day is off by stands in a file, so that it can jump while the
process runs.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from functools import cache
from pathlib import Path

from tests.support.errors import Missing, NoWay
from tests.support.install import install

MAY_INSTALL = "PENSTOCK_MAY_INSTALL"
PLACES = ("/usr/lib", "/usr/local/lib", "/opt/homebrew/lib")
WHAT_TO_DO = (
    "This fault was not run, as it needs libfaketime: install it (Debian, Ubuntu: apt-get install faketime), "
    f"or let it be installed with {MAY_INSTALL}=yes."
)


class Clock:
    """The time of day of one process, which reads it from `file`."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self.set(0)

    def set(self, seconds: int) -> None:
        """Let the clock jump to so many seconds after the right time, or before it; seen within a second or two."""
        new = self._file.with_suffix(".new")
        new.write_text(f"{seconds:+d}\n")
        new.replace(self._file)  # at once: half a line would be no time

    def environment(self) -> dict[str, str]:
        """Return what a process is to be started with; raise `Missing` where there is no libfaketime."""
        return {
            "LD_PRELOAD": str(library()),
            "FAKETIME_TIMESTAMP_FILE": str(self._file),
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "FAKETIME_CACHE_DURATION": "1",
        }


@cache
def library() -> Path:
    """Return libfaketime; install it where it is missing and that is allowed; else raise `Missing`."""
    if (found := _find()) is not None:
        return found
    if os.environ.get(MAY_INSTALL) != "yes":
        raise Missing(WHAT_TO_DO)
    try:
        install("faketime")
    except NoWay as no:
        raise Missing(f"{WHAT_TO_DO} ({no})") from None
    if (found := _find()) is None:
        raise Missing(f"{WHAT_TO_DO} (apt-get installed a package faketime that holds no libfaketime.so.1)")
    return found


def _find(places: Iterable[str] = PLACES) -> Path | None:
    patterns = ("faketime/libfaketime.so.1", "*/faketime/libfaketime.so.1")
    return next((path for place in places for pattern in patterns for path in Path(place).glob(pattern)), None)
