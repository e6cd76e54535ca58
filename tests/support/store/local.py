"""Private servers: the machine's valkey-server or redis-server in a temporary folder, on loopback and free ports."""

import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

from tests.support.errors import NoWay
from tests.support.eventually import wait_until
from tests.support.guard import guard
from tests.support.ports import different_ports, is_listening
from tests.support.store.node import QUIET, STOP_WITHIN, Options, answers, wait_for_start

PROGRAMS = ("valkey-server", "redis-server")


def find_program() -> str:
    """The server's program; ``NoWay`` when the machine has none."""
    for name in PROGRAMS:
        if found := shutil.which(name):
            return found
    raise NoWay(f"no {' or '.join(PROGRAMS)} on PATH")


class LocalNode:
    """Servers that are processes of ours, one for each list of *options*."""

    def __init__(self, options: Sequence[Options] = ((),)) -> None:
        self._program = find_program()
        self._folder = Path(tempfile.mkdtemp(prefix="penstock-store-"))
        guard().watch("folder", self._folder)
        self._options = options
        self._ports = different_ports(len(options))
        self._servers: list[subprocess.Popen[bytes]] = []

    def __str__(self) -> str:
        return f"a private server of {self._program}"

    @property
    def addresses(self) -> list[tuple[str, int]]:
        return [("127.0.0.1", port) for port in self._ports]

    def start(self) -> None:
        self._servers = [self._spawn(port, more) for port, more in zip(self._ports, self._options, strict=True)]
        wait_for_start(
            lambda: all(answers(*address) for address in self.addresses),
            lambda: all(server.poll() is None for server in self._servers),
            self._last_words,
        )

    def kill(self) -> None:
        for server in self._servers:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(server.pid, signal.SIGKILL)
            server.wait()
            guard().forget("group", server.pid)
        self._servers = []
        wait_until(lambda: not any(is_listening(port) for port in self._ports), within=STOP_WITHIN)

    def freeze(self) -> None:
        for server in self._servers:
            os.killpg(server.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        for server in self._servers:
            os.killpg(server.pid, signal.SIGCONT)

    def dispose(self) -> None:
        self.kill()
        shutil.rmtree(self._folder, ignore_errors=True)
        guard().forget("folder", self._folder)

    def _spawn(self, port: int, more: Options) -> subprocess.Popen[bytes]:
        """Start a server as the head of a process group, in a folder of its own."""
        folder = self._folder / str(port)
        folder.mkdir(exist_ok=True)
        configuration = folder / "server.conf"  # a Sentinel insists on one, to write into
        configuration.touch()
        where = ("--port", str(port), "--bind", "127.0.0.1", "--dir", str(folder))
        with (self._folder / "output").open("ab") as output:
            server = subprocess.Popen(
                [self._program, str(configuration), *where, *QUIET, *more],
                cwd=folder,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        guard().watch("group", server.pid)
        return server

    def _last_words(self) -> str:
        return (self._folder / "output").read_text(errors="replace")[-2000:]
