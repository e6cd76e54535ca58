"""A clean place for every test: an empty folder, no PENSTOCK_ variables, a state folder of its own."""

import os

import pytest


@pytest.fixture(autouse=True)
def clean_place(tmp_path, monkeypatch):
    for name in list(os.environ):
        if name.upper().startswith("PENSTOCK_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("PENSTOCK_STATE_DIR", str(tmp_path / "state"))
    folder = tmp_path / "here"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def penstock(capsys):
    """Run a command line in this process; returns its exit code, stdout and stderr."""
    from penstock.cli.root import run

    def call(*arguments):
        code = run(arguments)
        out, err = capsys.readouterr()
        return int(code), out, err

    return call
