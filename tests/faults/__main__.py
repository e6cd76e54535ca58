"""``python -m tests.faults``: every fault, with as many seeds as wanted, and a table at the end."""

from __future__ import annotations

import argparse
import asyncio
import random
import sys
import tempfile
import time
import warnings
from pathlib import Path

import tests.faults.injections  # noqa: F401 (fills the table of faults)
from tests.faults.fault import FAULTS, Fault
from tests.faults.rig import Places
from tests.faults.table import rows_of, written
from tests.faults.trial import Report, attempt
from tests.support.broker import OwnBroker
from tests.support.broker import ways as ways_to_a_broker
from tests.support.errors import Missing
from tests.support.store import OwnServer
from tests.support.store import ways as ways_to_a_store


def main() -> int:
    """Run what was asked for; 1 when anything new was found, 2 when nothing can be run."""
    options = _options()
    if options.list:
        print("\n".join(f"{fault.key:5} {fault.what}" for fault in FAULTS.values()))
        return 0
    unknown = [key for key in options.only if key not in FAULTS]
    if unknown:
        print(f"no such fault: {', '.join(unknown)}; --list tells which there are", file=sys.stderr)
        return 2
    chosen = [FAULTS[key] for key in options.only or FAULTS]
    first = options.seed if options.seed is not None else random.SystemRandom().randrange(1, 1_000_000)
    seeds = range(first, first + options.seeds)
    try:
        broker_node = ways_to_a_broker.started_node()
    except Missing as nothing:
        print(nothing, file=sys.stderr)
        return 2
    try:
        store_node = ways_to_a_store.started_node()
        try:
            reports = _run(chosen, list(seeds), OwnBroker(broker_node), OwnServer(store_node), options.keep)
        finally:
            store_node.dispose()
    finally:
        broker_node.dispose()
    print("\n" + written(rows_of(reports)))
    for report in reports:
        if not report.passed:
            print("\n" + report.details())
    failed = [report for report in reports if report.is_new]
    print(f"\n{len(reports)} trials, {len(failed)} with findings that are new, seeds {seeds.start} to {seeds.stop - 1}")
    return 1 if failed else 0


def _run(faults: list[Fault], seeds: list[int], broker: OwnBroker, store: OwnServer, keep: Path | None) -> list[Report]:
    reports: list[Report] = []
    total = len(faults) * len(seeds)
    for seed in seeds:
        for fault in faults:
            began = time.monotonic()

            def tell(
                words: str, number: int = len(reports) + 1, fault: Fault = fault, seed: int = seed, began: float = began
            ) -> None:
                print(
                    f"[{number}/{total}] {fault.key} seed {seed}: {words} ({time.monotonic() - began:.0f} s)",
                    flush=True,
                )

            vhost = broker.create_vhost()
            store.ask("FLUSHALL")
            with tempfile.TemporaryDirectory(prefix="penstock-faults-") as temporary:
                folder = Path(temporary)
                if keep is not None:
                    folder = keep / f"{fault.key}-{seed}"
                    folder.mkdir(parents=True, exist_ok=True)
                try:
                    places = Places(broker, vhost, store.url, store)
                    report = asyncio.run(attempt(fault, places, seed, folder, tell))
                except KeyboardInterrupt:
                    print("interrupted")
                    return reports
                except Exception as failure:  # the next trial must still be carried out
                    report = Report.broken(fault, seed, failure, time.monotonic() - began)
                finally:
                    broker.delete_vhost(vhost)
            reports.append(report)
            tell(report.verdict)
            if not report.passed:
                print(report.details(), flush=True)
    return reports


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument("--seeds", type=int, default=1, metavar="N", help="seeds for each fault (default 1)")
    parser.add_argument("--seed", type=int, metavar="S", help="the first seed (default: by chance; it is printed)")
    parser.add_argument("--only", default="", metavar="F01,F07", help="these faults only")
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="keep the programs' logs there")
    parser.add_argument("--list", action="store_true", help="list the faults")
    options = parser.parse_args()
    options.only = [key.strip() for key in options.only.split(",") if key.strip()]
    return options


if __name__ == "__main__":
    warnings.simplefilter("ignore", ResourceWarning)
    sys.exit(main())
