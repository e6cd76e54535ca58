"""Whether the broker has the acknowledgements that it was sent."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from shared.bus.port import Intake as Consumption
from shared.bus.port import Received

PATIENCE = 0.02
"""Seconds for which a turn waits for the broker's word. Then it goes on without: a broker that is slow is not to make
all wait, and nothing is forgotten before it has answered."""


class Proof:
    """Asks the broker, once at a time, about all that was acknowledged until then.

    Where that fails for no reason that the bus foresees, `failed` is called, and the broker may lack some.
    """

    def __init__(self, failed: Callable[[Exception], None]) -> None:
        self._failed = failed
        self._answer: asyncio.Task[bool] | None = None
        self._to_ask: dict[Consumption, Received] = {}
        """The last message that was acknowledged since it was asked, of each consumption."""

    def need(self, last: Received, consumption: Consumption) -> None:
        """Find out about all that was acknowledged up to `last`."""
        self._to_ask[consumption] = last
        if self._answer is None or _is_yes(self._answer):  # a yes that nobody has heard yet knows nothing of this one
            self._answer = asyncio.create_task(self._ask(self._to_ask), name="acknowledgements")

    def drop(self) -> None:
        """Want to know nothing any more."""
        if self._answer is not None:
            self._answer.cancel()
        self._answer = None
        self._to_ask = {}

    async def wait(self, within: float = PATIENCE) -> bool | None:
        """Return True where the broker has all, and False where it may lack some for good.

        None where it has not said so `within` so many seconds, or was asked nothing.
        """
        answer = self._answer
        if answer is None:
            return None
        await asyncio.wait((answer,), timeout=within)
        if answer is not self._answer or not answer.done():
            return None
        self._answer = None
        return _is_yes(answer)

    async def _ask(self, to_ask: dict[Consumption, Received]) -> bool:
        try:
            while to_ask:
                consumption, last = to_ask.popitem()
                if not await consumption.flush(last):
                    return False
        except Exception as fault:
            self._failed(fault)
            return False
        return True


def _is_yes(answer: asyncio.Task[bool]) -> bool:
    return answer.done() and not answer.cancelled() and answer.result()
