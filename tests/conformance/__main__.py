"""``python -m tests.conformance``: the Autobahn test suite against the gateway's WebSocket, and what came of it."""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import uvloop

from tests.conformance import verdicts
from tests.conformance.echo import EchoServer
from tests.conformance.suite import NoSuite, run
from tests.support.node_ws import MODULES

WS = "ws@8.23.0"
"""The package of npm, installed into a folder that is thrown away."""

SLOW_OR_UNSPOKEN = ("9", "12", "13")
"""Chapters whose cases end with no code of ours: they are not run a second time."""


async def conform(folder: Path) -> int:
    """Run the suite with the codes of RFC 6455, then with ours; 1 where anything failed."""
    plain = await _against(folder / "plain", plain_codes=True)
    print(_written(verdicts.table(plain)))
    for outcome in plain:
        if outcome.verdict not in ("OK", "UNIMPLEMENTED"):
            print(f"{outcome.case}: {outcome.verdict.lower()} (closed with {outcome.code})")
    ours = await _against(folder / "ours", plain_codes=False, without=SLOW_OR_UNSPOKEN)
    told = [outcome for outcome in ours if outcome.code == 4106]
    print(f"\nwith our close codes: {len(told)} of {len(ours)} cases end with 4106 instead of 1002 or 1007")
    bad = verdicts.failed(plain) + verdicts.other_faults(ours)
    print(f"{len(bad)} failed; a page for each case is in {folder}")
    return 1 if bad else 0


async def with_ws(folder: Path) -> int:
    """Try a whole gateway with npm's `ws`, beside the libraries that `make test` tries it with; 1 where that is red."""
    npm = shutil.which("npm")
    if npm is None or shutil.which("node") is None:
        print(f"\n{WS} was not tried: it needs node and npm")
        return 0
    if await _ended(npm, "install", "--no-audit", "--no-fund", "--prefix", str(folder), WS):
        print(f"\n{WS} was not tried: npm could not install it")
        return 0
    modules = {MODULES: str(folder / "node_modules")}
    tests = ("-m", "pytest", "-q", "tests/integration/gateway/test_libraries.py")
    return await _ended(sys.executable, *tests, **modules)


async def _ended(*command: str, **environment: str) -> int:
    process = await asyncio.create_subprocess_exec(*command, env=os.environ | environment)
    return await process.wait()


async def _against(folder: Path, *, plain_codes: bool, without: tuple[str, ...] = ()) -> list[verdicts.Outcome]:
    server = EchoServer(plain_codes=plain_codes)
    _, port = await server.start()
    try:
        return await run(port, folder, without=without)
    finally:
        await server.stop()


def _written(rows: Sequence[Sequence[str]]) -> str:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = ["| " + " | ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)) + " |" for row in rows]
    return "\n".join([lines[0], "|" + "|".join("-" * (width + 2) for width in widths) + "|", *lines[1:]])


def main() -> int:
    """Run it; 2 where nothing can be run."""
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            folder = Path(tempfile.mkdtemp(prefix="penstock-conformance-"))
            found = runner.run(conform(folder))
            with tempfile.TemporaryDirectory() as modules:
                return runner.run(with_ws(Path(modules))) or found
    except NoSuite as nothing:
        print(nothing, file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
