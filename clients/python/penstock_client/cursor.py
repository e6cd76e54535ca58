"""Where one subscription stands in the log of each topic: what is new, what is double, where something is missing ◆"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from .messages import Gap, Message, Position
from .patterns import is_wild
from .positions import MAX_TOPICS, Positions

DROPPED: Final = "dropped"
TRIMMED: Final = "trimmed"
EPOCH_CHANGED: Final = "epoch_changed"


class Cursor:
    """Lets each (epoch, offset) of a topic through once, in order, and puts a `Gap` where some are left out.

    Remembers the `limit` topics with the latest news. Of a topic that it does not know it takes what comes first.
    """

    def __init__(self, limit: int = MAX_TOPICS) -> None:
        self.places = Positions(limit)

    def take(self, message: Message, cause: str = DROPPED) -> list[Message | Gap]:
        """Return what to hand out for a message: nothing when it is a double; `cause` is that of a hole before it."""
        topic, offset = message.topic, message.offset
        if offset is None:
            return [message]
        known = self.places.get(topic)
        if message.epoch is None and known is not None:
            message = replace(message, epoch=known.epoch)
        if message.epoch is None:
            return [message]
        before = self._before(known, topic, message.epoch, offset, cause)
        if before is None:
            return []
        self.places.note(topic, message.epoch, offset)
        return [*before, message]

    def is_next(self, message: Message) -> bool:
        """Say whether a message is the very next of a topic that is known."""
        known = self.places.get(message.topic)
        if known is None or message.offset != known.offset + 1:
            return False
        return message.epoch is None or message.epoch == known.epoch

    def pass_over(self, hole: Gap) -> bool:
        """Go on behind a hole that was announced; False when we are there already, so that nothing is missing here."""
        if hole.offset is None or hole.epoch is None:
            self.places.forget(hole.topic)
            return True
        known = self.places.get(hole.topic)
        if known is not None and known.epoch == hole.epoch and known.offset >= hole.offset - 1:
            return False
        if not is_wild(hole.topic):
            self.places.note(hole.topic, hole.epoch, hole.offset - 1)
        return True

    def stands_at(self, topic: str, place: Position | None) -> bool:
        """Say whether `place` is known and is what was seen last of `topic`."""
        return place is not None and self.places.get(topic) == place

    @staticmethod
    def _before(known: Position | None, topic: str, epoch: str, offset: int, cause: str) -> list[Gap] | None:
        """Return the gap that belongs before a message, if any; None when the message is a double."""
        if known is None:
            return []
        if known.epoch != epoch:
            return [Gap(topic, EPOCH_CHANGED, offset, epoch)]
        if offset <= known.offset:
            return None
        missed = offset - known.offset - 1
        return [Gap(topic, cause, offset, epoch, missed)] if missed else []
