"""How long to wait before coming back ◆"""

from __future__ import annotations

from typing import Final

BASE: Final = 0.5
"""Seconds; the longest first pause."""
CAP: Final = 20.0
"""Seconds; no pause is longer."""
LONG_LIFE: Final = 30.0
"""Seconds a connection must have lived for the next pause to be a first one again."""


def full_jitter(attempt: int, chance: float) -> float:
    """Return ``chance · min(20 s, 0.5 s · 2ⁿ)`` for attempt n = 0, 1, 2 …; `chance` is random in [0, 1).

    The whole span is used, so that a crowd that lost the same gateway does not come back at one moment.
    """
    # 2⁶ · 0.5 s is beyond the cap already; the bound keeps the power from overflowing.
    return chance * min(CAP, BASE * 2.0 ** min(attempt, 16))
