"""This machine: Python, open files, the clock, the port."""

from __future__ import annotations

import errno
import http.client
import socket
import sys
from datetime import UTC, datetime

from penstock.doctor.verdict import Verdict, fail, ok, warn

OLDEST_PYTHON = (3, 11)
NEWEST_TESTED = (3, 14)

FILES_BESIDE = 64
"""File descriptors that a process needs for other things than clients: the broker, logs, the event loop."""

RELEASED = datetime(2025, 1, 1, tzinfo=UTC).timestamp()
"""No clock that is right shows less, in seconds since 1970: Penstock is younger."""


def python(version: tuple[int, int] = sys.version_info[:2]) -> Verdict:
    """Judge the version of Python."""
    name = ".".join(map(str, version))
    if version < OLDEST_PYTHON:
        return fail("python", f"Python {name}", "Penstock needs Python 3.11 or later.")
    if version > NEWEST_TESTED:
        return warn("python", f"Python {name}, newer than what Penstock was tested with", "Prefer 3.11 to 3.14.")
    return ok("python", f"Python {name}")


def open_files(limit: int, max_connections: int) -> Verdict:
    """Judge the hard limit of open files (ulimit -Hn), to which a gateway raises its own, by its connections."""
    needed = max_connections + FILES_BESIDE
    if limit >= needed:
        return ok("open files", f"{limit:,} may be open, {needed:,} are needed at most")
    return warn(
        "open files",
        f"{limit:,} may be open, and {max_connections:,} connections are allowed: "
        f"clients after the {max(0, limit - FILES_BESIDE):,}th will be refused",
        f"Raise the limit (`ulimit -Hn {needed}`, LimitNOFILE= of systemd, ulimits of a container), "
        f"or lower PENSTOCK_GATEWAY__MAX_CONNECTIONS.",
    )


def clock(now: float) -> Verdict:
    """Judge the clock: tokens expire by it."""
    shown = datetime.fromtimestamp(now, UTC)
    if now < RELEASED:
        return fail(
            "clock",
            f"it shows {shown:%Y-%m-%d %H:%M} UTC, which is past",
            "Set the clock, and let NTP keep it: tokens are checked by it.",
        )
    return ok("clock", f"{shown:%Y-%m-%d %H:%M:%S} UTC")


def port(host: str, number: int) -> Verdict:
    """Judge whether a gateway could listen there."""
    where = f"{host}:{number}"
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((host, number))
    except OSError as error:
        if error.errno == errno.EADDRINUSE and _is_gateway(host, number):
            return ok("port", f"a Penstock gateway listens on {where}")
        if error.errno == errno.EADDRINUSE:
            return fail("port", f"another program listens on {where}", "Stop it, or choose another PENSTOCK_PORT.")
        return fail("port", f"{where} cannot be used: {error.strerror}", "Change PENSTOCK_HOST or PENSTOCK_PORT.")
    return ok("port", f"{where} is free")


def _is_gateway(host: str, number: int) -> bool:
    reachable = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
    connection = http.client.HTTPConnection(reachable, number, timeout=2.0)
    try:
        connection.request("GET", "/healthz")
        return b'"alive"' in connection.getresponse().read(1024)
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
