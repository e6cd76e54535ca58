"""Results as markdown."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from statistics import median


@dataclass(frozen=True)
class Verdict:
    """One bar of the project and what came of it; `met` is None when the figure is not held to a bar."""

    figure: str
    bar: str
    measured: str
    met: bool | None


@dataclass
class Report:
    """What one figure has to say."""

    title: str
    headers: Sequence[str]
    rows: list[Sequence[str]] = field(default_factory=list)
    verdicts: list[Verdict] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def markdown(self) -> str:
        lines = [f"### {self.title}", "", *table(self.headers, self.rows)]
        return "\n".join([*lines, *(["", *(f"- {note}" for note in self.notes)] if self.notes else []), ""])


def table(headers: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    return [
        "| " + " | ".join(headers) + " |",
        "| --- " + "| ---: " * (len(headers) - 1) + "|",
        *("| " + " | ".join(row) + " |" for row in rows),
    ]


def summary(verdicts: Iterable[Verdict]) -> str:
    words = {True: "yes", False: "**no**", None: ""}
    rows = [(v.figure, v.bar, v.measured, words[v.met]) for v in verdicts]
    return "\n".join(table(("figure", "bar", "measured", "met"), rows))


def spread(values: Sequence[float], digits: int = 1) -> str:
    """`median (least-most)`."""
    return f"{median(values):,.{digits}f} ({min(values):,.{digits}f}-{max(values):,.{digits}f})"
