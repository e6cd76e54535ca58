"""Where each topic was last seen ◆"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from typing import Final

from .messages import Position

MAX_TOPICS: Final = 4096
"""Topics remembered. The one longest without news is forgotten first: then its next message is taken as it comes, and
its epoch reads None until the gateway says it again."""


class Positions:
    """The last known position of each topic, in bounded memory."""

    def __init__(self, limit: int = MAX_TOPICS) -> None:
        self._limit = limit
        self._places: OrderedDict[str, Position] = OrderedDict()

    def __len__(self) -> int:
        return len(self._places)

    def get(self, topic: str) -> Position | None:
        """Return where `topic` was last seen."""
        return self._places.get(topic)

    def note(self, topic: str, epoch: str | None, offset: int | None) -> None:
        """Remember a position, unless a later one of the same epoch is known. Topics without history have none."""
        if epoch is None or offset is None:
            return
        known = self._places.get(topic)
        if known is not None and known.epoch == epoch and known.offset > offset:
            return
        self._places[topic] = Position(epoch, offset)
        self._places.move_to_end(topic)
        if len(self._places) > self._limit:
            self._places.popitem(last=False)

    def latest(self) -> Iterator[tuple[str, Position]]:
        """Yield topics and their positions, those with the latest news first."""
        for topic in reversed(self._places):
            yield topic, self._places[topic]

    def forget(self, topic: str) -> None:
        """Forget a topic that nobody follows any more."""
        self._places.pop(topic, None)
