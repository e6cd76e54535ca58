"""What this client is subscribed to on the wire, and for whom ◆

Any number of subscribers share one subscription on the wire. It outlives connections: on each new one it is asked for
again, until its last subscriber leaves. Here is also where resuming will sit: `Positions` holds what `from` will carry.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Any, Final

from . import frames, verdicts
from .counters import Counters
from .effects import Deliver, Effect, End, Send, Subscribed, Warn
from .errors import InvalidArgument, PenstockError
from .messages import Gap
from .patterns import check_pattern, is_wild, matches
from .positions import Position, Positions
from .requests import Requests, Subscribing
from .settings import Settings

RETRY_AFTER: Final = 1.0
"""Seconds until a refused subscribe is repeated when the gateway names no time."""


class Phase(Enum):
    """Where a subscription stands on the present connection."""

    WANTED = auto()
    ASKED = auto()
    LIVE = auto()
    DEFERRED = auto()
    """Refused for a while; asked for again at `retry_at`."""


@dataclass(slots=True)
class WireSubscription:
    """One topic or pattern, however many follow it here."""

    pattern: str
    segments: tuple[str, ...]
    phase: Phase = Phase.WANTED
    retry_at: float = 0.0
    subscribers: dict[int, bool] = field(default_factory=dict)
    """Whether each was served before: those who were learn of a gap, the others have missed nothing."""


class Subscriptions:
    """Subscribers by pattern, and the way of incoming messages to them."""

    def __init__(self, requests: Requests, settings: Settings, counters: Counters) -> None:
        self._requests = requests
        self._settings = settings
        self._counters = counters
        self._positions = Positions()
        self._of: dict[int, WireSubscription] = {}
        self._exact: dict[str, WireSubscription] = {}
        self._wild: dict[str, WireSubscription] = {}
        self.retry_at: float | None = None
        """When a deferred subscription may be due; never later than the true time."""

    def add(self, subscriber: int, pattern: str, now: float, *, online: bool) -> list[Effect]:
        """Let a subscriber follow a pattern. Raises `InvalidArgument` for a bad pattern or one iterator too many."""
        check_pattern(pattern)
        if len(self._of) >= self._settings.max_subscriptions:
            raise InvalidArgument(f"There are {len(self._of)} open subscriptions already (max_subscriptions).")
        kin = self._wild if is_wild(pattern) else self._exact
        wire = kin.get(pattern)
        if wire is None:
            wire = kin[pattern] = WireSubscription(pattern, tuple(pattern.split(".")))
        live = wire.phase is Phase.LIVE
        wire.subscribers[subscriber] = live
        self._of[subscriber] = wire
        if live:
            return [Subscribed(subscriber)]
        return [self._ask(wire, now)] if online and wire.phase is Phase.WANTED else []

    def remove(self, subscriber: int, *, online: bool) -> list[Effect]:
        """Let a subscriber go; the last one takes the subscription on the wire along. Unknown ones are ignored."""
        wire = self._of.pop(subscriber, None)
        if wire is None:
            return []
        del wire.subscribers[subscriber]
        if wire.subscribers:
            return []
        self._forget(wire)
        if not online or wire.phase not in (Phase.ASKED, Phase.LIVE):
            return []
        self._requests.drop(Subscribing(wire.pattern))
        return [Send(frames.unsubscribe(self._requests.number(), wire.pattern))]

    def ask_all(self, now: float) -> list[Effect]:
        """Ask for everything: the connection is new."""
        return [self._ask(wire, now) for wire in self._wires()]

    def ask_due(self, now: float) -> list[Effect]:
        """Ask again for what was refused for a while."""
        deferred = [wire for wire in self._wires() if wire.phase is Phase.DEFERRED]
        self.retry_at = min((wire.retry_at for wire in deferred if wire.retry_at > now), default=None)
        return [self._ask(wire, now) for wire in deferred if wire.retry_at <= now]

    def offline(self) -> None:
        """Note that the connection is gone: everything will have to be asked for again."""
        self.retry_at = None
        for wire in self._wires():
            wire.phase = Phase.WANTED

    def accepted(self, pattern: str, frame: dict[str, Any]) -> list[Effect]:
        """Take the gateway's `subscribed`."""
        epoch, offset = frames.optional(frame, "epoch", str), frames.optional(frame, "offset", int)
        recovered = frames.optional(frame, "recovered", bool)
        wire = self._exact.get(pattern) or self._wild.get(pattern)
        if wire is None:
            return []
        effects: list[Effect] = [Subscribed(subscriber) for subscriber in wire.subscribers]
        if not recovered and not self._stands_at(pattern, epoch, offset):
            returning = [subscriber for subscriber, served in wire.subscribers.items() if served]
            self._counters.gaps += len(returning)
            hole = Gap(pattern, "reconnected", offset=None if offset is None else offset + 1, epoch=epoch)
            effects += [Deliver(subscriber, hole) for subscriber in returning]
        wire.phase = Phase.LIVE
        wire.subscribers = dict.fromkeys(wire.subscribers, True)
        if not is_wild(pattern):
            self._positions.note(pattern, epoch, offset)
        return effects

    def refused(self, pattern: str, code: str, reason: str, retry_after: float | None, now: float) -> list[Effect]:
        """Take the gateway's `error`: try again later, or tell the subscribers that there is no point."""
        wire = self._exact.get(pattern) or self._wild.get(pattern)
        if wire is None:
            return []
        if code in verdicts.RETRYABLE:
            wire.phase = Phase.DEFERRED
            wire.retry_at = now + (RETRY_AFTER if retry_after is None else retry_after)
            self.retry_at = wire.retry_at if self.retry_at is None else min(self.retry_at, wire.retry_at)
            return [Warn(f"Subscribing to {pattern!r} is put off: {code} ({reason}).")]
        self._forget(wire)
        effects: list[Effect] = []
        for subscriber in wire.subscribers:
            del self._of[subscriber]
            effects.append(End(subscriber, verdicts.subscribe_failed(code, reason, retry_after, pattern=pattern)))
        return effects

    def deliver(self, frame: dict[str, Any]) -> list[Effect]:
        """Take a `message` to everyone whose subscription describes its topic."""
        known = self._positions.get(frames.required(frame, "topic", str))
        message = frames.message(frame, None if known is None else known.epoch)
        self._counters.messages += 1
        effects = self._to_all(message.topic, message)
        if effects:
            self._positions.note(message.topic, message.epoch, message.offset)
        else:
            self._counters.unrouted += 1
        return effects

    def gap(self, frame: dict[str, Any]) -> list[Effect]:
        """Take a `gap` to everyone whose subscription describes its topic."""
        hole = frames.gap(frame)
        effects = self._to_all(hole.topic, hole)
        self._counters.gaps += len(effects)
        if effects and hole.offset is not None:
            self._positions.note(hole.topic, hole.epoch, hole.offset - 1)
        return effects

    def end(self, error: PenstockError | None) -> list[Effect]:
        """Let everyone go."""
        effects: list[Effect] = [End(subscriber, error) for subscriber in self._of]
        self._of.clear()
        self._exact.clear()
        self._wild.clear()
        self.retry_at = None
        return effects

    def _ask(self, wire: WireSubscription, now: float) -> Send:
        wire.phase = Phase.ASKED
        number = self._requests.add(Subscribing(wire.pattern), now + self._settings.request_timeout)
        return Send(frames.subscribe(number, wire.pattern))

    def _forget(self, wire: WireSubscription) -> None:
        (self._wild if is_wild(wire.pattern) else self._exact).pop(wire.pattern)
        self._positions.forget(wire.pattern)

    def _wires(self) -> Iterator[WireSubscription]:
        yield from self._exact.values()
        yield from self._wild.values()

    def _to_all(self, topic: str, item: Any) -> list[Effect]:
        """Return deliveries for every live subscription that describes `topic`."""
        exact = self._exact.get(topic)
        serving = [] if exact is None else [exact]
        if self._wild:
            segments = tuple(topic.split("."))
            serving += [wire for wire in self._wild.values() if matches(wire.segments, segments)]
        return [
            Deliver(subscriber, item) for wire in serving if wire.phase is Phase.LIVE for subscriber in wire.subscribers
        ]

    def _stands_at(self, topic: str, epoch: str | None, offset: int | None) -> bool:
        """Say whether the topic's head is what was last seen here, so that nothing was missed."""
        if epoch is None or offset is None:
            return False
        return self._positions.get(topic) == Position(epoch, offset)
