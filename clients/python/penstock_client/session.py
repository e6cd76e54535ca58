"""One client's life with its gateways, without I/O, clock or chance ◆

A session is told what happened (`connected`, `receive`, `lost`, `tick` …) and returns what is to be done as effects; it
never acts. Times are seconds on any clock that only goes forward; `chance` is a random number in [0, 1).

The driver's part: at the start and after every `Reconnect(after)`, call `connecting`, make a connection, call
`connected`, feed every frame to `receive`, and call `lost` when it ends, whatever the reason. Call `tick` when
`deadline` has come.
"""

from __future__ import annotations

from typing import Any

from . import answers, checks, frames, verdicts
from .backoff import LONG_LIFE, full_jitter
from .counters import Counters
from .effects import Effect, Fail, FetchToken, Reconnect, Send, Stop
from .errors import ClientClosed, ConnectionFailed, Misuse, PenstockError, ProtocolError
from .life import Life
from .link import GOING_AWAY, NORMAL, PROTOCOL_ERROR, Link
from .messages import Position
from .outbox import Kept
from .patterns import check_pattern, check_topic
from .requests import Publishing, Refreshing
from .settings import Settings
from .states import State
from .version import __version__

LEFT = "The client was left; make a new one."

BRIEF = 1.0
"""Seconds. A gateway that sends us away sooner than this after `connected` was leaving already: then the usual pause
holds, so that coming back to it is no tight loop."""


class Session:
    """Decides everything for one client. `renewable`: there is a token provider to be asked."""

    def __init__(self, settings: Settings | None = None, *, token: str | None = None, renewable: bool = False) -> None:
        self._life = Life(settings or Settings(), token, renewable=renewable)
        self._attempt = 0

    @property
    def state(self) -> State:
        """What the client is doing."""
        return self._life.state

    @property
    def has_room(self) -> bool:
        """Whether one more publish may be kept, however small; it is sent as soon as it can be."""
        return self.has_room_for(0)

    def has_room_for(self, size: int) -> bool:
        """Say whether one more publish of `size` bytes may be kept: `max_in_flight`, `max_in_flight_bytes`."""
        return self.state is not State.CLOSED and self._life.outbox.has_room(size)

    @property
    def counters(self) -> Counters:
        """What the client has been through."""
        return self._life.counters

    # The connection's life

    def connecting(self, now: float) -> list[Effect]:
        """Note that a connection is being made."""
        return [self._life.enter(State.CONNECTING)]

    def connected(self, now: float) -> list[Effect]:
        """Introduce ourselves: the WebSocket is open. Raises `Misuse` unless `connecting` came before."""
        life = self._life
        if life.state is not State.CONNECTING:
            raise Misuse(f"A client that is {life.state} expects no connection.")
        number = life.requests.number()
        life.link = Link(now, life.settings)
        return [Send(frames.connect(number, life.renewal.token or "", life.settings.name, __version__))]

    def receive(self, frame: dict[str, Any], now: float) -> list[Effect]:
        """Take one frame of the gateway."""
        link = self._life.link
        if link is None or link.leaving:
            return []
        link.heard_at = now
        try:
            effects = answers.take(self._life, frame, now)
        except ProtocolError as error:
            return self.malformed(str(error))
        return [*effects, *self._flush(now)] if len(self._life.outbox) else effects

    def malformed(self, reason: str) -> list[Effect]:
        """Give up a connection on which something came that is no frame."""
        self.counters.malformed += 1
        return self._life.leave(PROTOCOL_ERROR, reason)

    def overwhelmed(self, reason: str) -> list[Effect]:
        """Give up a connection that does not take what we send."""
        effects = self._life.leave(GOING_AWAY, reason)
        self.counters.send_queue_overflows += len(effects)
        return effects

    def lost(self, close_code: int | None, now: float, chance: float, reason: str = "") -> list[Effect]:
        """Decide what follows the end of a connection, or of an attempt at one (`close_code` None).

        Come back after a pause, or stop when something must change first.
        """
        life = self._life
        if life.state is State.CLOSED:
            return []
        life.counters.losses += 1
        link, life.link = life.link, None
        effects: list[Effect] = []
        life.requests.clear()
        life.outbox.offline()
        life.subscriptions.offline(now)
        if link is not None and link.lived(now) >= LONG_LIFE:
            self._attempt = 0
        verdict = close_code if not verdicts.may_come_back(close_code) else None
        if link is not None and verdict is None:
            if link.fatal is not None:
                return effects + self.stop(link.fatal)
            verdict, reason = link.verdict, link.reason or reason
        if verdict is not None and not self._new_token_may_help(verdict):
            return effects + self.stop(verdicts.stopped(verdict, reason))
        return [*effects, life.enter(State.WAITING), Reconnect(self._pause(link, now, chance))]

    def refused(self, error: ConnectionFailed, now: float, chance: float) -> list[Effect]:
        """Decide what follows an answer that no gateway would give.

        It stops a client that was never connected: the address is wrong. Later it is taken for a proxy's bad moment.
        """
        return self.lost(None, now, chance, str(error)) if self.counters.connections else self.stop(error)

    def close(self) -> list[Effect]:
        """End the session because its user wants so."""
        return self._finish(None)

    def stop(self, error: ConnectionFailed) -> list[Effect]:
        """End the session because it cannot go on."""
        return self._finish(error)

    # Tokens

    def needs_token(self, now: float) -> bool:
        """Say whether the next connection needs a token that we do not have."""
        return self._life.renewal.needed(now)

    def token_obtained(self, token: str, now: float) -> list[Effect]:
        """Take a new token, and place it on the present connection when there is one."""
        life = self._life
        life.renewal.obtained(token)
        if not life.online:
            return []
        number = life.requests.add(Refreshing(), now + life.settings.request_timeout)
        return [Send(frames.refresh(number, token))]

    def token_missing(self, now: float) -> list[Effect]:
        """Note that the provider had no token for a living connection; it is asked again a little later."""
        self._life.renewal.put_off(now, None)
        return []

    # Requests

    def subscribe(
        self,
        subscriber: int,
        pattern: str,
        now: float,
        *,
        since: Position | None = None,
        tail: int | None = None,
        presence: bool = False,
    ) -> list[Effect]:
        """Let `subscriber` (a number of the caller's) follow a topic or pattern, over all connections to come.

        `since` and `tail` say where it begins; see `Client.subscribe`. Raises `InvalidArgument` for a bad pattern,
        for a beginning that cannot be, and beyond `max_subscriptions`.
        """
        check_pattern(pattern)
        checks.check_beginning(pattern, since, tail)
        checks.check_presence(pattern, presence)
        online = self._life.online
        return self._life.subscriptions.add(
            subscriber, pattern, now, online=online, since=since, tail=tail, presence=presence
        )

    def unsubscribe(self, subscriber: int) -> list[Effect]:
        """Let `subscriber` go; it gets no `End`."""
        return self._life.subscriptions.remove(subscriber, online=self._life.online)

    def publish(
        self, request: int, topic: str, data: Any, key: str, now: float, timeout: float, size: int = 0
    ) -> list[Effect]:
        """Keep a message and send it when that can be; `request` (a number of the caller's) comes back in `Resolve` or
        `Fail`, within `timeout` seconds. `size` is what it counts as, in bytes.

        It fails at once, unsent, without `has_room_for`. Raises `InvalidArgument` for a bad topic or key.
        """
        check_topic(topic)
        checks.check_key(key)
        if not self.has_room_for(size):
            return [Fail(request, verdicts.not_sent(self.no_room, topic=topic, key=key))]
        frame = frames.publish(0, topic, data, key)
        self._life.outbox.keep(Kept(request, topic, frame, now + timeout, size, key))
        return self._flush(now)

    def history(
        self,
        request: int,
        topic: str,
        limit: int,
        before: int | None,
        after: int | None,
        now: float,
        timeout: float,
    ) -> list[Effect]:
        """Read what a topic has kept; `request` comes back as for `publish`. Raises `InvalidArgument`."""
        check_topic(topic)
        checks.check_range(limit, before, after)
        if not self.has_room:
            refused = verdicts.history_failed("overloaded", self.no_room, None, topic=topic)
            return [Fail(request, refused)]
        frame = frames.history(0, topic, limit, before, after)
        self._life.outbox.keep(Kept(request, topic, frame, now + timeout, 0, key=None))
        return self._flush(now)

    def presence(self, request: int, topic: str, now: float, timeout: float) -> list[Effect]:
        """Ask who is at a topic; `request` comes back as for `publish`. Raises `InvalidArgument`."""
        check_topic(topic)
        if not self.has_room:
            return [Fail(request, verdicts.presence_failed("overloaded", self.no_room, None, topic=topic))]
        self._life.outbox.keep(Kept(request, topic, frames.presence(0, topic), now + timeout, 0, key=None))
        return self._flush(now)

    @property
    def no_room(self) -> str:
        """Why a publish cannot be kept now, in words."""
        waiting = len(self._life.outbox)
        return f"the client is {self.state}" + (f", {waiting} requests have no answer yet" if waiting else "")

    def abandon(self, request: int) -> None:
        """Forget a publish or a read: its caller no longer waits."""
        self._life.outbox.drop(request)

    def unsendable(self, number: int, error: PenstockError) -> list[Effect]:
        """Give up the request that cannot be written: its data was changed while it was kept."""
        pending = self._life.requests.take(number, Publishing)
        if not isinstance(pending, Publishing) or self._life.outbox.drop(pending.request) is None:
            return []
        return [Fail(pending.request, error)]

    # Time

    @property
    def deadline(self) -> float | None:
        """When `tick` is to be called next; it may find nothing to do. None: not before something else happens."""
        life = self._life
        times = [life.outbox.earliest]
        if life.link is not None and not life.link.leaving:
            times += [*life.link.deadlines(), life.requests.earliest, life.subscriptions.retry_at]
            times += [life.renewal.due_at, life.outbox.retry_at] if life.online else []
        return min((time for time in times if time is not None), default=None)

    def tick(self, now: float) -> list[Effect]:
        """Do what is due."""
        life, link = self._life, self._life.link
        effects = life.outbox.expire(now)
        if link is None or link.leaving:
            return effects
        if now >= link.heard_at + link.silence:
            life.counters.silences += 1
            return effects + life.leave(GOING_AWAY, f"nothing heard for {link.silence:g} s")
        if link.return_at is not None and now >= link.return_at:
            return effects + life.leave(NORMAL, "asked to reconnect")
        if link.answer_by is not None and now >= link.answer_by:
            life.counters.unanswered += 1
            return effects + life.leave(GOING_AWAY, "no answer to connect")
        effects += answers.miss(life, life.requests.overdue(now), now)
        if life.online and life.renewal.due_at is not None and now >= life.renewal.due_at:
            life.renewal.fetching()
            effects.append(FetchToken())
        if life.subscriptions.retry_at is not None and now >= life.subscriptions.retry_at:
            effects += life.subscriptions.ask_due(now)
        return effects + self._flush(now)

    # What the above share

    def _flush(self, now: float) -> list[Effect]:
        return self._life.outbox.flush(now) if self._life.online else []

    def _finish(self, error: ConnectionFailed | None) -> list[Effect]:
        life = self._life
        if life.state is State.CLOSED:
            return []
        why = "the client was closed" if error is None else "the client has stopped"
        life.requests.clear()
        effects = life.outbox.end(why, error or ClientClosed(LEFT))
        effects += life.subscriptions.end(error)
        effects += life.leave(NORMAL, "")
        life.link = None
        effects.append(life.enter(State.CLOSED))
        if error is not None:
            effects.append(Stop(error))
        return effects

    def _new_token_may_help(self, verdict: int) -> bool:
        return verdict in (verdicts.BAD_TOKEN, verdicts.TOKEN_EXPIRED) and self._life.renewal.refused()

    def _pause(self, link: Link | None, now: float, chance: float) -> float:
        """Return the seconds until the next attempt."""
        if link is not None and link.return_at is not None and link.lived(now) >= BRIEF:
            return max(0.0, link.return_at - now)
        pause = full_jitter(self._attempt, chance)
        self._attempt += 1
        return pause if link is None else max(pause, link.not_before - now)
