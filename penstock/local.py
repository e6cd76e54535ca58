"""What `penstock up` leaves on this machine for `emit`, `listen` and `token`: how to get in. Development only.

One file per port, and one per broker, readable by their owner alone, in ``$PENSTOCK_STATE_DIR``, else
``$XDG_STATE_HOME/penstock``, else ``~/.local/state/penstock``. They outlive `up`, so that tokens are still good after a
restart. In production nothing is made up and nothing is written.
"""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

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
    try:
        _written(path, asdict(door)).replace(path)
    except OSError:
        return None
    return path


def recall(port: int) -> Door | None:
    """Return what the last `penstock up` on `port` left, None where it left nothing that can be used."""
    try:
        return Door(**_read(_path(port)))
    except (OSError, ValueError, TypeError):
        return None


def common_secret(broker: str, made: str) -> str:
    """Return the secret of every `penstock up` of this user on `broker`: the first one's, who leaves what it `made`.

    Routers on one broker share its partitions, so each meets the tokens of all. `broker` is `penstock.broker.identity`.
    """
    path = folder() / f"broker-{sha256(broker.encode()).hexdigest()[:16]}.json"
    try:
        fresh = _written(path, {"broker": broker, "secret": made})
        try:
            os.link(fresh, path)  # of two that start at once, one is the first
        except OSError:
            if (kept := _secret_in(path)) is not None:
                return kept
            fresh.replace(path)  # what is there cannot be used, or there are no hard links here
        finally:
            fresh.unlink(missing_ok=True)
    except OSError:
        return made
    return made


def _secret_in(path: Path) -> str | None:
    try:
        return str(_read(path)["secret"])
    except (OSError, ValueError, TypeError, KeyError):
        return None


def _written(path: Path, content: dict[str, Any]) -> Path:
    """Write `content` beside `path`, for its owner alone; return where, to be moved into place as a whole."""
    fresh = path.with_suffix(f".{os.getpid()}")
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with open(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        json.dump(content, file)
    return fresh


def _read(path: Path) -> dict[str, Any]:
    if path.stat().st_uid != os.getuid():  # a folder that others can write to: theirs is not ours
        raise PermissionError(path)
    content: dict[str, Any] = json.loads(path.read_text())
    return content


def _path(port: int) -> Path:
    return folder() / f"up-{port}.json"
