"""When a token must be replaced ◆"""

from __future__ import annotations

from typing import Final

MARGIN: Final = 5.0
"""Seconds by which a new token comes before the old one ends, where its life allows."""
SHARE: Final = 0.8
"""The part of a token's life after which a new one is fetched, where that is earlier."""
RETRY: Final = 5.0
"""Seconds until another try when a new token could not be had or was refused."""
SHORTEST: Final = 1.0
"""Seconds; tokens that live shorter are not chased."""


def renew_in(expires_in: float) -> float:
    """Return the seconds to wait before replacing a token that lives `expires_in` seconds more.

    80 % of its life and at least 5 s before its end; half of it when it lives 10 s or less.
    """
    if expires_in <= 2 * MARGIN:
        return max(SHORTEST, expires_in / 2)
    return min(SHARE * expires_in, expires_in - MARGIN)


class Renewal:
    """The present token and what is known of its life."""

    def __init__(self, token: str | None, *, renewable: bool) -> None:
        self.token = token
        self._renewable = renewable
        self._due_at: float | None = None
        self._fetching = False
        self._refused = False

    def needed(self, now: float) -> bool:
        """Say whether a token must be fetched before the next connection."""
        if not self._renewable:
            return False
        return self.token is None or (self._due_at is not None and now >= self._due_at)

    @property
    def due_at(self) -> float | None:
        """When a new token is to be fetched for the living connection; None while that goes on, or never."""
        return self._due_at if self._renewable and not self._fetching else None

    def fetching(self) -> None:
        """Note that a new token is on its way, so that it is not asked for twice."""
        self._fetching = True

    def obtained(self, token: str) -> None:
        """Hold a new token that the gateway has not seen yet."""
        self.token = token
        self._due_at = None

    def accepted(self, expires_in: float | None, now: float) -> None:
        """Note that the gateway took the token and how long it lets it live (None: for ever)."""
        self._fetching = False
        self._refused = False
        self._due_at = None if expires_in is None else now + renew_in(expires_in)

    def put_off(self, now: float, after: float | None) -> None:
        """Note that no new token could be had or placed; try again later."""
        self._fetching = False
        self._due_at = now + max(RETRY, after or 0.0)

    def refused(self) -> bool:
        """Note that the gateway refused the token; say whether a new one may help.

        It may once: a second refusal without an accepted token between them is final.
        """
        if not self._renewable or self._refused:
            return False
        self._refused = True
        self.token = None
        return True
