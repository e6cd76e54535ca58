"""Tells every client when the service is degraded, and when it is restored."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection

from gateway.counters import Counters
from gateway.fanout import Fanout
from gateway.states import State
from gateway.transports.websocket import Connection
from shared.bus.port import BusState
from shared.frames import Degraded, Restored, ServerFrame

log = logging.getLogger(__name__)

REASONS = {
    BusState.AWAY: "the message broker is away; what you have subscribed to stays subscribed",
    BusState.BLOCKED: "the message broker takes no messages just now; you still receive",
}


class Degradation:
    """Watches the bus. Clients keep their connections and subscriptions, whatever happens to it."""

    def __init__(self, connections: Callable[[], Collection[Connection]], fanout: Fanout, counters: Counters) -> None:
        self._connections = connections
        self._fanout = fanout
        self._counters = counters
        self.is_degraded = False
        self._stopped = False

    def stop(self) -> None:
        """Watch no more: from here on the bus goes because we go."""
        self._stopped = True

    def bus_changed(self, state: BusState, cause: str) -> None:
        """Take a change of the bus's state."""
        if self._stopped:
            return
        if state is BusState.READY:
            if self.is_degraded:
                self.is_degraded = False
                log.info("service restored", extra={"event": "restored"})
                self._tell_all(Restored())
            return
        log.warning("service degraded: %s", cause, extra={"event": "degraded", "state": state.value})
        self._counters.degradations += not self.is_degraded
        self.is_degraded = True
        self._tell_all(Degraded(reason=REASONS[state]))

    def _tell_all(self, frame: ServerFrame) -> None:
        encoded: dict[int, bytes] = {}
        for connection in self._connections():
            if connection.session.state is State.ACTIVE:
                index = connection.dialect.index
                if index not in encoded:
                    encoded[index] = connection.dialect.encode(frame)
                self._fanout.send(connection, encoded[index])
