"""A small process that cleans up when the tests cannot: after kill -9, a crash, a lost terminal.

It holds the reading end of a pipe whose writing end only the test process has. Line by line it learns
what there is to clean up; at the end of the pipe it does whatever is still on its list.
"""

import atexit
import contextlib
import os
import shutil
import signal
import subprocess
import sys
from functools import cache
from typing import TextIO

Entry = tuple[str, str]  # what kind of thing, and which: ("group", "4711")


class Guard:
    """The test process's end of the pipe."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-I", __file__], stdin=subprocess.PIPE, text=True, start_new_session=True
        )

    def watch(self, kind: str, name: object) -> None:
        """Clean this up if we die: a process ``group``, a ``folder``, a ``container`` or a ``mount``."""
        self._tell(f"+ {kind} {name}")

    def forget(self, kind: str, name: object) -> None:
        """It is gone already."""
        self._tell(f"- {kind} {name}")

    def _tell(self, line: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()

    def close(self) -> None:
        """End the pipe, and wait until the rest is cleaned up."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()


@cache
def guard() -> Guard:
    """The guard of this process, started when first needed."""
    it = Guard()
    atexit.register(it.close)
    return it


def note(listed: list[Entry], line: str) -> None:
    """Add to the list what *line* says, or strike it off."""
    sign, kind, name = line.rstrip("\n").split(" ", 2)
    if sign == "+":
        listed.append((kind, name))
    elif (kind, name) in listed:
        listed.remove((kind, name))


def clean(kind: str, name: str) -> None:
    """Remove one thing; not finding it is as good."""
    if kind == "group":
        with contextlib.suppress(ProcessLookupError):
            os.killpg(int(name), signal.SIGKILL)
    elif kind == "folder":
        shutil.rmtree(name, ignore_errors=True)
    elif kind == "mount":
        subprocess.run(["umount", "--lazy", name], capture_output=True, check=False)
        with contextlib.suppress(OSError):
            os.rmdir(name)
    elif kind == "container":
        import docker  # only where the tests themselves came by way of Docker

        with contextlib.suppress(docker.errors.NotFound):
            docker.from_env().api.remove_container(name, force=True, v=True)


def serve(lines: TextIO) -> None:
    """Listen to the end, then clean up in the order of the list."""
    listed: list[Entry] = []
    for line in lines:
        note(listed, line)
    for kind, name in listed:
        try:
            clean(kind, name)
        except Exception as failure:  # the next thing must still be cleaned up
            print(f"could not clean up {kind} {name}: {failure}", file=sys.stderr)


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    serve(sys.stdin)
