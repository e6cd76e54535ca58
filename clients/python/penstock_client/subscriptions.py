"""What this client is subscribed to on the wire, and for whom ◆

Any number of subscribers share one subscription on the wire. It outlives connections: on each new one it is asked for
again, from where it left off, until its last subscriber leaves. Each has a cursor of its own, so that whatever the
gateway repeats for one of them is dropped for the others, and a hole in one is a `Gap` to those who follow it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from . import frames, verdicts
from .catchup import CatchUp
from .counters import Counters
from .cursor import Cursor
from .effects import Deliver, Effect, End, Send, Warn
from .errors import InvalidArgument, PenstockError
from .followers import Followers
from .messages import Gap, History, Position
from .patterns import check_pattern, is_wild, matches
from .positions import Positions
from .presence import Joined, Left
from .requests import Requests, Subscribing
from .settings import Settings
from .wire import Follower, Phase, WireSubscription


class Subscriptions:
    """Subscribers by pattern, and the way of incoming messages to them."""

    def __init__(self, requests: Requests, settings: Settings, counters: Counters) -> None:
        self._requests = requests
        self._settings = settings
        self._counters = counters
        self._heard = Positions()
        """The epoch of each topic, which comes with its first message only."""
        self._of: dict[int, WireSubscription] = {}
        self._exact: dict[str, WireSubscription] = {}
        self._wild: dict[str, WireSubscription] = {}
        self._followers = Followers(requests, settings, counters, self._of)
        self.retry_at: float | None = None
        """When a deferred request may be due; never later than the true time."""

    def add(
        self,
        subscriber: int,
        pattern: str,
        now: float,
        *,
        online: bool,
        since: Position | None,
        tail: int | None,
        presence: bool = False,
    ) -> list[Effect]:
        """Let a subscriber follow a pattern, from a position or with the last `tail` messages kept where it says so.

        Raises `InvalidArgument` for a bad pattern, one iterator too many, and a pattern's tail that comes too late.
        """
        check_pattern(pattern)
        if len(self._of) >= self._settings.max_subscriptions:
            raise InvalidArgument(f"There are {len(self._of)} open subscriptions already (max_subscriptions).")
        kin = self._wild if is_wild(pattern) else self._exact
        wire = kin.get(pattern)
        if presence and wire is not None and not wire.presence and wire.phase in (Phase.ASKED, Phase.LIVE):
            raise InvalidArgument(f"{pattern!r} is followed already, without presence: let its first iterator ask.")
        follower = Follower(presence=presence)
        if wire is None:
            wire = kin[pattern] = WireSubscription(pattern, Cursor(), tail)
            if since is not None:
                wire.cursor.places.note(pattern, since.epoch, since.offset)
        elif since is not None or tail:
            follower.catch_up = _own_way(pattern, since, tail or 0)
        wire.presence = wire.presence or presence
        self._of[subscriber] = wire
        wire.followers[subscriber] = follower
        if wire.phase is Phase.LIVE:
            return self._followers.serve(wire, subscriber, now)
        return [self._ask(wire, now)] if online and wire.phase is Phase.WANTED else []

    def remove(self, subscriber: int, *, online: bool) -> list[Effect]:
        """Let a subscriber go; the last one takes the subscription on the wire along. Unknown ones are ignored."""
        wire = self._of.pop(subscriber, None)
        if wire is None:
            return []
        self._followers.forget(wire, subscriber)
        if wire.followers:
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
        effects: list[Effect] = [self._ask(wire, now) for wire in deferred if wire.retry_at <= now]
        for wire in self._exact.values():
            if wire.phase is Phase.LIVE:
                effects += self._followers.ask_due(wire, now)
        times = [wire.retry_at for wire in deferred if wire.retry_at > now]
        times += [at for wire in self._exact.values() for at in self._followers.retries(wire)]
        self.retry_at = min(times, default=None)
        return effects

    def offline(self, now: float) -> None:
        """Note that the connection is gone: everything will have to be asked for again."""
        self.retry_at = None
        for wire in self._wires():
            wire.offline(now)

    def accepted(self, pattern: str, frame: dict[str, Any], now: float) -> list[Effect]:
        """Take the gateway's `subscribed`."""
        place, recovered = frames.position(frame), frames.optional(frame, "recovered", bool)
        at = frames.optional(frame, "at", int)
        wire = self._exact.get(pattern) or self._wild.get(pattern)
        if wire is None:
            return []
        returning = [subscriber for subscriber, follower in wire.followers.items() if follower.served]
        hole = self._hole(wire, place, recovered)
        wire.live(now, at)
        if place is not None:
            self._heard.note(pattern, place.epoch, place.offset)
        effects: list[Effect] = []
        for subscriber in wire.followers:
            effects += self._followers.serve(wire, subscriber, now)
        for subscriber in returning:
            if wire.followers[subscriber].presence:
                effects.append(Deliver(subscriber, Gap(pattern, "presence")))
        if hole is not None:
            affected = list(wire.followers) if wire.resumed else returning
            for subscriber in affected:
                effects += self._followers.hand(wire, subscriber, hole)
        return effects

    def resumed(self, frame: dict[str, Any], now: float) -> None:
        """Take the gateway's `caught_up`: all that was missed of a pattern has come."""
        pattern, at = frames.required(frame, "topic", str), frames.required(frame, "at", int)
        if (wire := self._wild.get(pattern)) is not None:
            wire.caught_up(now, at)

    def refused(self, pattern: str, code: str, reason: str, retry_after: float | None, now: float) -> list[Effect]:
        """Take the gateway's `error`: try again later, or tell the subscribers that there is no point."""
        wire = self._exact.get(pattern) or self._wild.get(pattern)
        if wire is None:
            return []
        if code in verdicts.RETRYABLE:
            wire.phase = Phase.DEFERRED
            wire.retry_at = now + (verdicts.RETRY_AFTER if retry_after is None else retry_after)
            self._wake_at(wire.retry_at)
            return [Warn(f"Subscribing to {pattern!r} is put off: {code} ({reason}).")]
        self._forget(wire)
        effects: list[Effect] = []
        for subscriber in list(wire.followers):
            del self._of[subscriber]
            self._followers.forget(wire, subscriber)
            effects.append(End(subscriber, verdicts.subscribe_failed(code, reason, retry_after, pattern=pattern)))
        return effects

    def deliver(self, frame: dict[str, Any]) -> list[Effect]:
        """Take a `message` to everyone whose subscription describes its topic and who has not had it."""
        known = self._heard.get(frames.required(frame, "topic", str))
        message = frames.message(frame, None if known is None else known.epoch)
        # Its epoch is said once on a connection, so it counts even if nobody here wants the message (any more).
        self._heard.note(message.topic, message.epoch, message.offset)
        self._counters.messages += 1
        wires = [wire for wire in self._describing(message.topic) if wire.takes(message)]
        if not wires:
            self._counters.unrouted += 1
            return []
        effects: list[Effect] = []
        is_new = False
        for wire in wires:
            items = wire.take(message)
            is_new = is_new or bool(items)
            self._counters.holes += len(items) > 1
            for subscriber, follower in wire.followers.items():
                own = items if follower.catch_up is None else follower.catch_up.take(message)
                effects += [Deliver(subscriber, item) for item in own]
                self._counters.gaps += len(own) > 1
        self._counters.duplicates += not is_new
        return effects

    def gap(self, frame: dict[str, Any]) -> list[Effect]:
        """Take a `gap` to everyone whose subscription describes its topic and who is not behind it already."""
        hole = frames.gap(frame)
        if hole.offset is not None:
            self._heard.note(hole.topic, hole.epoch, hole.offset - 1)
        effects: list[Effect] = []
        for wire in self._describing(hole.topic):
            if (wire.phase is Phase.LIVE or wire.served) and wire.cursor.pass_over(hole):
                for subscriber in wire.followers:
                    effects += self._followers.hand(wire, subscriber, hole)
        return effects

    def tell(self, news: Joined | Left) -> list[Effect]:
        """Take a `joined` or `left` to those who want to be told."""
        wire = self._exact.get(news.topic)
        followers = {} if wire is None else wire.followers
        return [Deliver(subscriber, news) for subscriber, follower in followers.items() if follower.presence]

    def caught_up(self, subscriber: int, history: History, now: float) -> list[Effect]:
        """Take the `result` that a subscriber on its own way waits for."""
        return self._followers.read(subscriber, history, now) if subscriber in self._of else []

    def not_caught_up(
        self, subscriber: int, code: str, reason: str, retry_after: float | None, now: float
    ) -> list[Effect]:
        """Take the `error` instead: ask again later, go on without the past, or tell that there is no point."""
        wire = self._of.get(subscriber)
        if wire is None:
            return []
        if code in verdicts.RETRYABLE:
            at = now + (verdicts.RETRY_AFTER if retry_after is None else retry_after)
            self._followers.put_off(subscriber, at)
            self._wake_at(at)
            return []
        if code == "not_found":
            return self._followers.go_without(subscriber)
        failed = verdicts.subscribe_failed(code, reason, retry_after, pattern=wire.pattern)
        return [End(subscriber, failed), *self.remove(subscriber, online=True)]

    def end(self, error: PenstockError | None) -> list[Effect]:
        """Let everyone go."""
        effects: list[Effect] = [End(subscriber, error) for subscriber in self._of]
        self._of.clear()
        self._exact.clear()
        self._wild.clear()
        self.retry_at = None
        return effects

    def _hole(self, wire: WireSubscription, place: Position | None, recovered: bool | None) -> Gap | None:
        """Say what a `subscribed` costs those who come back, where no `gap` of the gateway will say it.

        Notes where the subscription stands from now on.
        """
        if recovered:
            self._counters.resumes += 1
            return None
        hole = Gap(wire.pattern, "reconnected")
        if place is not None:
            hole = Gap(wire.pattern, "reconnected", place.offset + 1, place.epoch)
        if recovered is False and wire.resumed:
            if place is not None:
                # A `gap` follows. Should it be lost with the connection, we must still stand where we stood.
                return None
            wire.cursor.places.forget(wire.pattern)
            return hole
        if wire.cursor.stands_at(wire.pattern, place):
            return None
        if place is None:
            wire.cursor.places.forget(wire.pattern)
        elif not wire.is_wild:
            wire.cursor.places.note(wire.pattern, place.epoch, place.offset)
        return hole

    def _ask(self, wire: WireSubscription, now: float) -> Send:
        # A `from` must fit into one message, beside the rest of its frame.
        since = wire.since(self._settings.max_send_size * 3 // 4)
        wire.phase, wire.resumed = Phase.ASKED, since is not None
        number = self._requests.add(Subscribing(wire.pattern), now + self._settings.request_timeout)
        return Send(frames.subscribe(number, wire.pattern, since, wire.tail, presence=wire.presence))

    def _forget(self, wire: WireSubscription) -> None:
        (self._wild if wire.is_wild else self._exact).pop(wire.pattern)

    def _wires(self) -> Iterator[WireSubscription]:
        yield from self._exact.values()
        yield from self._wild.values()

    def _describing(self, topic: str) -> list[WireSubscription]:
        """Return every subscription that describes `topic`."""
        exact = self._exact.get(topic)
        found = [] if exact is None else [exact]
        if self._wild:
            segments = tuple(topic.split("."))
            found += [wire for wire in self._wild.values() if matches(wire.segments, segments)]
        return found

    def _wake_at(self, at: float) -> None:
        self.retry_at = at if self.retry_at is None else min(self.retry_at, at)


def _own_way(pattern: str, since: Position | None, tail: int) -> CatchUp:
    if is_wild(pattern):
        raise InvalidArgument(f"{pattern!r} is followed already: a pattern's `tail` is for its first iterator.")
    return CatchUp(pattern, since, tail)
