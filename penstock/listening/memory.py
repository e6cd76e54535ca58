"""What a listener remembers over its connections: what it has heard, and from where each subscription goes on ◆"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from penstock.listening.heard import Heard
from shared.topics import has_wildcard, matches

MAX_TOPICS = 4096
"""Topics whose places are remembered; the one longest without news is forgotten first."""

MAX_PLACES = 1_000
"""Places that one `from` may carry."""

ROOM = 40 * 1024
"""Bytes of all places that are sent at once: a gateway takes messages of 64 KiB."""

PLACE_SIZE = 64
"""Bytes that a place takes besides its topic and its epoch; rather too many than too few."""


class Place(NamedTuple):
    """A place in a topic's log."""

    epoch: str
    offset: int


@dataclass(slots=True)
class Followed:
    """One topic or pattern that is listened to."""

    at: int | None = None
    """From when a pattern is resumed: ms since 1970, by the clock of the gateways' side."""
    heard_at: int | None = None
    is_up_to_date: bool = False
    """All that was missed has come, so `heard_at` may be resumed from."""
    served: bool = False
    """It was live before, on this connection or another."""
    resumed: bool = False
    """The last subscribe said where it left off."""
    without_log: bool = False
    """Messages came on it that have no place in any log."""


class Memory:
    """See above. What it returns are texts for people, each of which tells where messages may be missing."""

    def __init__(self, patterns: Sequence[str]) -> None:
        self.patterns = tuple(dict.fromkeys(patterns))
        """What is listened to, each once."""
        self._followed = {pattern: Followed() for pattern in self.patterns}
        self._places: OrderedDict[str, Place] = OrderedDict()

    def offline(self) -> None:
        """Note that another connection begins: everything has to be subscribed to again."""
        for each in self._followed.values():
            if each.is_up_to_date:
                each.at = each.heard_at
            each.is_up_to_date = False

    def since(self, pattern: str) -> dict[str, Any] | None:
        """Return the `from` of the next subscribe; None where nothing is known to go on from."""
        each = self._followed[pattern]
        since: dict[str, Any] | None = None
        if not has_wildcard(pattern):
            since = None if (place := self._places.get(pattern)) is None else place._asdict()
        elif each.at is not None:
            since = {"at": each.at, "topics": dict(self._latest(pattern, ROOM // len(self._followed)))}
        each.resumed = since is not None
        return since

    def subscribed(self, pattern: str, frame: dict[str, Any]) -> list[str]:
        """Take the gateway's yes."""
        each = self._followed[pattern]
        was_served, each.served = each.served, True
        if each.heard_at is None:
            each.heard_at = frame.get("at")
        each.is_up_to_date = not each.resumed
        recovered, epoch = frame.get("recovered"), frame.get("epoch")
        if epoch is not None and pattern not in self._places:
            self._note(pattern, Place(str(epoch), int(frame["offset"])))
        if not was_served:
            return []
        if recovered is None or (recovered is False and epoch is None):
            return [_missing(pattern, "not all that was sent meanwhile can be had")]
        if each.without_log:
            return [_missing(pattern, "what was sent meanwhile is not kept on all of its topics")]
        return []  # nothing is missing, or a gap follows

    def caught_up(self, pattern: str, at: int) -> None:
        """Note that all that was missed of a pattern has come."""
        if (each := self._followed.get(pattern)) is not None and each.served:
            each.heard_at, each.is_up_to_date = at, True

    def gap(self, topic: str, place: Place, cause: str) -> list[str]:
        """Take a hole up to before `place` that the gateway tells of."""
        known = self._places.get(topic)
        if known is not None and known.epoch == place.epoch and known.offset >= place.offset - 1:
            return []
        self._note(topic, Place(place.epoch, place.offset - 1))
        return [_missing(topic, cause)]

    def take(self, message: Heard) -> tuple[bool, list[str]]:
        """Return whether a message is news, and what is to be told before it."""
        following = [each for pattern, each in self._followed.items() if matches(pattern, message.topic)]
        known = self._places.get(message.topic)
        if message.offset is None:
            for each in following:
                each.without_log = True
            return True, []
        epoch = message.epoch or (None if known is None else known.epoch)
        if epoch is None:
            return True, []
        place = Place(epoch, message.offset)
        told = []
        if known is not None and place.epoch != known.epoch:
            told = [_missing(message.topic, "epoch_changed")]
        elif known is not None and place.offset <= known.offset:
            return False, []
        elif known is not None and place.offset > known.offset + 1:
            told = [_missing(message.topic, f"{place.offset - known.offset - 1} did not come")]
        self._note(message.topic, place)
        for each in following:
            each.heard_at = max(each.heard_at or 0, message.at)
        return True, told

    def _note(self, topic: str, place: Place) -> None:
        self._places[topic] = place
        self._places.move_to_end(topic)
        if len(self._places) > MAX_TOPICS:
            self._places.popitem(last=False)

    def _latest(self, pattern: str, room: int) -> Iterator[tuple[str, dict[str, Any]]]:
        """Yield the places of the topics of a pattern, those with the latest news first, within the bounds."""
        many = 0
        for topic, place in reversed(self._places.items()):
            if not matches(pattern, topic):
                continue
            room -= len(topic) + len(place.epoch) + PLACE_SIZE
            many += 1
            if many > MAX_PLACES or room < 0:
                return
            yield topic, place._asdict()


def _missing(name: str, cause: str) -> str:
    return f"messages of {name} may be missing here: {cause}"
