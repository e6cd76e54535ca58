"""Holds back log lines that repeat ◆

Ten thousand bad frames a second must not become ten thousand lines. Each kind of line may appear `LINES` times in
`SPAN` seconds; how many were left out is told with the next one that appears.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass

LINES = 20
SPAN = 10.0
"""Seconds."""
MAX_KINDS = 512
"""Kinds of lines remembered; the one unused for longest is forgotten, and so is its count."""


@dataclass(slots=True)
class _Seen:
    since: float
    lines: int = 0
    held_back: int = 0


class Damper:
    """Says of each line whether it may appear."""

    __slots__ = ("_kinds", "_lines", "_span")

    def __init__(self, lines: int = LINES, span: float = SPAN) -> None:
        self._lines = lines
        self._span = span
        self._kinds: OrderedDict[object, _Seen] = OrderedDict()

    def admit(self, kind: object, now: float) -> int | None:
        """Return None where the line is to be held back, else how many of its kind were since the last one."""
        seen = self._kinds.get(kind)
        if seen is None:
            seen = self._kinds[kind] = _Seen(since=now)
            if len(self._kinds) > MAX_KINDS:
                self._kinds.popitem(last=False)
        else:
            self._kinds.move_to_end(kind)
        if now - seen.since >= self._span:
            seen.since, seen.lines = now, 0
        if seen.lines >= self._lines:
            seen.held_back += 1
            return None
        seen.lines += 1
        held_back, seen.held_back = seen.held_back, 0
        return held_back
