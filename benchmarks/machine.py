"""Where the figures were taken."""

import os
import platform
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

from benchmarks.processes import ROOT


def describe(broker: str) -> list[str]:
    """Lines that name machine, versions and commit."""
    model = next(
        (
            line.split(":", 1)[1].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if "model name" in line
        ),
        platform.machine(),
    )
    nchan = first_line("dpkg-query", "-W", "-f", "${Version}", "libnginx-mod-nchan")
    packages = ", ".join(f"{name} {version(name)}" for name in ("uvloop", "websockets", "msgspec", "aiormq"))
    return [
        f"- machine: {model}, {os.cpu_count()} cores, Linux {platform.release()}",
        f"- Python {python()}; {packages}",
        f"- {first_line('nginx', '-v')}, nchan {nchan}",
        f"- broker: {broker}",
        f"- commit: {commit()}",
    ]


def python() -> str:
    """Version and build: one that was compiled without a profile is a fifth slower than distributions' and images'."""
    of = ", the distribution's" if sys.base_prefix == "/usr" else ""
    return f"{sys.version.partition(' [')[0]}{of}"


def commit() -> str:
    """The tree's commit, and whether the tree differs from it."""
    name = first_line("git", "-C", str(ROOT), "rev-parse", "--short=12", "HEAD")
    changed = first_line("git", "-C", str(ROOT), "status", "--porcelain", "--untracked-files=no")
    return f"{name} with local changes" if changed != "?" else name


def first_line(*command: str) -> str:
    """The first line a command prints, or `?` when it prints none or does not exist."""
    try:
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    except FileNotFoundError:
        return "?"
    return (done.stdout.strip().splitlines() or ["?"])[0]
