"""``python -m tests.conformance``: the Autobahn test suite against the gateway's WebSocket, and what came of it."""

from __future__ import annotations

import asyncio
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import uvloop

from tests.conformance import verdicts
from tests.conformance.echo import EchoServer
from tests.conformance.suite import NoSuite, run

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
            return runner.run(conform(Path(tempfile.mkdtemp(prefix="penstock-conformance-"))))
    except NoSuite as nothing:
        print(nothing, file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
