"""How one subscriber reads what a topic has kept before it joins a subscription that is live already ◆

Its subscription on the wire belongs to others, who have their own place in the topic's log. So the past is read as a
history, what comes meanwhile is held, and then past, held and live are put together by offset: each once, in order,
and a `Gap` where the log no longer had something or more came than is held.
"""

from __future__ import annotations

from collections import deque
from typing import Final, NamedTuple

from .cursor import EPOCH_CHANGED, TRIMMED, Cursor
from .messages import Gap, History, Message, Position

MAX_HELD: Final = 1_000
"""Messages held while the past is read; the oldest is dropped first, which shows as a gap."""
PAGE: Final = 50
"""Messages read at once by who left off somewhere; fewer than the smallest sensible buffer of an iterator, so that
reading a long past does not overflow it."""


class Ask(NamedTuple):
    """What to ask of the topic's history."""

    limit: int
    after: int | None


class CatchUp:
    """The way of one subscriber from `since`, or from the last `tail` messages, to what is live."""

    def __init__(self, topic: str, since: Position | None, tail: int) -> None:
        self.start = since
        """The place before the first message that is handed out; None where it is not known yet."""
        self.asked = False
        """A history is on its way on the present connection."""
        self.retry_at: float | None = None
        """When to ask again, after a refusal."""
        self._topic = topic
        self._tail = tail
        self._is_tail = since is None
        self._asked_in: str | None = None
        self._stale: str | None = None
        """An epoch that was over when the past was read; what still comes of it is no news."""
        self._cursor = Cursor(limit=1)
        self._held: deque[Message | Gap] | None = deque(maxlen=MAX_HELD)
        if since is not None:
            self._cursor.places.note(topic, since.epoch, since.offset)

    @property
    def is_reading(self) -> bool:
        """Whether the past has not been read to its end yet."""
        return self._held is not None

    def ask(self, live: Position | None) -> Ask:
        """Return what to ask for next; `live` is where the subscription on the wire stands."""
        self.asked, self.retry_at = True, None
        self._asked_in = None if live is None else live.epoch
        place = self._cursor.places.get(self._topic)
        return Ask(self._tail, None) if self._is_tail or place is None else Ask(PAGE, place.offset)

    def take(self, item: Message | Gap) -> list[Message | Gap]:
        """Return what to hand out for something that came live: nothing as long as the past is read."""
        if self._held is not None:
            self._held.append(item)
            return []
        return self._pass(item)

    def answered(self, history: History) -> list[Message | Gap]:
        """Take a part of the past; return what to hand out. `is_reading` then says whether there is more."""
        self.asked = False
        if not self._agrees_with(history.epoch):
            return []
        known = self._cursor.places.get(self._topic)
        if known is not None and known.epoch != history.epoch:
            return [*self._skip_to(history, EPOCH_CHANGED), *self._release()]
        items: list[Message | Gap] = []
        for message in history.messages:
            items += self._cursor.take(message, TRIMMED)
        reached = self._cursor.places.get(self._topic)
        if not self._is_tail and reached is not None and reached != known and reached.offset < history.offset:
            return items
        items += self._skip_to(history, TRIMMED)
        if self.start is None:
            first = history.messages[0].offset if history.messages else None
            self.start = Position(history.epoch, history.offset if first is None else first - 1)
        return [*items, *self._release()]

    def unreadable(self) -> list[Message | Gap]:
        """Go on with what is live: the topic keeps no history."""
        self.asked = False
        self._cursor.places.forget(self._topic)
        lost = [] if self._is_tail else [Gap(self._topic, TRIMMED)]
        return [*lost, *self._release()]

    def _agrees_with(self, epoch: str) -> bool:
        """Say whether what was held can be joined to a past of this epoch; what is older than that is dropped.

        The log may have been lost between question and answer, and its new one be known here before or after.
        """
        assert self._held is not None, "only who reads the past gets it"
        epochs = [item.epoch for item in self._held]
        if epoch in epochs:
            for _ in range(epochs.index(epoch)):
                self._held.popleft()
        elif self._asked_in is not None and epoch != self._asked_in:
            if any(each not in (None, self._asked_in) for each in epochs):
                # Lost twice; which of the two is older cannot be told. Another answer will tell.
                return False
            self._held.clear()
            self._stale = self._asked_in
        return True

    def _skip_to(self, history: History, cause: str) -> list[Message | Gap]:
        """Go to the end of the log; with a gap, when something that came before it is not kept any more."""
        known = self._cursor.places.get(self._topic)
        hole = Gap(self._topic, cause, history.offset + 1, history.epoch)
        return [hole] if self._cursor.pass_over(hole) and known is not None else []

    def _release(self) -> list[Message | Gap]:
        held, self._held = self._held or (), None
        return [each for item in held for each in self._pass(item)]

    def _pass(self, item: Message | Gap) -> list[Message | Gap]:
        if item.epoch is not None and item.epoch == self._stale:
            return []
        if isinstance(item, Message):
            return self._cursor.take(item)
        return [item] if self._cursor.pass_over(item) else []
