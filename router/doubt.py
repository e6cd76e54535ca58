"""Which of the messages that come back is the one that ends whoever works on it ◆

All that a router has in hand when it dies comes back, and the broker counts it for all alike: the culprit, what is
behind it, and what nobody had looked at. So what counts is not how often a message came back, but how often work on it,
alone, was begun and came to no end. The store knows that, for all routers (`shared.store.port.Store.begin`).

Where the store is away, or ends with its router, there are only the returns to go by, and a higher limit. Consuming
less would spare the others and cost their order: a quorum queue puts what comes back behind what came back before. But
doubtful messages are done one by one in the order of their queue, each when the one before it is acknowledged. So the
culprit can only be the first of those that came back together.
"""

from __future__ import annotations

from hashlib import blake2b

import msgspec

from router.refusals import Unprocessable, came_back, never_ended
from shared.bus.port import Received

MAX_BEGUN = 5
"""Attempts that were begun and came to no end, until there is no further one."""

MAX_BEGUN_OF_MANY = 2
"""The same of a message that came back `MAX_RETURNS` times: there are many culprits in its queue, and all that is in
hand with them must get away before the queue gives it up (`shared.bus.topology.ROUTE_DELIVERIES`)."""

MAX_RETURNS = 20
"""Times that a message comes back until nobody works on it any more, where it must be the culprit and nobody counts
attempts."""

MAX_RETURNS_OF_RIVALS = 40
"""The same where it may be another: the first messages of several queues, each of which may be a culprit."""

_encode = msgspec.msgpack.Encoder().encode


def identity(received: Received) -> str:
    """Return what tells a message from all others, but for identical twins: what ends us in one does in the other."""
    parts = received.exchange, received.routing_key, received.content_type, received.message_id, received.body
    return blake2b(_encode(parts), digest_size=16).hexdigest()


class Doubt:
    """Looks at every message, in the order in which they come."""

    def __init__(self) -> None:
        self._last: dict[str, int] = {}
        """The returns of the last message of each queue, where that came back."""
        self._first: set[tuple[str, int]] = set()
        """Queues and tags of suspects, for channels have the same tags; of each queue one for each time that it was
        given to us."""

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
            self._first.add((received.queue, received.tag))
        self._last[received.queue] = received.returns

    def verdict(self, received: Received, rivals: int, begun: int | None) -> Unprocessable | None:
        """Return why nobody is to work on this message; None where we do.

        `begun` is how many attempts have begun and came to no end, with the one that is before us; None where nobody
        counts them. `rivals` are the messages in other queues that are as doubtful. With rivals it waits: by turns one
        is done before the other, so a single culprit is the only one left soon.
        """
        suspect = (received.queue, received.tag) in self._first
        self._first.discard((received.queue, received.tag))
        if begun is not None:
            most = MAX_BEGUN if received.returns < MAX_RETURNS else MAX_BEGUN_OF_MANY
            return never_ended(begun - 1) if begun > most else None
        condemned = suspect and (not rivals or received.returns >= MAX_RETURNS_OF_RIVALS)
        return came_back(received.returns) if condemned else None
