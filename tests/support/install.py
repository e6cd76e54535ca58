"""Install a server with apt-get, as root on Debian or Ubuntu."""

import contextlib
import logging
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

from tests.support.errors import NoWay

# Debian asks this script before it starts a freshly installed service; 101 means "do not".
POLICY = Path("/usr/sbin/policy-rc.d")

UPDATE_WITHIN = 300.0  # seconds
INSTALL_WITHIN = 900.0

log = logging.getLogger(__name__)


def install(package: str) -> None:
    """Install *package* without starting its service; ``NoWay`` where that is not for us to do."""
    if not (Path("/etc/debian_version").exists() and shutil.which("apt-get")):
        raise NoWay("apt-get is not here to install one")
    if os.geteuid() != 0:
        raise NoWay("only root may install one with apt-get")
    log.warning("installing %s with apt-get", package)
    with no_services_started():
        _apt_get("update", within=UPDATE_WITHIN)
        _apt_get("install", "-y", "--no-install-recommends", package, within=INSTALL_WITHIN)


@contextlib.contextmanager
def no_services_started(policy: Path = POLICY) -> Iterator[None]:
    """Have a policy in place that keeps new services down, unless the machine has one of its own."""
    try:
        with policy.open("x") as script:
            script.write("#!/bin/sh\nexit 101\n")
    except FileExistsError:
        yield
        return
    policy.chmod(0o755)
    try:
        yield
    finally:
        policy.unlink(missing_ok=True)


def _apt_get(*arguments: str, within: float) -> None:
    try:
        done = subprocess.run(
            ["apt-get", "-q", *arguments],
            env={**os.environ, "DEBIAN_FRONTEND": "noninteractive", "NEEDRESTART_SUSPEND": "1"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=within,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise NoWay(f"apt-get {arguments[0]} did not end within {within:g} s") from None
    if done.returncode:
        last = (done.stdout.strip().splitlines() or ["no words"])[-1]
        raise NoWay(f"apt-get {arguments[0]} failed: {last}")
