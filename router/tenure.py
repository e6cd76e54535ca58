"""Names the turns of a router, so that the store knows which of them may not be acknowledged"""

from __future__ import annotations

from secrets import token_bytes

from shared.store.port import TENURE_BYTES, Turn


class Tenure:
    """Counts turns, and does so under another name whenever what is in hand comes anew."""

    def __init__(self) -> None:
        self._name = token_bytes(TENURE_BYTES)
        self._number = 0

    def end(self) -> None:
        """Begin another one: nobody knows any more which messages of the last turn are acknowledged."""
        self._name = token_bytes(TENURE_BYTES)
        self._number = 0

    def turn(self) -> Turn:
        """Return the next turn: all that came in those before it is acknowledged."""
        self._number += 1
        return Turn(self._name, self._number)
