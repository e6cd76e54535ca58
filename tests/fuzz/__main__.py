"""``python -m tests.fuzz``: every decoder of strangers' bytes, for as long as wanted, and what was found."""

from __future__ import annotations

import argparse
import random
import sys

from tests.fuzz import engine, guided, siege
from tests.fuzz.engine import Report
from tests.fuzz.table import TARGETS

HINT = "without guidance; what inputs reach counts too where atheris is installed: .venv/bin/pip install atheris"


def main() -> int:
    """Search where it was asked for; 1 when anything was found, 2 when there is no such target."""
    options = _options()
    names = [*TARGETS, siege.NAME]
    if options.list:
        print("\n".join(names))
        return 0
    unknown = [name for name in options.only if name not in names]
    if unknown:
        print(f"no such target: {', '.join(unknown)}; --list tells which there are", file=sys.stderr)
        return 2
    is_guided = guided.is_there() and not options.blind
    print(f"seed {options.seed}, {options.seconds:g} s each, {'guided by coverage' if is_guided else HINT}")
    search = guided.search if is_guided else engine.search
    reports: list[Report] = []
    for name in options.only or names:
        if name == siege.NAME:
            reports.append(siege.lay(options.seconds, options.seed, say=_progress))
        else:
            reports.append(search(TARGETS[name], options.seconds, options.seed, say=_progress))
        print(f"\r{reports[-1]}", flush=True)
    found = [path for report in reports for path in report.found]
    inputs = sum(report.inputs for report in reports)
    print(f"\n{len(reports)} targets, {inputs:,} inputs, {len(found)} findings")
    if found:
        print("each is a test now, which is red: python -m pytest tests/fuzz -k found")
    return 1 if found else 0


def _progress(line: str) -> None:
    if sys.stdout.isatty():
        print(f"\r{line}", end="", flush=True)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--seconds", type=float, default=20.0, metavar="S", help="for each target (default 20)")
    parser.add_argument("--only", default="", metavar="NAME,NAME", help="these targets only")
    parser.add_argument("--seed", type=int, metavar="N", help="where chance begins (default: by chance; it is printed)")
    parser.add_argument("--blind", action="store_true", help="without atheris, though it is installed")
    parser.add_argument("--list", action="store_true", help="list the targets")
    options = parser.parse_args()
    options.only = [name.strip() for name in options.only.split(",") if name.strip()]
    options.seed = random.SystemRandom().randrange(1, 2**31) if options.seed is None else options.seed
    return options


if __name__ == "__main__":
    sys.exit(main())
