"""Drive one loadgen process: open clients, begin and end phases, read what it counted."""

import json
import select
import subprocess
from pathlib import Path
from typing import Any, NamedTuple, Self

from benchmarks.processes import ROOT


class Door(NamedTuple):
    """How a server's clients get in, and what they say first."""

    port: int
    path: str
    subprotocol: str | None = None
    handshake: tuple[str, ...] = ()
    values: Path | None = None
    """A file with a line for each client: what `<value>` stands for in the handshake."""

    def arguments(self) -> list[str]:
        """For loadgen."""
        arguments = ["--port", str(self.port), "--path", self.path]
        if self.subprotocol:
            arguments += ["--subprotocol", self.subprotocol]
        if self.values:
            arguments += ["--values", str(self.values)]
        for frame in self.handshake:
            arguments += ["--send", frame]
        return arguments


class GeneratorFailed(Exception):
    """loadgen ended, fell silent, or could not open its clients."""


class Generator:
    """A context manager around one load process: loadgen, or another that obeys the same commands."""

    def __init__(self, argv: list[str]) -> None:
        self.argv = argv

    def __enter__(self) -> Self:
        self.child = subprocess.Popen(self.argv, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0)
        self.pid = self.child.pid
        return self

    def __exit__(self, *exc: object) -> None:
        assert self.child.stdin
        assert self.child.stdout
        self.child.stdin.close()
        self.child.wait(10)
        self.child.stdout.close()

    def open(self, clients: int, seconds: float = 60) -> None:
        """Have `clients` in all through their handshake."""
        self._ask(f"open {clients}", "ready", seconds)

    def start(self) -> None:
        """Begin a phase: counters at zero."""
        self._ask("start", "started")

    def count(self) -> dict[str, Any]:
        """What the phase counted so far."""
        return self._ask("count", "phase")

    def stop(self) -> dict[str, Any]:
        """End the phase: what it counted."""
        return self._ask("stop", "phase")

    def cut(self) -> None:
        """Begin a phase, and cut all clients off at once; they come back by themselves. Only crowd can do that."""
        self._ask("cut", "started")

    def _ask(self, command: str, expected: str, seconds: float = 10) -> dict[str, Any]:
        assert self.child.stdin
        assert self.child.stdout
        self.child.stdin.write(command.encode() + b"\n")
        if not select.select([self.child.stdout], [], [], seconds)[0]:
            raise GeneratorFailed(f"loadgen did not answer `{command}` within {seconds:.0f} s")
        answer: dict[str, Any] = json.loads(self.child.stdout.readline() or '{"event": "end of output"}')
        if answer["event"] != expected:
            raise GeneratorFailed(f"loadgen answered `{command}` with {answer}")
        return answer
