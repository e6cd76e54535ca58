"""What each subscriber is told, and the way of those who join with a place of their own ◆"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from . import frames
from .counters import Counters
from .effects import Deliver, Effect, Send, Subscribed
from .messages import Gap, History, Message
from .requests import CatchingUp, Requests
from .settings import Settings
from .wire import WireSubscription


class Followers:
    """Acts on the followers of subscriptions; `of` says which subscription a subscriber follows."""

    def __init__(
        self, requests: Requests, settings: Settings, counters: Counters, of: Mapping[int, WireSubscription]
    ) -> None:
        self._requests = requests
        self._settings = settings
        self._counters = counters
        self._of = of

    def serve(self, wire: WireSubscription, subscriber: int, now: float) -> list[Effect]:
        """Note that a subscription is live for a subscriber: it is served, unless it reads the past before."""
        follower = wire.followers[subscriber]
        if follower.catch_up is not None and follower.catch_up.is_reading:
            return [] if follower.catch_up.asked else [self._ask(wire, subscriber, now)]
        follower.served = True
        return [Subscribed(subscriber, wire.place)]

    def hand(self, wire: WireSubscription, subscriber: int, hole: Gap) -> list[Effect]:
        """Tell a subscriber of a hole, unless it is behind it on its own way."""
        follower = wire.followers[subscriber]
        return self._items(subscriber, [hole] if follower.catch_up is None else follower.catch_up.take(hole))

    def forget(self, wire: WireSubscription, subscriber: int) -> None:
        """Let a subscriber go."""
        follower = wire.followers.pop(subscriber)
        if follower.catch_up is not None and follower.catch_up.asked:
            self._requests.drop(CatchingUp(subscriber))

    def read(self, subscriber: int, history: History, now: float) -> list[Effect]:
        """Take a part of the past, and ask for the next where there is more."""
        wire = self._of[subscriber]
        catch_up = wire.followers[subscriber].catch_up
        if catch_up is None:
            return []
        effects = self._items(subscriber, catch_up.answered(history))
        if catch_up.is_reading:
            return [*effects, self._ask(wire, subscriber, now)]
        return [*self._begin(wire, subscriber), *effects]

    def go_without(self, subscriber: int) -> list[Effect]:
        """Let a subscriber go on with what is live: there is no past to be read."""
        wire = self._of[subscriber]
        catch_up = wire.followers[subscriber].catch_up
        items = [] if catch_up is None else catch_up.unreadable()
        return [*self._begin(wire, subscriber), *self._items(subscriber, items)]

    def put_off(self, subscriber: int, at: float) -> None:
        """Let a subscriber ask again later."""
        catch_up = self._of[subscriber].followers[subscriber].catch_up
        if catch_up is not None:
            catch_up.asked, catch_up.retry_at = False, at

    def retries(self, wire: WireSubscription) -> Iterator[float]:
        """Yield the times at which someone asks again."""
        for follower in wire.followers.values():
            if follower.catch_up is not None and follower.catch_up.retry_at is not None:
                yield follower.catch_up.retry_at

    def ask_due(self, wire: WireSubscription, now: float) -> list[Effect]:
        """Ask again for those who were put off until now."""
        due = [
            subscriber
            for subscriber, follower in wire.followers.items()
            if follower.catch_up is not None
            and follower.catch_up.retry_at is not None
            and follower.catch_up.retry_at <= now
        ]
        return [self._ask(wire, subscriber, now) for subscriber in due]

    def _ask(self, wire: WireSubscription, subscriber: int, now: float) -> Send:
        catch_up = wire.followers[subscriber].catch_up
        assert catch_up is not None, "only who reads the past asks for it"
        limit, after = catch_up.ask(wire.place)
        number = self._requests.add(CatchingUp(subscriber), now + self._settings.request_timeout)
        return Send(frames.history(number, wire.pattern, limit, None, after))

    def _begin(self, wire: WireSubscription, subscriber: int) -> list[Effect]:
        follower = wire.followers[subscriber]
        follower.served = True
        return [Subscribed(subscriber, None if follower.catch_up is None else follower.catch_up.start)]

    def _items(self, subscriber: int, items: list[Message | Gap]) -> list[Effect]:
        self._counters.gaps += sum(isinstance(item, Gap) for item in items)
        return [Deliver(subscriber, item) for item in items]
