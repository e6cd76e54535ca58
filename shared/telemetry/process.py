"""What the operating system knows of this process."""

from __future__ import annotations

import os
import resource
import time
from dataclasses import dataclass
from pathlib import Path

from shared.telemetry.instruments import counter, gauge

_PAGE = resource.getpagesize()

MANY_FILES = 1_048_576
"""What Linux allows a process at most unless it was told otherwise (fs.nr_open)."""


@dataclass(slots=True)
class ProcessCounters:
    """Named as Prometheus' own client libraries name them."""

    cpu_seconds: float = 0.0
    resident_memory_bytes: int = 0
    open_fds: int = 0
    max_fds: int = 0
    start_time_seconds: float = 0.0

    def refresh(self) -> None:
        """Read the numbers anew."""
        if not self.start_time_seconds:
            self.start_time_seconds = time.time()
        self.cpu_seconds = time.process_time()
        self.resident_memory_bytes = _resident()
        self.open_fds = _open_fds()
        self.max_fds = file_limit()


PROCESS = {
    "cpu_seconds": counter("User and system CPU time of this process, in seconds."),
    "resident_memory_bytes": gauge("Memory in use, in bytes."),
    "open_fds": gauge("Open file descriptors."),
    "max_fds": gauge("File descriptors that may be open (ulimit -n)."),
    "start_time_seconds": gauge("When the process was first measured, in seconds since 1970."),
}


def file_limit() -> int:
    """Return how many file descriptors this process may have open."""
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0]


def most_files() -> int:
    """Return up to how many that may be raised without anybody's leave (the hard limit)."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    return MANY_FILES if hard == resource.RLIM_INFINITY else hard


def raise_file_limit() -> None:
    """Raise the limit as far as it may be: systems set it low by default, for programs that use select()."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = min(most_files(), MANY_FILES)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def _resident() -> int:
    try:
        return int(Path("/proc/self/statm").read_text().split()[1]) * _PAGE
    except OSError:  # no /proc: the largest it ever was, in kilobytes on BSD and bytes on macOS
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def _open_fds() -> int:
    for folder in ("/proc/self/fd", "/dev/fd"):
        try:
            return len(os.listdir(folder))
        except OSError:
            continue
    return 0
