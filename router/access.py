"""Who may do what: a right is a pattern, and it must cover all that is asked for ◆

Decisions are remembered under the patterns and the topic as they are, side by side. Nothing is put together to one
string, where ``a.b`` + ``c`` and ``a`` + ``b.c`` would be the same (CVE-2026-39972).
"""

from __future__ import annotations

from functools import lru_cache

from shared.topics import any_covers, matches

CACHED_DECISIONS = 65_536
"""Decisions that are remembered, of each kind; the longest unused are taken anew."""


@lru_cache(maxsize=CACHED_DECISIONS)
def may_publish(rights: tuple[str, ...], topic: str) -> bool:
    """Say whether one of `rights` matches `topic`."""
    return any(matches(right, topic) for right in rights)


@lru_cache(maxsize=CACHED_DECISIONS)
def may_subscribe(rights: tuple[str, ...], wanted: str) -> bool:
    """Say whether one of `rights` covers `wanted`, a topic or a pattern, entirely.

    Rights are not added up: ``a`` and ``b`` together do not cover a pattern of which each covers a half.
    """
    return any_covers(rights, wanted)
