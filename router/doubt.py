"""Which of the messages that come back is the one that ended whoever worked on it ◆

All that a router has in hand when it dies comes back, and the broker counts it for all alike, the culprit and what is
behind it. Consuming less would spare the others and cost their order: a quorum queue puts what comes back behind what
came back before. But doubtful messages are done one by one in the order of their queue, each when the one before it is
acknowledged. So the culprit can only be the first of those that came back together.
"""

from __future__ import annotations

from shared.bus.port import Received

MAX_RETURNS = 5
"""Times that a message comes back until nobody works on it any more, where it must be the culprit."""

MAX_RETURNS_OF_RIVALS = 10
"""The same where it may be another: the first messages of several queues, each of which may be a culprit."""


class Doubt:
    """Looks at every message, in the order in which they come."""

    def __init__(self) -> None:
        self._last: dict[str, int] = {}
        """The returns of the last message of each queue, where that came back."""
        self._first: set[int] = set()
        """Tags of suspects; of each queue one for each time that it was given to us."""

    def clear(self) -> None:
        """Begin anew: what was in hand is not ours any more."""
        self._last.clear()
        self._first.clear()

    def note(self, received: Received) -> None:
        """Look at a message that has come.

        It is the first of those that came back together where it has come back more often than the one before: further
        back in a queue, messages have come back as often or less often.
        """
        if not received.redelivered:
            self._last.pop(received.queue, None)
            return
        if received.returns >= MAX_RETURNS and received.returns > self._last.get(received.queue, 0):
            self._first.add(received.tag)
        self._last[received.queue] = received.returns

    def condemns(self, received: Received, rivals: int) -> bool:
        """Say whether nobody is to work on this message; `rivals` are those in other queues that are as doubtful.

        With rivals it waits: by turns one is done before the other, so a single culprit is the only one left soon.
        """
        suspect = received.tag in self._first
        self._first.discard(received.tag)
        return suspect and (not rivals or received.returns >= MAX_RETURNS_OF_RIVALS)
