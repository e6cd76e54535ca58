"""Runs the suite's fuzzing client against a port of this machine, with whichever program of it is there."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import sys
from pathlib import Path

from tests.conformance.verdicts import Outcome, outcomes

KOSOKU = "kosoku==0.1.0"
"""Autobahn's own case files with a runner for Python 3; its wheels are for Linux, macOS and Windows."""

NOTHING = f"""The WebSocket conformance suite needs one of these, and has none:
  - kosoku, which runs Autobahn's case files on Python 3: `.venv/bin/uv tool install {KOSOKU}`, with PyPI in reach
  - wstest of autobahntestsuite 25.10.1, which needs Python 2.7: name it with WSTEST=/path/to/wstest"""

WITHIN = 600.0
"""Seconds for one run; it takes one to two minutes with its 517 cases."""


class NoSuite(Exception):
    """There is no program of the suite."""


async def run(port: int, folder: Path, *, without: tuple[str, ...] = ()) -> list[Outcome]:
    """Run all cases, but those of the chapters in `without`; raise `NoSuite` where nothing can run them.

    Reports, a page for each case, are left in `folder`.
    """
    command = _wstest(port, folder, without) or _kosoku(port, folder, without)
    if command is None:
        raise NoSuite(NOTHING)
    output = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(*command, stdout=output, stderr=asyncio.subprocess.STDOUT)
    try:
        said, _ = await asyncio.wait_for(process.communicate(), WITHIN)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    return _read(folder / "index.json", f"{command[0]} was tried, and ended with:\n{said.decode()[-2000:]}")


def _read(index: Path, otherwise: str) -> list[Outcome]:
    if not index.exists():
        raise NoSuite(f"{NOTHING}\n{otherwise}")
    return outcomes(json.loads(index.read_text()))


def _wstest(port: int, folder: Path, without: tuple[str, ...]) -> list[str] | None:
    program = os.environ.get("WSTEST") or shutil.which("wstest")
    if not program:
        return None
    folder.mkdir(parents=True, exist_ok=True)
    spec = folder / "spec.json"
    server = {"agent": "penstock", "url": f"ws://127.0.0.1:{port}"}
    said = {"outdir": str(folder), "servers": [server], "cases": ["*"], "exclude-agent-cases": {}}
    spec.write_text(json.dumps(said | {"exclude-cases": [f"{chapter}.*" for chapter in without]}))
    return [program, "-m", "fuzzingclient", "-s", str(spec)]


def _kosoku(port: int, folder: Path, without: tuple[str, ...]) -> list[str] | None:
    uv = Path(sys.executable).with_name("uv")
    if program := shutil.which("kosoku"):
        command = [program]
    elif uv.exists():
        command = [str(uv), "tool", "run", "--from", KOSOKU, "kosoku"]
    else:
        return None
    folder.mkdir(parents=True, exist_ok=True)
    excluded = [part for chapter in without for part in ("-x", f"{chapter}.*")]
    return [*command, "-o", str(folder), *excluded, f"127.0.0.1:{port}"]
