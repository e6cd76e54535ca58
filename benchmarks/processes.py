"""Start and stop the processes under test; read what they used from /proc."""

import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parent.parent
"""Where the packages are found: the working folder of `python -m …`."""

TICKS = os.sysconf("SC_CLK_TCK")
START_SECONDS = 30.0
STOP_SECONDS = 10.0


class Memory(NamedTuple):
    """Resident and proportional set size, in bytes."""

    rss: int
    pss: int


class ProcessFailed(Exception):
    """A process under test ended, or was not ready in time; the message carries the end of its log."""


class Process:
    """A child process whose output goes to a log file."""

    def __init__(
        self, argv: list[str], log: Path, env: Mapping[str, str] | None = None, cwd: Path | None = None
    ) -> None:
        self.argv = argv
        self.log = log
        with log.open("ab") as output:
            self.child = subprocess.Popen(
                argv, stdin=subprocess.DEVNULL, stdout=output, stderr=output, env=env, cwd=cwd, start_new_session=True
            )
        self.pid = self.child.pid

    def wait_until(self, ready: Callable[[], bool], seconds: float = START_SECONDS) -> None:
        """Poll `ready`; raise ProcessFailed when the process ends first or `seconds` pass."""
        deadline = time.monotonic() + seconds
        while not ready():
            if self.child.poll() is not None:
                raise ProcessFailed(f"{self.argv} ended with {self.child.returncode}:\n{self.tail()}")
            if time.monotonic() > deadline:
                self.stop()
                raise ProcessFailed(f"{self.argv} was not ready within {seconds:.0f} s:\n{self.tail()}")
            time.sleep(0.02)

    def tail(self, lines: int = 20) -> str:
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])

    def kill(self) -> None:
        """SIGKILL; returns when the process is gone."""
        self.child.kill()
        self.child.wait()

    def stop(self) -> None:
        """Ask the process to end, then insist."""
        if self.child.poll() is None:
            self.child.send_signal(signal.SIGTERM)
            try:
                self.child.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                os.killpg(self.pid, signal.SIGKILL)
                self.child.wait()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def accepts(port: int) -> bool:
    """Whether something listens on the loopback port."""
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def tree(pid: int) -> list[int]:
    """The process and all that descend from it."""
    return [pid, *(below for child in children(pid) for below in tree(child))]


def cpu_seconds(pids: Iterable[int]) -> float:
    """User and system time of the processes until now, in seconds; a process that has gone counts nothing."""
    total = 0
    for pid in pids:
        try:
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            continue
        total += int(fields[11]) + int(fields[12])
    return total / TICKS


def machine_cpu_seconds() -> float:
    """What all CPUs together were busy until now, in seconds, stolen time included."""
    user, nice, system, _idle, _iowait, irq, softirq, steal = map(
        int, Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]
    )
    return (user + nice + system + irq + softirq + steal) / TICKS


def pin(pids: Iterable[int], cpu: int) -> None:
    """Let all threads of the processes run on one CPU only."""
    for pid in pids:
        for thread in Path(f"/proc/{pid}/task").iterdir():
            os.sched_setaffinity(int(thread.name), {cpu})


def forget_peak(pid: int) -> None:
    """Let the peak of a process's memory begin anew, at what it holds now."""
    Path(f"/proc/{pid}/clear_refs").write_text("5")


def peak(pid: int) -> int:
    """The most that the process held since `forget_peak`, in bytes of RSS."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:"))


def memory(pids: Iterable[int]) -> Memory:
    """What the processes hold now."""
    rss = pss = 0
    for pid in pids:
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Rss:"):
                rss += int(line.split()[1]) * 1024
            elif line.startswith("Pss:"):
                pss += int(line.split()[1]) * 1024
    return Memory(rss, pss)
