"""Start Penstock's processes for the figures, with limits lifted, and open its door with tokens of our own."""

import json
import os
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import jwt

from benchmarks.load.generator import Door
from benchmarks.processes import ROOT, Process

SECRET = "only-for-benchmarks-0123456789abcdef"
API_KEY = "only-for-benchmarks"
USERS = 10_000
SUBPROTOCOL = "penstock.v1.json"

TOML = """
user_rate = 1000000
user_burst = 1000000
connection_rate = 1000000
connection_burst = 1000000

[gateway]
max_connections = 100000
max_unauthenticated = 100000
max_per_address = 100000
max_http_connections = 10000
frame_rate = 100000
frame_burst = 100000
max_pending_requests = 10000

[[topics]]
match = "bench.plain.#"
history = 0

[[topics]]
match = "bench.#"
publish_rate = 1000000
publish_burst = 1000000
"""

ENVIRONMENT = {
    "PENSTOCK_AUTH__SECRET": SECRET,
    "PENSTOCK_API_KEYS": json.dumps([API_KEY]),
    "PENSTOCK_LOG_LEVEL": "warning",
}


def token(user: str) -> str:
    """A token that may subscribe and publish everything below `bench`."""
    rights = {"subscribe": ["bench.#"], "publish": ["bench.#"], "call": []}
    now = int(time.time())
    return jwt.encode({"sub": user, "iat": now, "exp": now + 7200, "penstock": rights}, SECRET, algorithm="HS256")


def write_tokens(path: Path) -> Path:
    """A token for each of `USERS` users, a line each: every client is a user of its own."""
    path.write_text("".join(f"{token(f'user-{number}')}\n" for number in range(USERS)))
    return path


def penstock_door(port: int, tokens: Path, topic: str | None) -> Door:
    """Connect with a token, then subscribe to `topic` (in which `<i>` is the client's number) unless it is None."""
    handshake = ['{"type":"connect","id":1,"token":"<value>"}']
    if topic is not None:
        handshake.append(f'{{"type":"subscribe","id":2,"topic":"{topic}"}}')
    return Door(port, "/ws", SUBPROTOCOL, tuple(handshake), tokens)


def start(
    folder: Path,
    command: str,
    *,
    port: int | None = None,
    metrics_port: int | None = None,
    amqp_url: str | None = None,
    store_url: str | None = None,
) -> Process:
    """Start `penstock COMMAND` in `folder`, where its `penstock.toml` lies."""
    (folder / "penstock.toml").write_text(TOML)
    env = {name: value for name, value in os.environ.items() if not name.startswith("PENSTOCK_")}
    env |= ENVIRONMENT | {"PYTHONPATH": str(ROOT)}
    if amqp_url is not None:
        env["PENSTOCK_AMQP_URL"] = amqp_url
    if store_url is not None:
        env["PENSTOCK_STORE_URL"] = store_url
    if metrics_port is not None:
        env["PENSTOCK_METRICS_PORT"] = str(metrics_port)
    argv = [sys.executable, "-m", "penstock", command]
    if port is not None:
        argv += ["--port", str(port)]
    return Process(argv, folder / f"{command}.log", env=env, cwd=folder)


def is_ready(port: int) -> bool:
    """Whether `/readyz` says that the way to a router and back is open."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=2) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False
