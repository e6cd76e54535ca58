"""How long to wait before trying again ◆"""

from __future__ import annotations


def full_jitter(attempt: int, chance: float, *, base: float = 0.5, cap: float = 20.0) -> float:
    """Return the seconds to wait before attempt number `attempt` (0, 1, 2 …): ``chance · min(cap, base · 2ⁿ)``.

    `chance` is a random number in [0, 1). Full jitter spreads a crowd that lost the same peer over the whole span.
    """
    return chance * min(cap, base * 2.0 ** min(attempt, 62))
