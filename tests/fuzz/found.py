"""Inputs that once broke a decoder: kept as files, small, and tried by every test run from then on"""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path

from tests.fuzz.target import Target

FOUND = Path(__file__).with_name("found")
"""A folder for each target, a file for each input."""

MAX_TRIES = 3_000
"""Shorter inputs that are tried for one that was found."""


def all_found() -> list[tuple[str, Path]]:
    """Return the name of the target and the file of each input that was found."""
    return [(path.parent.name, path) for path in sorted(FOUND.glob("*/*")) if path.is_file()]


def save(target: Target, data: bytes, folder: Path = FOUND) -> Path:
    """Write an input that breaks `target` into its folder, and return where."""
    return write(target.name, data, folder)


def write(name: str, data: bytes, folder: Path) -> Path:
    """Write an input into the folder of what it is for."""
    path = folder / name / sha256(data).hexdigest()[:12]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


def smaller(target: Target, data: bytes) -> bytes:
    """Return a shorter input with the same finding, or `data` where none is near."""
    wanted = kind_of(target.finding(data))
    tries = 0
    size = max(1, len(data) // 2)
    while size and tries < MAX_TRIES:
        at = 0
        while at < len(data) and tries < MAX_TRIES:
            shorter = data[:at] + data[at + size :]
            tries += 1
            if kind_of(target.finding(shorter)) == wanted:
                data = shorter
            else:
                at += size
        size //= 2
    return data


def kind_of(finding: Exception | None) -> tuple[type, str, int] | None:
    """Return what makes two findings one: the exception, and where it was raised."""
    if finding is None:
        return None
    trace = finding.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return type(finding), "" if trace is None else trace.tb_frame.f_code.co_filename, trace.tb_lineno if trace else 0
