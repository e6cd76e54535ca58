"""Whether the broker has the acknowledgements that it was sent."""

from __future__ import annotations

import asyncio

from shared.bus.port import Intake as Consumption
from shared.bus.port import Received

PATIENCE = 0.02
"""Seconds for which a turn waits for the broker's word. Then it goes on without: a broker that is slow is not to make
all wait, and nothing is forgotten before it has answered."""


class Proof:
    """Asks the broker, once at a time, about all that was acknowledged until then."""

    def __init__(self) -> None:
        self._answer: asyncio.Task[bool] | None = None
        self._to_ask: dict[Consumption, Received] = {}
        """The last message that was acknowledged since it was asked, of each consumption."""
        self._dropped: set[asyncio.Task[bool]] = set()

    def need(self, last: Received, consumption: Consumption) -> None:
        """Find out about all that was acknowledged up to `last`."""
        self._to_ask[consumption] = last
        if self._answer is None or _is_yes(self._answer):  # a yes that nobody has heard yet knows nothing of this one
            self._answer = asyncio.create_task(self._ask(self._to_ask), name="acknowledgements")

    def drop(self) -> None:
        """Want to know nothing any more."""
        if self._answer is not None and not self._answer.done():
            self._dropped.add(self._answer)  # to cancel a question costs the channel it is asked on
            self._answer.add_done_callback(self._dropped.discard)
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
        while to_ask:
            consumption, last = to_ask.popitem()
            if not await consumption.flush(last):
                return False
        return True


def _is_yes(answer: asyncio.Task[bool]) -> bool:
    return answer.done() and not answer.cancelled() and answer.exception() is None and answer.result()
