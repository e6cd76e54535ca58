"""Build the load generators with the machine's C compiler."""

import shutil
import subprocess
from collections.abc import Iterable
from pathlib import Path

SOURCES = Path(__file__).parent
SHARED = ("commands.c", "measure.c", "websocket.c")
"""What the two generators have in common."""


def compile_loadgen(folder: Path) -> Path:
    """Compile loadgen into `folder` and return its path. Exits with one line when there is no compiler."""
    return _compile(folder / "loadgen", SOURCES.glob("*.c"))


def compile_crowd(folder: Path) -> Path:
    """The same for crowd."""
    return _compile(folder / "crowd", [*(SOURCES / "crowd").glob("*.c"), *(SOURCES / name for name in SHARED)])


def _compile(target: Path, sources: Iterable[Path]) -> Path:
    compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    if compiler is None:
        raise SystemExit(
            "The benchmark's load generators are written in C: install a C compiler (`apt-get install gcc`)."
        )
    subprocess.run([compiler, "-O2", "-Wall", "-Wextra", "-o", target, *sorted(sources)], check=True)
    return target
