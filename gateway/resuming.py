"""Finds what those who come back have missed, and tells their sessions."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from gateway import subscribing
from gateway.catchup import Beginning, Decision, Place, begin, begin_unknown, decide
from gateway.counters import Counters
from gateway.effects import CatchUp, CatchUpAll, Effect
from gateway.healing import Healer, Then
from gateway.reading import Found, Reading
from gateway.transports.websocket import Connection
from gateway.window import MAX_ENTRIES, Kept
from shared.clock import wall
from shared.envelopes import Head
from shared.frames import Since


class Resuming:
    """See above. `perform` does what a session decides."""

    def __init__(
        self, healer: Healer, perform: Callable[[Connection, Iterable[Effect]], None], counters: Counters
    ) -> None:
        self._healer = healer
        self._perform = perform
        self._counters = counters

    def catch_up(self, connection: Connection, wanted: CatchUp) -> None:
        """Find what is missing of one topic.

        Who hears it through a pattern may lack what came before its head: then that is found out first.
        """
        discoverer = self._healer.discoverer
        if wanted.head.offset:
            head = Head(wanted.topic, wanted.head.epoch, wanted.head.offset)
            discoverer.expect([head], int(wall() * 1000))
        if wanted.topic not in discoverer.discovery:
            self._catch_up(connection, wanted)
            return

        def begun() -> None:
            if (log := self._healer.logs.of(wanted.topic)) is not None:
                # Not after the head where deliveries here have not come as far: the rest comes live.
                behind = log.epoch != wanted.head.epoch or log.offset < wanted.head.offset
                wanted.joining.begin_at(wanted.topic, Place(log.epoch, log.offset) if behind else wanted.head)
            self._catch_up(connection, wanted)

        discoverer.when_begun((wanted.topic,), begun)

    def catch_up_all(self, connection: Connection, wanted: CatchUpAll) -> None:
        """Find what is missing of each of a pattern's topics; as above, where others hear them through patterns."""
        discoverer = self._healer.discoverer
        others = [head for head in wanted.heads if head.offset and discoverer.listening.count(head.topic) > 1]
        discoverer.expect(others, wanted.at or int(wall() * 1000))
        topics = [head.topic for head in wanted.heads]
        discoverer.when_begun(topics, lambda: self._catch_up_all(connection, wanted))

    def _catch_up(self, connection: Connection, wanted: CatchUp) -> None:
        if connection.session.has_ended:
            return
        request, topic, joining = wanted.request, wanted.topic, wanted.joining
        base = self._healer.join(topic, joining, wanted.head)
        decision = decide(wanted.since, wanted.tail, base)

        def found(past: Sequence[Kept] | None, looked: bool) -> None:
            topics = connection.session.topics
            if connection.session.has_ended:
                return
            if looked:
                beginning = begin(topic, wanted.since, base, decision, past)
                self._count(beginning.recovered)
                self._perform(connection, subscribing.caught_up(topics, request, topic, joining, beginning))
            else:
                self._perform(connection, subscribing.not_caught_up(topics, request, topic, joining))

        self._look(topic, decision, base, found)

    def _catch_up_all(self, connection: Connection, wanted: CatchUpAll) -> None:
        if connection.session.has_ended:
            return
        request, pattern, joining = wanted.request, wanted.pattern, wanted.joining

        def finish(beginnings: list[Beginning] | None) -> None:
            topics = connection.session.topics
            if connection.session.has_ended:
                return
            if beginnings is None:
                self._perform(connection, subscribing.not_caught_up(topics, request, pattern, joining))
                return
            self._count(not wanted.lost and all(beginning.recovered for beginning in beginnings))
            if not all(map(self._has_come, wanted.heads)):
                joining.at = None  # what is late here may be later than anybody reckons with who comes back
            told = subscribing.all_caught_up(
                topics, request, pattern, joining, beginnings, wanted.at, lost=wanted.lost
            )
            self._perform(connection, told)

        def read(head: Head, base: Place, found: Found, *, full: bool) -> None:
            full = full or connection.session.has_ended
            self._look_at(head, wanted.since, base, found, full=full)

        bases = [self._healer.join(head.topic, joining, Place(head.epoch, head.offset)) for head in wanted.heads]
        Reading(zip(wanted.heads, bases, strict=True), read, finish).go_on()

    def _has_come(self, head: Head) -> bool:
        """Say whether deliveries here have come as far as a topic's log stood when a router was asked."""
        log = self._healer.logs.of(head.topic)
        return log is not None and log.epoch == head.epoch and log.offset >= head.offset

    def _look_at(self, head: Head, since: Since, base: Place, found: Found, *, full: bool) -> None:
        topic = head.topic
        position = (since.topics or {}).get(topic)
        if position is not None:
            known = Since(position.epoch, position.offset)
            decision = decide(known, 0, base)
            self._look(
                topic,
                decision,
                base,
                lambda past, looked: found(begin(topic, known, base, decision, past), looked),
                full=full,
            )
            return
        at = since.at or 0
        decision = Decision(max(0, base.offset - MAX_ENTRIES) if base.offset else None)
        self._look(
            topic,
            decision,
            base,
            lambda past, looked: found(begin_unknown(topic, at, base, past), looked),
            full=full,
        )

    def _look(self, topic: str, decision: Decision, base: Place, found: Then, *, full: bool = False) -> None:
        log = self._healer.logs.of(topic)
        if decision.after is None:
            found((), True)
        elif full or log is None or log.epoch != base.epoch:
            found(None, True)  # there is no room for it; or since it was asked about its log is another one
        else:
            self._healer.fetch(topic, decision.after, base.offset, found)

    def _count(self, recovered: bool | None) -> None:
        if recovered is not None:
            self._counters.resumed[str(recovered).lower()] += 1
