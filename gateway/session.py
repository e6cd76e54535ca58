"""One client: frames, answers and the passing of time in, effects out ◆

A session knows no socket, no bus and no clock. It never decides who may do what; it asks a router, remembers that it
asked, and passes the answer on. Times are seconds, monotonic.
"""

from __future__ import annotations

from dataclasses import dataclass

from gateway import members, subscribing
from gateway.catchup import Joining
from gateway.early import Early, EarlyFrames, room
from gateway.effects import (
    Ask,
    Count,
    Effect,
    End,
    Identify,
    Join,
    Leave,
    Send,
    SendHistory,
    TakeEarly,
)
from gateway.flood import FRAME_BYTES, FloodGuard, FloodLimits
from gateway.pending import Asked, Pending
from gateway.refusals import (
    close_code,
    ended,
    error,
    flooded,
    given,
    misnamed,
    not_subscribed,
    out_of_place,
    too_many,
    unanswered,
)
from gateway.states import Event, IllegalTransition, State, after
from shared import envelopes, frames
from shared.attending import PresenceRead, PresenceRequest
from shared.codes import CloseCode, ErrorCode
from shared.topics import has_wildcard

EARLY_SPARE = 32
"""Tokens that a client has, before it is let in, besides those for its `connect` and its subscriptions."""


@dataclass(frozen=True, slots=True)
class SessionLimits:
    """What every session of a gateway is held to. Times are seconds."""

    flood: FloodLimits
    max_subscriptions: int
    max_pending: int
    request_timeout: float
    connect_timeout: float
    heartbeat: float
    heartbeat_grace: float

    @property
    def withheld(self) -> int:
        """Return how many tokens of the burst a client has to be let in for."""
        return max(0, self.flood.burst - (self.max_subscriptions + 1 + EARLY_SPARE))


class Session:
    """The gateway's side of one connection.

    `number` is unique in this gateway, `name` in the world. `first_ping` is when the first heartbeat is due, so that
    a crowd that came together is not asked together. `encoding` is that of the client's payloads, `bearer` the token
    that came with the handshake, if any.
    """

    __slots__ = (
        "_bearer",
        "_early",
        "_encoding",
        "_flood",
        "_heard",
        "_ids",
        "_limits",
        "_pinged",
        "_requests",
        "address",
        "deadline",
        "expires",
        "grant",
        "jti",
        "name",
        "next_ping",
        "number",
        "pending",
        "state",
        "topics",
        "user",
    )

    def __init__(
        self,
        number: int,
        name: str,
        limits: SessionLimits,
        now: float,
        *,
        address: str,
        encoding: envelopes.Encoding,
        first_ping: float,
        bearer: str = "",
    ) -> None:
        self.number = number
        self.name = name
        self.address = address
        self.state = State.OPENED
        self.grant: bytes | None = None
        self.user = ""
        self.jti = ""
        self.topics: dict[str, Joining | None] = {}
        """Every subscription; None where it is live."""
        self.pending: dict[int, Pending] = {}
        """By a number of our own: the client may use its numbers again, and a late answer must find nothing."""
        self.expires = float("inf")
        self.next_ping = first_ping
        self.deadline = now + limits.connect_timeout
        """When `tick` has something to do next."""
        self._limits = limits
        self._bearer = bearer
        self._early: EarlyFrames | None = None
        self._encoding = encoding
        self._flood = FloodGuard(limits.flood, now, limits.withheld)
        self._heard = now
        self._pinged = now
        self._ids: set[int] = set()
        """The client's numbers in `pending`."""
        self._requests = 0

    @property
    def has_ended(self) -> bool:
        """Say whether the connection is over, or about to be."""
        return self.state is State.ENDED

    def receive(self, frame: frames.AnyClientFrame, now: float) -> list[Effect]:
        """Take a frame of the client."""
        if self.state is State.ENDED:
            return []
        self._heard = now
        wait = self._flood.take(self._limits.flood, now)
        if wait:
            return self._refuse_flood(frame, wait)
        if isinstance(frame, frames.Pong):
            return []
        try:
            self.state = after(self.state, Event.CONNECT if isinstance(frame, frames.Connect) else Event.REQUEST)
        except IllegalTransition:
            return [out_of_place(frame)]
        if frame.id in self._ids:
            return [unanswered(frame)]
        if isinstance(frame, frames.Connect):
            return self._connect(frame, now)
        refusal = misnamed(frame)
        if refusal is not None:
            return [refusal]
        if self.state is State.AUTHENTICATING or self._must_wait_for_refresh(frame):
            return self._hold(frame)
        return self._take(frame)

    @property
    def _is_refreshing(self) -> bool:
        return any(pending.asked is Asked.REFRESH for pending in self.pending.values())

    def _must_wait_for_refresh(self, frame: Early) -> bool:
        """A router compares a new token with the subscriptions that it was told of: there must be no others."""
        if isinstance(frame, frames.Unsubscribe):
            return self._early is not None
        return isinstance(frame, frames.Subscribe) and self._is_refreshing

    def hear(self, now: float) -> list[Effect]:
        """Take a sign of life that is no frame of the protocol: a WebSocket ping, pong or fragment."""
        if self.state is State.ENDED:
            return []
        self._heard = now
        if self._flood.take(self._limits.flood, now) and self._flood.is_flooding(self._limits.flood):
            return [Count("floods"), End(CloseCode.FLOODING, "too many frames")]
        return []

    def weigh(self, size: int, now: float) -> list[Effect]:
        """Count a message of so many bytes, before it is read; where anything is returned it must not be."""
        if self.state is State.ENDED:
            return []
        self._heard = now
        cost = size / FRAME_BYTES
        # Whom nobody knows has no reason to send much; whoever is known may have pressed on a little.
        wait = self._flood.weigh(self._limits.flood, now, cost, cost if self.grant is None else 1.0)
        return self._refuse_flood(None, wait) if wait else []

    def refuse(self, reason: str, request: int | None, now: float) -> list[Effect]:
        """Answer a frame that could be told apart from its neighbours, but not understood."""
        if self.state is State.ENDED:
            return []
        return self.hear(now) or [error(request, ErrorCode.BAD_REQUEST, reason), Count("bad_requests")]

    def take_early(self) -> list[Effect]:
        """Take what the client sent before it was let in, in its order."""
        early, self._early = self._early, None
        return [] if early is None else [effect for frame in early.frames for effect in self._take(frame)]

    def answer(self, reply: envelopes.AnyReply, now: float) -> list[Effect]:
        """Take the answer to a request, of a router or of whoever gave up waiting for one."""
        pending = self.pending.pop(reply.id, None)
        if pending is None:
            return [Count("late_replies")]
        self._ids.discard(pending.id)
        match reply, pending.asked:
            case envelopes.Published(), Asked.PUBLISH:
                return [Send(frames.Ok(pending.id, offset=given(reply.offset), epoch=given(reply.epoch)))]
            case envelopes.SubscribeAllowed(), Asked.SUBSCRIBE:
                return subscribing.allowed(self.topics, reply, pending)
            case envelopes.HistoryRead(), Asked.HISTORY:
                return [SendHistory(pending.id, reply)]
            case PresenceRead(), Asked.PRESENCE:
                return [Send(members.result(pending.id, reply))]
            case envelopes.Refused(), _:
                return self._refused(reply, pending)
            case envelopes.Granted(), Asked.CONNECT:
                return self._granted(reply, pending.id, now)
            case envelopes.Refreshed(), Asked.REFRESH:
                return self._refreshed(reply, pending.id, now)
        odd = envelopes.Refused(self.number, reply.id, ErrorCode.INTERNAL, "the answer did not fit the request")
        return [Count("odd_replies"), *self._refused(odd, pending)]

    def expire(self, request: int, now: float) -> list[Effect]:
        """Give up waiting for an answer, whose time of `request_timeout` is over; a late one will be dropped."""
        if request not in self.pending:
            return []
        reason = "no answer in time; the outcome is unknown"
        refused = envelopes.Refused(self.number, request, ErrorCode.TIMEOUT.value, reason)
        return [Count("request_timeouts"), *self.answer(refused, now)]

    def tick(self, now: float) -> list[Effect]:
        """Do what time has brought: deadlines, the heartbeat, the end of the token."""
        if now < self.deadline or self.state is State.ENDED:
            return []
        if self.state is State.OPENED:
            return [End(CloseCode.NOT_AUTHENTICATED_IN_TIME, "no connect frame came in time")]
        if self.state is State.AUTHENTICATING:
            return [effect for request in tuple(self.pending) for effect in self.expire(request, now)]
        effects: list[Effect] = []
        if now >= self.expires:
            return [End(CloseCode.TOKEN_EXPIRED, "the token expired; refresh it earlier")]
        if self._pinged > self._heard and now >= self._pinged + self._limits.heartbeat_grace:
            return [End(CloseCode.NO_HEARTBEAT, "no answer to a ping")]
        if now >= self.next_ping:
            effects.append(Send(frames.Ping()))
            if self._pinged <= self._heard:
                self._pinged = now
            self.next_ping = now + self._limits.heartbeat
        self._set_deadline()
        return effects

    def end(self) -> list[Effect]:
        """Let go of everything: the connection is over."""
        self.state = State.ENDED
        self.pending.clear()
        self._ids.clear()
        self._early = None
        left: list[Effect] = [Leave(topic, joining) for topic, joining in self.topics.items()]
        self.topics.clear()
        return left

    def is_meant_by(self, kick: envelopes.Kick) -> bool:
        """Say whether every field that `kick` gives is this session's."""
        wanted = ((kick.user, self.user), (kick.session, self.name), (kick.jti, self.jti))
        named = [(asked, own) for asked, own in wanted if asked]
        return bool(named) and all(asked == own for asked, own in named)

    def _await(self, pending: Pending) -> int:
        """Note that an answer has to come; return the number that it will carry."""
        self._requests += 1
        self.pending[self._requests] = pending
        self._ids.add(pending.id)
        return self._requests

    def _connect(self, frame: frames.Connect, now: float) -> list[Effect]:
        request = self._await(Pending(Asked.CONNECT, frame.id))
        self.deadline = now + self._limits.request_timeout
        token, self._bearer = frame.token or self._bearer, ""
        return [Ask(None, envelopes.ConnectRequest(self.number, request, token, self.address))]

    def _hold(self, frame: Early) -> list[Effect]:
        if self._early is None:
            self._early = EarlyFrames()
        if self._early.hold(frame, self._limits.max_pending, room(self._limits.max_subscriptions)):
            return []
        return too_many(frame, "too much came before the token was checked")

    def _take(self, frame: Early) -> list[Effect]:
        if frame.id in self._ids:
            return [unanswered(frame)]
        if isinstance(frame, frames.Unsubscribe):
            return self._unsubscribe(frame)
        if len(self.pending) >= self._limits.max_pending:
            return too_many(frame, f"{len(self.pending)} requests are not answered yet")
        match frame:
            case frames.Publish():
                return self._publish(frame)
            case frames.Subscribe():
                return self._subscribe(frame)
            case frames.History():
                return self._history(frame)
            case frames.Presence():
                number = self._await(Pending(Asked.PRESENCE, frame.id))
                return [Ask(frame.topic, PresenceRequest(self.number, number, 0, frame.topic), self.grant)]
            case frames.Refresh():
                request = self._await(Pending(Asked.REFRESH, frame.id))
                refresh = envelopes.RefreshRequest(self.number, request, 0, frame.token, tuple(self.topics))
                return [Ask(self.name, refresh, self.grant)]

    def _publish(self, frame: frames.Publish) -> list[Effect]:
        number = self._await(Pending(Asked.PUBLISH, frame.id))
        request = envelopes.PublishRequest(
            self.number, number, 0, frame.topic, bytes(frame.data), self._encoding, frame.key
        )
        return [Ask(frame.topic, request, self.grant)]

    def _subscribe(self, frame: frames.Subscribe) -> list[Effect]:
        topic = frame.topic
        if topic in self.topics:
            return [error(frame.id, ErrorCode.CONFLICT, f"already subscribed to {topic}")]
        if len(self.topics) >= self._limits.max_subscriptions:
            reason = f"a connection may have {self._limits.max_subscriptions} subscriptions"
            return [error(frame.id, ErrorCode.FORBIDDEN, reason), Count("too_many_subscriptions")]
        joining = self.topics[topic] = Joining(watches=frame.presence)
        number = self._await(Pending(Asked.SUBSCRIBE, frame.id, topic, joining, frame.from_, frame.tail or 0))
        request = envelopes.SubscribeRequest(
            self.number, number, 0, topic, frame.from_ is not None, presence=frame.presence
        )
        at = frame.from_.at if frame.from_ is not None and has_wildcard(topic) else None
        # Whichever router it is reads the log that they share, and nothing is published by the question.
        return [Join(topic, joining, Ask(None, request, self.grant), at)]

    def _history(self, frame: frames.History) -> list[Effect]:
        number = self._await(Pending(Asked.HISTORY, frame.id))
        request = envelopes.HistoryRequest(self.number, number, 0, frame.topic, frame.limit, frame.before, frame.after)
        return [Ask(frame.topic, request, self.grant)]

    def _unsubscribe(self, frame: frames.Unsubscribe) -> list[Effect]:
        if frame.topic not in self.topics:
            return [not_subscribed(frame)]
        return [Leave(frame.topic, self.topics.pop(frame.topic)), Send(frames.Ok(frame.id))]

    def _granted(self, reply: envelopes.Granted, request: int, now: float) -> list[Effect]:
        self.state = after(self.state, Event.GRANTED)
        self._flood.let_in(self._limits.flood, self._limits.withheld)
        self.user, self.grant, self.jti = reply.user, reply.grant, reply.jti
        self.expires = now + reply.expires_in
        self._set_deadline()
        heartbeat = round(self._limits.heartbeat)
        connected = frames.Connected(request, self.name, reply.user, heartbeat, reply.expires_in)
        return [Identify(reply.user), Send(connected), *self._resume()]

    def _resume(self) -> list[Effect]:
        """Go on with what was held for a token, when it has been looked at."""
        return [] if self._early is None or self._is_refreshing else [TakeEarly()]

    def _refreshed(self, reply: envelopes.Refreshed, request: int, now: float) -> list[Effect]:
        self.grant, self.jti = reply.grant, reply.jti
        self.expires = now + reply.expires_in
        self._set_deadline()
        effects: list[Effect] = [Send(frames.Ok(request, expires_in=reply.expires_in))]
        for topic in reply.lost:
            if topic in self.topics:
                effects.append(Leave(topic, self.topics.pop(topic)))
                reason = f"the subscription to {topic} ended: the new token does not cover it"
                effects.append(ended(topic, reason))
        return effects + self._resume()

    def _refused(self, reply: envelopes.Refused, pending: Pending) -> list[Effect]:
        effects: list[Effect] = [error(pending.id, reply.code, reply.reason, reply.retry_after)]
        if pending.joining is not None and self.topics.get(pending.topic) is pending.joining:
            effects.append(Leave(pending.topic, self.topics.pop(pending.topic)))
        if reply.close is not None:
            effects.append(End(close_code(reply.close), reply.reason))
        elif pending.asked is Asked.CONNECT:
            effects.append(End(CloseCode.DEGRADED, reply.reason))
        elif pending.asked is Asked.REFRESH:
            effects += self._resume()
        return effects

    def _refuse_flood(self, frame: frames.AnyClientFrame | None, wait: float) -> list[Effect]:
        if self._flood.is_flooding(self._limits.flood):
            return [Count("floods"), End(CloseCode.FLOODING, "too many frames")]
        return flooded(frame, self._limits.flood.rate, wait)

    def _set_deadline(self) -> None:
        ping_or_pong = self.next_ping
        if self._pinged > self._heard:
            ping_or_pong = min(ping_or_pong, self._pinged + self._limits.heartbeat_grace)
        self.deadline = min(self.expires, ping_or_pong)
