"""One window of measurement: a publisher publishes, a generator receives, CPU is read at both ends."""

import json
import subprocess
import sys
import time
from dataclasses import dataclass
from typing import Any

from benchmarks.load.generator import Generator
from benchmarks.peers.peer import Peer
from benchmarks.processes import ROOT, cpu_seconds, machine_cpu_seconds

WARM_SECONDS = 0.7
FIRST_MESSAGE_SECONDS = 15.0


class WindowFailed(Exception):
    """Nothing arrived, or a publisher did not finish."""


@dataclass(frozen=True)
class Window:
    """What one window saw. CPU in seconds, per role."""

    seconds: float
    counted: dict[str, Any]
    cpu: dict[str, float]

    @property
    def server_cpu(self) -> float:
        """CPU of the role that holds the connections: the first one."""
        return next(iter(self.cpu.values()))

    @property
    def cpu_per_delivery(self) -> float:
        """Microseconds."""
        return self.server_cpu / int(self.counted["messages"]) * 1e6

    def cpu_words(self) -> str:
        return ", ".join(f"{role} {used:.2f}" for role, used in self.cpu.items()) + f" in {self.seconds:.1f} s"


def roles_cpu(peer: Peer, generator: Generator) -> dict[str, float]:
    used = {role: cpu_seconds(pids) for role, pids in peer.roles().items()}
    return used | {"generator": cpu_seconds([generator.pid]), "machine": machine_cpu_seconds()}


def since(before: dict[str, float], after: dict[str, float]) -> dict[str, float]:
    return {role: after[role] - before[role] for role in after}


def with_publisher(cpu: dict[str, float], publisher: float) -> dict[str, float]:
    """The roles' CPU with the publisher's, and what the rest of the machine used in the place of its sum."""
    roles = {role: used for role, used in cpu.items() if role != "machine"} | {"publisher": publisher}
    return roles | {"others": max(0.0, cpu["machine"] - sum(roles.values()))}


def publish(argv: list[str], rate: float, seconds: float, size: int) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", *argv, "--rate", str(rate), "--seconds", str(seconds), "--size", str(size)]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE)


def finish(publisher: subprocess.Popen[bytes], seconds: float = 30) -> dict[str, Any]:
    """Wait for a publisher's end and return what it reports."""
    try:
        output = publisher.communicate(timeout=seconds)[0]
    except subprocess.TimeoutExpired:
        publisher.kill()
        publisher.communicate()
        raise WindowFailed(f"a publisher did not end within {seconds:.0f} s: {publisher.args!r}") from None
    if publisher.returncode != 0:
        raise WindowFailed(f"a publisher failed: {publisher.args!r}")
    report: dict[str, Any] = json.loads(output)
    return report


def await_first_message(generator: Generator) -> None:
    deadline = time.monotonic() + FIRST_MESSAGE_SECONDS
    while not generator.count()["messages"]:
        if time.monotonic() > deadline:
            raise WindowFailed(f"no message reached a subscriber within {FIRST_MESSAGE_SECONDS:.0f} s")
        time.sleep(0.02)


def steady_window(
    peer: Peer, generator: Generator, publisher_argv: list[str], *, rate: float, size: int, seconds: float
) -> Window:
    """Publish at `rate` for a while and measure `seconds` out of its middle."""
    generator.start()
    publisher = publish(publisher_argv, rate, WARM_SECONDS + seconds + 1.5, size)
    try:
        await_first_message(generator)
        time.sleep(WARM_SECONDS)
        generator.start()
        before = roles_cpu(peer, generator)
        began = time.monotonic()
        time.sleep(seconds)
        cpu = since(before, roles_cpu(peer, generator))
        counted = generator.stop()
        took = time.monotonic() - began
    finally:
        report = finish(publisher)
    if report["refused"]:
        raise WindowFailed(f"{peer.name} refused {report['refused']} of {report['sent']} messages")
    return Window(took, counted, with_publisher(cpu, report["cpu"] * took / report["seconds"]))
