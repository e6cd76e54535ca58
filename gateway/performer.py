"""Does what the sessions decided."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import partial

from gateway import journal, subscribing
from gateway.admission import Admission
from gateway.binder import SlotBinder
from gateway.catchup import Joining, held_by_all
from gateway.counters import Counters
from gateway.deadlines import RequestDeadlines
from gateway.effects import (
    Ask,
    CatchUp,
    CatchUpAll,
    Count,
    Effect,
    End,
    GoLive,
    Identify,
    Join,
    Leave,
    Replay,
    Send,
    SendHistory,
    TakeEarly,
)
from gateway.fanout import Fanout, Holder
from gateway.healing import Healer
from gateway.presence import Presence
from gateway.replay import Replays, send_held
from gateway.resuming import Resuming
from gateway.states import State
from gateway.transports.websocket import Connection
from gateway.uplink import Uplink
from gateway.wheel import Wheel
from gateway.window import Kept
from shared.clock import monotonic, wall
from shared.codes import CloseCode
from shared.envelopes import SubscribeRequest
from shared.frames import Error

CLOSE_TIMEOUT = 5.0
"""Seconds that a client has to close its side after we closed ours."""


class Performer:
    """The hands of every session of a gateway. `max_bytes` is the largest message of a client that is known."""

    def __init__(
        self,
        fanout: Fanout,
        healer: Healer,
        uplink: Uplink,
        binder: SlotBinder,
        deadlines: RequestDeadlines,
        admission: Admission,
        wheel: Wheel,
        presence: Presence,
        counters: Counters,
        *,
        max_bytes: int,
    ) -> None:
        self._fanout = fanout
        self._healer = healer
        self._replays = Replays(fanout.send, counters)
        self._resuming = Resuming(healer, self.perform, counters)
        self._uplink = uplink
        self._binder = binder
        self._deadlines = deadlines
        self._admission = admission
        self._wheel = wheel
        self._presence = presence
        self._counters = counters
        self._max_bytes = max_bytes

    def perform(self, connection: Connection, effects: Iterable[Effect]) -> None:
        """Do `effects` for `connection`, in their order; after an `End` nothing more is done."""
        for effect in effects:
            match effect:
                case Ask():
                    self._deadlines.add(connection.session.number, effect.request.id)
                    self._uplink.ask(effect, connection)
                case Send(frame):
                    if isinstance(frame, Error):
                        self._note_refusal(connection, frame)
                    self._fanout.send(connection, connection.dialect.encode(frame))
                case Join(topic, joining, ask, at):
                    self._deadlines.add(connection.session.number, ask.request.id)
                    if at is not None and isinstance(ask.request, SubscribeRequest):
                        ask.request.within = wall() - at / 1000  # below 0 where clocks differ: the router judges
                        ask.request.at = at
                    joining.base = self._healer.place_of(topic)
                    self._fanout.joining.add(topic, Holder(connection, joining))
                    self._healer.discoverer.listening.add(topic, monotonic())
                    self._binder.need(topic, partial(self._ask_if_open, connection, ask))
                case CatchUp():
                    self._resuming.catch_up(connection, effect)
                case CatchUpAll():
                    self._resuming.catch_up_all(connection, effect)
                case Replay(topic, joining, past):
                    self._replay(connection, topic, joining, past)
                case SendHistory(request, read):
                    self._fanout.send(connection, connection.dialect.result(request, read))
                case GoLive(topic, joining):
                    self._fanout.joining.remove(topic, Holder(connection, joining))
                    self._fanout.live.add(topic, connection)
                    if joining.info is not None:
                        self._presence.appear(connection, topic, joining.info, watches=joining.watches)
                case Leave(topic, joining):
                    self._leave(connection, topic, joining)
                case Count(counter):
                    setattr(self._counters, counter, getattr(self._counters, counter) + 1)
                case Identify(user):
                    if not self._identify(connection, user):
                        return
                case TakeEarly():
                    self.perform(connection, connection.session.take_early())
                case End(code, reason):
                    self.end(connection, code, reason)
                    return

    def end(self, connection: Connection, code: CloseCode, reason: str) -> None:
        """Close a connection, and let go of what it held at once rather than when its socket is gone."""
        if connection.session.state is State.ENDED:
            return
        if code is CloseCode.SLOW:
            self._counters.slow_closed += 1
        self.note_close(connection, code, reason)
        self.let_go(connection)
        connection.close(code, reason)
        self._wheel.schedule(connection.session.number, monotonic() + CLOSE_TIMEOUT)

    def note_close(self, connection: Connection, code: int, reason: str) -> None:
        """Count a connection that we closed, and tell of it."""
        self._counters.closed[str(int(code))] += 1
        journal.closed(connection.session, code, reason)

    def let_go(self, connection: Connection) -> None:
        """Take back everything that the session of `connection` holds; doing it twice changes nothing."""
        self._uplink.forget(connection)
        self._presence.disconnect(connection)
        for effect in connection.session.end():
            if isinstance(effect, Leave):
                self._leave(connection, effect.topic, effect.joining)

    def _replay(self, connection: Connection, topic: str, joining: Joining, past: Sequence[Kept]) -> None:
        topics = connection.session.topics

        def is_wanted() -> bool:
            return topics.get(topic) is joining

        go_on = partial(self._go_on, connection, topic, joining)
        self._replays.begin(connection, past, is_wanted, lambda: self._healer.reach(joining.known, go_on))

    def _go_on(self, connection: Connection, topic: str, joining: Joining) -> None:
        """Send what was held, and what is held meanwhile, until there is nothing left: then nothing is between."""
        topics = connection.session.topics
        if topics.get(topic) is not joining:
            return
        joinings = [other for other in topics.values() if other is not None]
        held = held_by_all(joinings, topic)
        sent = send_held(connection, held, partial(self._fanout.deliver_held, connection))
        for other in joinings:
            other.drop(held[:sent])
        if sent < len(held) and not joining.overflowed:
            connection.when_written(partial(self._go_on, connection, topic, joining))
        else:
            self.perform(connection, subscribing.live(topics, topic, joining))

    def _note_refusal(self, connection: Connection, error: Error) -> None:
        self._counters.errors[error.code] += 1
        journal.refused(connection.session, error)

    def _leave(self, connection: Connection, topic: str, joining: Joining | None) -> None:
        if joining is None:
            self._fanout.live.remove(topic, connection)
            self._presence.leave(connection, topic)
        else:
            self._fanout.joining.remove(topic, Holder(connection, joining))
        self._healer.discoverer.listening.remove(topic)
        self._binder.release(topic)

    def _ask_if_open(self, connection: Connection, ask: Ask) -> None:
        if connection.session.state is State.ACTIVE:
            self._uplink.ask(ask, connection)

    def _identify(self, connection: Connection, user: str) -> bool:
        if self._admission.identify(user):
            self._counters.sessions += 1
            connection.identified = True
            connection.allow(self._max_bytes)
            self._presence.connect(connection)
            return True
        reason = f"too many connections of user {user}"
        self.end(connection, CloseCode.TOO_MANY_CONNECTIONS, reason)
        return False
