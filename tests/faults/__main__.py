"""``python -m tests.faults``: every fault, with as many seeds as wanted, and a table at the end."""

from __future__ import annotations

import argparse
import random
import sys
import time
import warnings
from pathlib import Path

from tests.faults.fault import FAULTS
from tests.faults.lane import Job, Lane, run
from tests.faults.table import rows_of, written
from tests.faults.trial import Report
from tests.support.broker.lending import broker_lender
from tests.support.errors import Missing
from tests.support.lending import Description, Lender
from tests.support.store.lending import store_lender


def main() -> int:
    """Run what was asked for; 1 when anything new was found, 2 when nothing can be run."""
    options = _options()
    if options.list:
        print("\n".join(f"{each.key:5} {each.what}{' (long)' if each.long else ''}" for each in FAULTS.values()))
        return 0
    unknown = [key for key in options.only if key not in FAULTS]
    if unknown:
        print(f"no such fault: {', '.join(unknown)}; --list tells which there are", file=sys.stderr)
        return 2
    chosen = options.only or all_of_them(short=options.short)
    if not options.only and (left := [key for key in FAULTS if key not in chosen]):
        print(f"without the long ones: {', '.join(left)}")
    first = options.seed if options.seed is not None else random.SystemRandom().randrange(1, 1_000_000)
    seeds = range(first, first + options.seeds)
    began = time.monotonic()
    broker, store = broker_lender(), store_lender()
    try:
        reports = _reports(broker, store, [(key, seed) for seed in seeds for key in chosen], options)
    except Missing as nothing:
        print(nothing, file=sys.stderr)
        return 2
    finally:
        store.close()
        broker.close()
    print("\n" + written(rows_of(reports)))
    for report in reports:
        if not report.passed:
            print("\n" + report.details())
    failed = [report for report in reports if report.is_new]
    print(
        f"\n{len(reports)} trials, {len(failed)} with findings that are new, seeds {seeds.start} to {seeds.stop - 1}, "
        f"in {time.monotonic() - began:.0f} s"
    )
    return 1 if failed else 0


def all_of_them(*, short: bool) -> list[str]:
    """Return every fault by its key; where it should be `short`, without the long ones."""
    return [key for key, fault in FAULTS.items() if not (short and fault.long)]


def _reports(broker: Lender, store: Lender, trials: list[tuple[str, int]], options: argparse.Namespace) -> list[Report]:
    jobs = [Job(key, seed, number, len(trials)) for number, (key, seed) in enumerate(trials, 1)]
    lane = Lane(_lent(broker), _lent(store), options.keep)
    reports: list[Report] = []
    try:
        for report in run(jobs, lane, options.parallel):
            reports.append(report)
    except KeyboardInterrupt:
        print("interrupted")
    order = list(FAULTS)
    return sorted(reports, key=lambda report: (order.index(report.fault.key), report.seed))


def _lent(lender: Lender) -> Description:
    described = lender.lend()
    if "error" in described:
        raise Missing(described["error"])
    return described


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument("--seeds", type=int, default=1, metavar="N", help="seeds for each fault (default 1)")
    parser.add_argument("--seed", type=int, metavar="S", help="the first seed (default: by chance; it is printed)")
    parser.add_argument("--only", default="", metavar="F01,F07", help="these faults only")
    parser.add_argument("--short", action="store_true", help="without the long ones; --only runs them nevertheless")
    parser.add_argument("--long", action="store_true", help=argparse.SUPPRESS)  # what is done without it, too
    parser.add_argument("--parallel", type=int, default=1, metavar="N", help="so many trials at a time (default 1)")
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="keep the programs' logs there")
    parser.add_argument("--list", action="store_true", help="list the faults")
    options = parser.parse_args()
    options.only = [key.strip() for key in options.only.split(",") if key.strip()]
    return options


if __name__ == "__main__":
    warnings.simplefilter("ignore", ResourceWarning)
    sys.exit(main())
