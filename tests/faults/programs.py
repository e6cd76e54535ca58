"""Penstock's programs as real processes, to be killed, stopped, frozen and looked at."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.support.guard import guard

ROOT = Path(__file__).parents[2]


class Program:
    """One process. Its port serves ``/readyz``; what it says goes to a file."""

    def __init__(
        self,
        name: str,
        arguments: list[str],
        port: int,
        folder: Path,
        environment: Mapping[str, str],
        module: str = "penstock",
    ) -> None:
        self.name = name
        self.port = port
        self.log = folder / f"{name}.log"
        self._command = [sys.executable, "-m", module, *arguments]
        self._folder = folder
        self._environment = dict(environment)
        self._process: subprocess.Popen[bytes] | None = None

    def __repr__(self) -> str:
        return f"<{self.name}>"

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    @property
    def is_running(self) -> bool:
        """Say whether it was started and has not ended."""
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """Start it, or start it again; it is not ready yet."""
        assert not self.is_running
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                self._command,
                cwd=self._folder,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        guard().watch("group", self.pid)

    def is_ready(self) -> bool:
        """Say whether it serves; it blocks for some milliseconds."""
        assert self.is_running, f"{self.name} has ended:\n{self.last_words()}"
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/readyz", timeout=2):
                return True
        except urllib.error.HTTPError as refused:
            refused.close()
            return False
        except OSError:
            return False

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal, if it runs."""
        if self.is_running:
            os.kill(self.pid, number)

    def kill(self) -> None:
        """kill -9."""
        self.signal(signal.SIGKILL)
        self.ended(10.0)

    def ended(self, within: float) -> int:
        """Wait for its end and return its exit code; `TimeoutExpired` where it does not end."""
        assert self._process is not None
        code = self._process.wait(within)
        guard().forget("group", self.pid)
        return code

    def resident(self) -> int:
        """Return the bytes of memory it has."""
        status = Path(f"/proc/{self.pid}/statm").read_text()
        return int(status.split()[1]) * os.sysconf("SC_PAGE_SIZE")

    def turns(self) -> tuple[float, float]:
        """Return for how many seconds its main thread has had a core, and for how many it has waited for one."""
        had, waited, _ = Path(f"/proc/{self.pid}/schedstat").read_text().split()
        return int(had) / 1e9, int(waited) / 1e9

    def descriptors(self) -> int:
        """Return how many files and sockets it has open."""
        assert self.is_running, f"{self.name} has ended:\n{self.last_words()}"
        return len(os.listdir(f"/proc/{self.pid}/fd"))

    def lines(self) -> list[dict[str, Any]]:
        """Return what it logged; a line that is no JSON is an error of its own."""
        if not self.log.exists():
            return []
        return [_line(line) for line in self.log.read_text(errors="replace").splitlines()]

    def last_words(self) -> str:
        """Return the end of its log."""
        return self.log.read_text(errors="replace")[-2_000:] if self.log.exists() else ""


def _line(text: str) -> dict[str, Any]:
    try:
        line = json.loads(text)
    except ValueError:
        return {"level": "error", "message": text}
    return line if isinstance(line, dict) else {"level": "error", "message": text}
