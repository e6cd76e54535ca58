"""A small disk for a broker's data, which can be filled to the last byte: a tmpfs of ours."""

import contextlib
import errno
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from tests.support.broker.errors import NoWay
from tests.support.guard import guard

BALLAST = "ballast"
CHUNK = bytes(256 * 1024)


class SmallDisk:
    """Mounted at `folder`; ``NoWay`` where we are not root, for nobody else may mount one."""

    def __init__(self, size: int) -> None:
        if os.geteuid() != 0 or not shutil.which("mount"):
            raise NoWay("only root may mount a small disk for a broker")
        self._top = Path(tempfile.mkdtemp(prefix="penstock-disk-"))
        guard().watch("mount", self._top)
        mounted = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", f"size={size},mode=1777", "tmpfs", str(self._top)],
            capture_output=True,
            text=True,
            check=False,
        )
        if mounted.returncode:
            self._forget()
            raise NoWay(f"no small disk can be mounted: {mounted.stderr.strip()}")
        self.folder = self._top / "data"
        self.folder.mkdir()
        self.folder.chmod(0o777)  # in a container the broker is another user

    @property
    def free(self) -> int:
        """Bytes that are left."""
        left = os.statvfs(self._top)
        return left.f_bavail * left.f_frsize

    def fill(self) -> int:
        """Write until there is no room for a byte more; how many bytes that took. Call it again for what was freed."""
        with (self._top / BALLAST).open("ab", buffering=0) as ballast:
            for chunk in (CHUNK, CHUNK[:4096]):
                with contextlib.suppress(_Full):
                    while True:
                        _write(ballast.fileno(), chunk)
            return ballast.tell()

    def relieve(self) -> None:
        """Make room again."""
        (self._top / BALLAST).unlink(missing_ok=True)

    def dispose(self) -> None:
        """Unmount it; what was on it is gone."""
        subprocess.run(["umount", "--lazy", str(self._top)], capture_output=True, check=False)
        self._forget()

    def _forget(self) -> None:
        with contextlib.suppress(OSError):
            self._top.rmdir()
        guard().forget("mount", self._top)


class _Full(Exception):
    """There is no room."""


def _write(file: int, chunk: bytes) -> None:
    try:
        if os.write(file, chunk) < len(chunk):
            raise _Full
    except OSError as failure:
        if failure.errno != errno.ENOSPC:
            raise
        raise _Full from failure
