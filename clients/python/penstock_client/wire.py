"""One subscription on the wire, and who follows it here ◆"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Any, Final

from . import frames
from .catchup import CatchUp
from .cursor import Cursor
from .messages import Gap, Message, Position
from .patterns import is_wild

MAX_PLACES: Final = 1_000
"""Places in the logs of a pattern's topics that a `from` may carry."""
PLACE_SIZE: Final = 64
"""Bytes that a place takes on the wire besides its topic and its epoch; rather too many than too few."""
SETTLING: Final = 60.0
"""Seconds after a pattern was resumed during which it is resumed from the same time again, unless `caught_up` comes.

What was missed of its topics comes one topic after the other. A newer time could hide what had not come yet, and a
gateway that is old, or not up to date itself, does not say when that is over. Doubles cost nothing but their bytes."""


class Phase(Enum):
    """Where a subscription stands on the present connection."""

    WANTED = auto()
    ASKED = auto()
    LIVE = auto()
    DEFERRED = auto()
    """Refused for a while; asked for again at `retry_at`."""


@dataclass(slots=True)
class Follower:
    """One subscriber. `served`: it heard something before, so it must learn of holes; others have missed nothing."""

    served: bool = False
    presence: bool = False
    """It wants to be told who joins and leaves."""
    catch_up: CatchUp | None = None
    """Its own way from its own place, where it joined with one."""


@dataclass(slots=True)
class WireSubscription:
    """One topic or pattern, however many follow it here."""

    pattern: str
    cursor: Cursor
    tail: int | None = None
    """What is asked for as long as nothing is known to resume from."""
    presence: bool = False
    """Whether anyone wants to be told who joins and leaves."""
    phase: Phase = Phase.WANTED
    retry_at: float = 0.0
    served: bool = False
    """Whether it was live before, on this connection or another."""
    resumed: bool = False
    """Whether the last subscribe said where it left off."""
    followers: dict[int, Follower] = field(default_factory=dict)
    segments: tuple[str, ...] = field(init=False)
    is_wild: bool = field(init=False)
    _at: int | None = None
    """From when a pattern is resumed: ms since 1970, by the clock of the gateways' side."""
    _heard_at: int | None = None
    _settled_at: float = 0.0

    def __post_init__(self) -> None:
        self.segments = tuple(self.pattern.split("."))
        self.is_wild = is_wild(self.pattern)

    @property
    def place(self) -> Position | None:
        """Where it stands in its topic's log; None for a pattern, and where it is not known."""
        return None if self.is_wild else self.cursor.places.get(self.pattern)

    def since(self, room: int) -> dict[str, Any] | None:
        """Return the `from` of the next subscribe, of about `room` bytes at most; None where nothing is known."""
        if not self.is_wild:
            return None if self.place is None else frames.place(self.place)
        if self._at is None:
            return None
        return {"at": self._at, "topics": dict(self._latest_places(room))}

    def takes(self, message: Message) -> bool:
        """Say whether a message is for this subscription now.

        While it is being resumed, what another one brings counts only if it is the very next: the rest is yet to come.
        """
        return self.phase is Phase.LIVE or (self.served and self.cursor.is_next(message))

    def take(self, message: Message) -> list[Message | Gap]:
        """Return what to hand out for a message."""
        items = self.cursor.take(message)
        if items:
            # What a back end says that happened earlier takes nothing back of what we have had.
            self._heard_at = message.at if self._heard_at is None else max(self._heard_at, message.at)
        return items

    def live(self, now: float, at: int | None) -> None:
        """Note the gateway's yes; `at` is when a pattern began, where the gateway says it."""
        if self._heard_at is None:
            self._heard_at = at
        self._settled_at = now + SETTLING if self.resumed or self.tail else now
        if self.place is not None:
            self.tail = None
        self.phase, self.served = Phase.LIVE, True

    def caught_up(self, now: float, at: int) -> None:
        """Note that all that was missed of a pattern has come: from now on it is resumed from `at`, or later."""
        if self.phase is Phase.LIVE:
            self._heard_at, self._settled_at = at, now

    def offline(self, now: float) -> None:
        """Note that the connection is gone."""
        if self.phase is Phase.LIVE and now >= self._settled_at and self._heard_at is not None:
            self._at, self.tail = self._heard_at, None
        self.phase = Phase.WANTED
        for follower in self.followers.values():
            if follower.catch_up is not None:
                follower.catch_up.asked, follower.catch_up.retry_at = False, None

    def _latest_places(self, room: int) -> Iterator[tuple[str, dict[str, Any]]]:
        for count, (topic, position) in enumerate(self.cursor.places.latest()):
            room -= len(topic) + len(position.epoch) + PLACE_SIZE
            if count >= MAX_PLACES or room < 0:
                return
            yield topic, frames.place(position)
