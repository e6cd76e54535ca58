"""The command line as real processes, in an empty folder, with no settings but those a test gives."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from tests.support.eventually import wait_until
from tests.support.guard import guard

ROOT = Path(__file__).parents[3]
WITHIN = 30.0  # seconds; a process may start slowly where many tests run


class Process:
    """A command that runs; what it prints goes to files, so that no pipe can fill up."""

    def __init__(self, arguments, folder, environment, number):
        self.arguments = arguments
        self._out, self._err = folder / f"{number}.out", folder / f"{number}.err"
        with self._out.open("wb") as out, self._err.open("wb") as err:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "penstock", *arguments],
                cwd=folder,
                env=environment,
                stdout=out,
                stderr=err,
                stdin=subprocess.DEVNULL,
                start_new_session=True,
            )
        guard().watch("group", self._process.pid)

    @property
    def out(self):
        return self._out.read_text()

    @property
    def err(self):
        return self._err.read_text()

    @property
    def code(self):
        return self._process.poll()

    def says(self, words, *, on="out"):
        """Wait until it has printed these words, and return all it has printed there."""

        def said():
            text = getattr(self, on)
            if words not in text and self.code is not None:
                pytest.fail(f"penstock {' '.join(self.arguments)} ended with {self.code}:\n{self.out}\n{self.err}")
            return text if words in text else None

        return wait_until(said, WITHIN)

    def json(self):
        """The first line it prints, as JSON."""
        return json.loads(self.says("\n").splitlines()[0])

    def answers(self, port, path):
        """Wait until it answers an HTTP request with 200, and return the body."""

        def body():
            if self.code is not None:
                pytest.fail(f"penstock {' '.join(self.arguments)} ended with {self.code}:\n{self.out}\n{self.err}")
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=5) as answer:
                    return answer.read().decode()
            except urllib.error.HTTPError as refused:
                refused.close()
            except OSError:
                pass

        return wait_until(body, WITHIN)

    def tell(self, number=signal.SIGTERM):
        self._process.send_signal(number)

    def ends(self, within=WITHIN):
        """Wait for its end, and return its exit code."""
        try:
            return self._process.wait(within)
        except subprocess.TimeoutExpired:
            pytest.fail(f"penstock {' '.join(self.arguments)} did not end:\n{self.out}\n{self.err}")

    def stop(self):
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()
        guard().forget("group", self._process.pid)


class Commands:
    def __init__(self, folder):
        self.folder = folder
        self.environment = {name: value for name, value in os.environ.items() if not name.startswith("PENSTOCK_")}
        self.environment |= {"PENSTOCK_STATE_DIR": str(folder / "state"), "PYTHONPATH": str(ROOT)}
        self._processes = []

    def start(self, *arguments, **settings):
        """Start a command; `settings` are further variables."""
        environment = self.environment | settings
        process = Process(arguments, self.folder, environment, len(self._processes))
        self._processes.append(process)
        return process

    def run(self, *arguments, **settings):
        """Run a command to its end; returns its exit code, stdout and stderr."""
        process = self.start(*arguments, **settings)
        code = process.ends()
        return code, process.out, process.err

    def close(self):
        for process in reversed(self._processes):
            process.stop()


@pytest.fixture
def penstock(tmp_path):
    commands = Commands(tmp_path)
    yield commands
    commands.close()
