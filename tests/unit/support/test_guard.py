"""The process that cleans up after tests that could not."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support import ports
from tests.support.guard import Entry, Guard, note
from tests.support.ports import different_ports, free_port, is_listening


def test_the_list_holds_what_was_named_and_not_struck_off() -> None:
    listed: list[Entry] = []
    for line in ("+ group 12\n", "+ folder /a folder\n", "- group 12\n", "- group 13\n"):
        note(listed, line)
    assert listed == [("folder", "/a folder")]


def test_at_the_end_of_the_pipe_what_is_left_is_cleaned_up(tmp_path: Path) -> None:
    kept, removed = tmp_path / "kept", tmp_path / "removed"
    for folder in (kept, removed):
        folder.mkdir()
    sleeper = subprocess.Popen([sys.executable, "-c", "import signal; signal.pause()"], start_new_session=True)
    guard = Guard()
    guard.watch("group", sleeper.pid)
    guard.watch("folder", kept)
    guard.watch("folder", removed)
    guard.forget("folder", kept)
    guard.close()

    assert sleeper.wait() == -signal.SIGKILL
    assert (kept.exists(), removed.exists()) == (True, False)


def test_it_cleans_up_when_the_process_that_asked_for_it_is_killed(tmp_path: Path) -> None:
    folder = tmp_path / "left behind"
    folder.mkdir()
    script = (
        "import os, signal, sys; from tests.support.guard import guard;"
        "guard().watch('folder', sys.argv[1]); print(guard()._process.pid, flush=True);"
        "os.kill(os.getpid(), signal.SIGKILL)"
    )
    killed = subprocess.run(
        [sys.executable, "-c", script, str(folder)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        stdout=subprocess.PIPE,  # the guard holds its other end, so that its end is seen here
        check=False,
    )
    assert killed.returncode == -signal.SIGKILL
    assert not folder.exists()


def test_ports_are_free_and_differ() -> None:
    several = different_ports(20)
    assert len(set(several)) == 20
    assert not is_listening(free_port())


def test_a_port_is_given_to_nobody_else_though_it_is_not_bound_yet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ports, "_mine", range(ports.LOWEST, ports.LOWEST + 1_000))
    given = [free_port() for _ in range(200)]
    assert len(set(given)) == 200
