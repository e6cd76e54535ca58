"""The checkers of style and types are content, and would not be with less."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.architecture.sources import ROOT

SLOW = pytest.mark.timeout(900)  # seconds; mypy without its cache on a busy machine


def tool(name: str, *arguments: str | Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a checker of this environment at the root of the project."""
    return subprocess.run(
        [sys.executable, "-m", name, *arguments],
        cwd=ROOT,
        env={**os.environ, **environment},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )


def test_ruff_has_nothing_to_say() -> None:
    done = tool("ruff", "check", "--output-format", "concise", ".")
    assert done.returncode == 0, done.stdout + done.stderr


@SLOW
def test_the_server_is_strictly_typed() -> None:
    done = tool("mypy")
    assert done.returncode == 0, done.stdout + done.stderr


@SLOW
def test_the_client_is_strictly_typed() -> None:
    done = tool("mypy", "-p", "penstock_client", MYPYPATH="clients/python")
    assert done.returncode == 0, done.stdout + done.stderr


def test_ruff_sees_a_planted_fault(tmp_path: Path) -> None:
    fault = tmp_path / "fault.py"
    fault.write_text("import os\n")
    done = tool("ruff", "check", "--config", "pyproject.toml", "--no-cache", fault)
    assert done.returncode == 1
    assert "F401" in done.stdout


@SLOW
def test_mypy_sees_a_planted_fault(tmp_path: Path) -> None:
    fault = tmp_path / "fault.py"
    fault.write_text("def f(x): return x\n")
    done = tool("mypy", "--config-file", "pyproject.toml", "--cache-dir", tmp_path / "cache", fault)
    assert done.returncode == 1
    assert "no-untyped-def" in done.stdout
