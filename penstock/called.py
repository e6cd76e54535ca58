"""How this program was called, so that what it tells people to type works when they paste it."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path


def called() -> str:
    """Return ``penstock`` where that is found, else the way that was used."""
    found = shutil.which("penstock")
    name = sys.argv[0]
    if Path(name).name == "__main__.py":
        return f"{sys.executable} -m penstock"
    if found is not None and _same(found, name):
        return "penstock"
    return name if os.sep in name else "penstock"


def _same(one: str, other: str) -> bool:
    try:
        return Path(one).samefile(other)
    except OSError:
        return False
