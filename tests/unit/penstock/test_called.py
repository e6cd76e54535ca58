"""What people are told to type works when they paste it."""

import sys

import pytest

from penstock.called import called


@pytest.fixture
def script(tmp_path):
    path = tmp_path / "bin" / "penstock"
    path.parent.mkdir()
    path.write_text("#!/bin/sh\n")
    path.chmod(0o755)
    return path


def test_a_program_that_is_found_by_its_name_is_called_by_it(script, monkeypatch):
    monkeypatch.setenv("PATH", str(script.parent))
    monkeypatch.setattr(sys, "argv", [str(script), "up"])
    assert called() == "penstock"


def test_a_program_that_is_not_found_is_called_as_it_was(script, monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.setattr(sys, "argv", [".venv/bin/penstock", "up"])
    assert called() == ".venv/bin/penstock"


def test_another_program_of_the_same_name_is_not_meant(script, monkeypatch, tmp_path):
    (tmp_path / "penstock").write_text("")
    monkeypatch.setenv("PATH", str(script.parent))
    monkeypatch.setattr(sys, "argv", [str(tmp_path / "penstock"), "up"])
    assert called() == str(tmp_path / "penstock")


def test_a_module_is_called_with_its_python(monkeypatch):
    monkeypatch.setattr(sys, "argv", ["/somewhere/penstock/__main__.py", "up"])
    assert called() == f"{sys.executable} -m penstock"
