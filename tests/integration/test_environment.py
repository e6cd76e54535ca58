"""`make` and the environment it keeps."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture
def made(tmp_path):
    """A folder whose environment was made a moment ago."""
    for name in ("Makefile", "requirements.lock", "requirements-dev.lock", ".ci/environment"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    (tmp_path / ".venv").mkdir()
    for stamp in (".made-to-run", ".made-to-develop"):
        (tmp_path / ".venv" / stamp).touch()
    return tmp_path


def planned(folder, *arguments):
    """What make would do."""
    environment = {name: value for name, value in os.environ.items() if name not in ("PYTHON", "MAKEFLAGS")}
    ran = subprocess.run(
        ["make", "-n", *arguments], cwd=folder, env=environment, capture_output=True, text=True, check=True
    )
    return ran.stdout


def test_what_was_made_is_not_made_again(made):
    assert ".ci/environment" not in planned(made, "env")


@pytest.mark.parametrize("target", ["env", "up", "lint"])
def test_an_interpreter_that_is_named_is_looked_at_though_there_is_an_environment(made, target):
    assert ".ci/environment" in planned(made, target, f"PYTHON={sys.executable}")


def test_an_interpreter_that_is_none_is_told(made):
    ran = subprocess.run([made / ".ci/environment", "run"], env={"PATH": os.environ["PATH"], "PYTHON": "/nowhere"},
                         capture_output=True, text=True)  # fmt: skip
    assert ran.returncode == 1
    assert "Penstock needs Python 3.11 or later: /nowhere is not." in ran.stderr
