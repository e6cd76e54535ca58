"""The report as a table"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from tests.faults.trial import Report

HEAD = (
    "fault",
    "what was injected",
    "seeds",
    "verdict",
    "recovered within",
    "published",
    "repeated",
    "gaps told",
    "most in a partition's / a gateway's queue",
)

Row = Sequence[str]


def rows_of(reports: Iterable[Report]) -> list[Row]:
    """Return a row for each fault, over all its seeds."""
    by_fault: dict[str, list[Report]] = {}
    for report in reports:
        by_fault.setdefault(report.fault.key, []).append(report)
    return [HEAD, *(_row(several) for several in by_fault.values())]


def _row(reports: Sequence[Report]) -> Row:
    fault = reports[0].fault
    recovered = [report.recovered_in for report in reports if report.recovered_in is not None]
    verdicts = sorted({report.verdict for report in reports if not report.passed}) or ["ok"]
    return (
        fault.key,
        fault.what,
        str(len(reports)),
        "; ".join(verdicts),
        f"{max(recovered):.1f} s" if recovered else "-",
        str(sum(report.published for report in reports)),
        str(sum(report.repeated for report in reports)),
        str(sum(report.gaps for report in reports)),
        " / ".join(str(max(report.deepest.get(kind, 0) for report in reports)) for kind in ("route", "gateway")),
    )


def written(rows: Sequence[Row]) -> str:
    """Return it as Markdown that is also readable as it is."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |" for row in rows
    ]
    return "\n".join([lines[0], "|" + "|".join("-" * (width + 2) for width in widths) + "|", *lines[1:]])
