"""Build the load generator with the machine's C compiler."""

import shutil
import subprocess
from pathlib import Path

SOURCES = Path(__file__).parent


def compile_loadgen(folder: Path) -> Path:
    """Compile loadgen into `folder` and return its path. Exits with one line when there is no compiler."""
    compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    if compiler is None:
        raise SystemExit(
            "The benchmark's load generator is written in C: install a C compiler (`apt-get install gcc`)."
        )
    target = folder / "loadgen"
    sources = sorted(str(source) for source in SOURCES.glob("*.c"))
    subprocess.run([compiler, "-O2", "-Wall", "-Wextra", "-o", str(target), *sources], check=True)
    return target
