"""What `penstock up` leaves on this machine for `emit`, `listen` and `token`: how to get in. Development only.

One file per port, readable by its owner alone, in ``$PENSTOCK_STATE_DIR``, else ``$XDG_STATE_HOME/penstock``, else
``~/.local/state/penstock``. It outlives `up`, so that tokens are still good after a restart. In production nothing is
made up and nothing is written.
"""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path

STATE_DIR = "PENSTOCK_STATE_DIR"


@dataclass(frozen=True, slots=True)
class Door:
    """The way into a running development server. A secret or key that `up` was given, not made, is None here."""

    url: str
    secret: str | None = None
    api_key: str | None = None
    token: str | None = None
    """For a server that was given its own secret: a token that `up` made with it, good for a day."""


def folder() -> Path:
    """Return where the files are; it may not exist yet."""
    if given := os.environ.get(STATE_DIR):
        return Path(given)
    state = os.environ.get("XDG_STATE_HOME")
    return (Path(state) if state else Path.home() / ".local" / "state") / "penstock"


def remember(port: int, door: Door) -> Path | None:
    """Write the file of `port`, for its owner alone; return None where there is no place to write."""
    path = _path(port)
    fresh = path.with_suffix(f".{os.getpid()}")
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with open(descriptor, "w") as file:
            json.dump(asdict(door), file)
        fresh.replace(path)
    except OSError:
        return None
    return path


def recall(port: int) -> Door | None:
    """Return what the last `penstock up` on `port` left, None where it left nothing that can be used."""
    path = _path(port)
    try:
        if path.stat().st_uid != os.getuid():  # a folder that others can write to: theirs is not ours
            return None
        return Door(**json.loads(path.read_text()))
    except (OSError, ValueError, TypeError):
        return None


def _path(port: int) -> Path:
    return folder() / f"up-{port}.json"
