"""What the exit codes of every command mean ◆"""

from __future__ import annotations

from enum import IntEnum


class Exit(IntEnum):
    """An exit code. `TEXT` says the same for people."""

    OK = 0
    FAILED = 1
    USAGE = 2
    UNREACHABLE = 3
    REFUSED = 4
    CONFIGURATION = 5
    INTERRUPTED = 130


MEANING = {
    Exit.OK: "done",
    Exit.FAILED: "it did not work, or a check found a failure",
    Exit.USAGE: "the command was written wrongly",
    Exit.UNREACHABLE: "something it needs cannot be reached: the broker, a gateway; try again later",
    Exit.REFUSED: "refused: no right, a bad token or key, a full queue",
    Exit.CONFIGURATION: "a setting is missing, wrong, or does not fit what the broker holds",
    Exit.INTERRUPTED: "interrupted a second time, left at once",
}


def table() -> str:
    """Return the codes as lines for the end of ``penstock --help``."""
    return "\n".join(f"  {int(code):<4} {meaning}" for code, meaning in MEANING.items())
