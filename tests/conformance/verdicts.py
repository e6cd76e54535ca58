"""What came of the suite's cases, by chapter ◆"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from shared.codes import CloseCode

CHAPTERS = {
    "1": "Framing",
    "2": "Pings and pongs",
    "3": "Reserved bits",
    "4": "Opcodes",
    "5": "Fragmentation",
    "6": "UTF-8",
    "7": "Close handshake",
    "9": "Limits",
    "10": "Autofragmentation",
    "12": "permessage-deflate",
    "13": "permessage-deflate, parameters",
}
HEAD = ("chapter", "cases", "ok", "non-strict", "informational", "unimplemented", "failed")
WRONG_CODE = "WRONG CODE"


@dataclass(frozen=True)
class Outcome:
    """One case: what the suite says of it and of its end, and the close code that the server sent."""

    case: str
    behavior: str
    close: str
    code: int | None

    @property
    def verdict(self) -> str:
        """Return the behaviour; a case that ended wrongly has failed, however well it went before."""
        is_good = self.close in ("OK", "INFORMATIONAL", "UNIMPLEMENTED")
        return self.behavior if is_good or self.behavior == "FAILED" else "FAILED"

    @property
    def chapter(self) -> str:
        """Return the number of its chapter."""
        return self.case.partition(".")[0]


def outcomes(index: Mapping[str, Mapping[str, Mapping[str, object]]]) -> list[Outcome]:
    """Return what an ``index.json`` of the suite says of its one server."""
    (cases,) = index.values()
    found = [
        Outcome(case, str(said["behavior"]), str(said["behaviorClose"]), _number(said.get("remoteCloseCode")))
        for case, said in cases.items()
    ]
    return sorted(found, key=lambda outcome: [int(part) for part in outcome.case.split(".")])


def _number(code: object) -> int | None:
    return code if isinstance(code, int) else None


def failed(found: Iterable[Outcome]) -> list[Outcome]:
    """Return the cases that failed."""
    return [outcome for outcome in found if outcome.verdict == "FAILED"]


def table(found: Iterable[Outcome]) -> list[tuple[str, ...]]:
    """Return a row for each chapter, and one for all."""
    kept = list(found)
    rows = [HEAD]
    for number, name in CHAPTERS.items():
        mine = [outcome for outcome in kept if outcome.chapter == number]
        if mine:
            rows.append(_row(f"{number} {name}", mine))
    return [*rows, _row("all", kept)]


def _row(name: str, those: list[Outcome]) -> tuple[str, ...]:
    said = [outcome.verdict.lower() for outcome in those]
    return name, str(len(those)), *(str(said.count(word)) for word in HEAD[2:])


def other_faults(ours: Iterable[Outcome]) -> list[Outcome]:
    """Return the cases that fail with our close codes for another reason than that the suite does not know them.

    A client that breaks the protocol is closed with 4106, where RFC 6455 has 1002 and 1007, so that every client knows
    from the range of the code that coming back as it is will not help.
    """
    return [
        outcome
        for outcome in failed(ours)
        if not (outcome.close == WRONG_CODE and outcome.code == CloseCode.BAD_FRAME)
    ]
