"""The source files that the rules are about."""

from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
SERVER = ("shared", "gateway", "router", "workers", "penstock")
CLIENT = "clients/python/penstock_client"


@cache
def sources() -> dict[str, str]:
    """The text of every source file, by its path from the root of the project."""
    return {
        path.relative_to(ROOT).as_posix(): path.read_text(encoding="utf-8")
        for folder in (*SERVER, CLIENT)
        for path in sorted((ROOT / folder).rglob("*.py"))
    }


def broken(found: dict[str, list[str]]) -> str:
    """What was found, a line each, for the message of a failing test."""
    return "".join(f"\n  {path}: {what}" for path, whats in found.items() for what in whats)
