"""Take the figures and print them as markdown: `python -m benchmarks --help`."""

import importlib
import signal
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.bench import Bench
from benchmarks.machine import describe
from benchmarks.options import read_options
from benchmarks.table import Report, summary


def main() -> None:
    options = read_options()
    # Ended by SIGTERM, it stops what it started all the same: a router that is left would find the next run's broker.
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    began = time.monotonic()
    reports: list[Report] = []
    with tempfile.TemporaryDirectory(prefix="penstock-bench-") as folder, Bench(Path(folder), options) as bench:
        for name in options.figures:
            print(f"{name} …", file=sys.stderr)
            report = importlib.import_module(f"benchmarks.figures.{name}").measure(bench)
            print(report.markdown(), file=sys.stderr)
            reports.append(report)
        lines = describe(bench.broker_name)
    lines.append(f"- {time.strftime('%Y-%m-%d')}, {time.monotonic() - began:.0f} s in all")
    verdicts = [verdict for report in reports for verdict in report.verdicts]
    parts = ["\n".join(lines), *([summary(verdicts)] if verdicts else []), *(report.markdown() for report in reports)]
    text = "\n\n".join(parts)
    print(text)
    if options.output:
        options.output.write_text(text + "\n")


if __name__ == "__main__":
    main()
