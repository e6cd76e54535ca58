"""What becomes of an event that a back end published to ``penstock.events`` ◆"""

from __future__ import annotations

import re
from hashlib import blake2b

from router.history import append
from router.limits import UNLIMITED
from router.payloads import BadPayload, Payloads, encoding_of
from router.plan import Publication
from router.refusals import QUOTED, DeadReason, Unprocessable
from router.rules import Rules
from shared.bus.port import Received
from shared.codes import ErrorCode
from shared.envelopes import Entry
from shared.store.port import DIGEST_BYTES, Admit
from shared.topics import is_topic

_TRACEPARENT = re.compile(r"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}", re.ASCII)


class Events:
    """Decides, one event at a time."""

    def __init__(self, rules: Rules, payloads: Payloads) -> None:
        self._rules = rules
        self._payloads = payloads

    def waits_for_store(self, received: Received) -> bool:
        """Say whether nothing can come of an event while the store is away, as its topic has a log."""
        return is_topic(received.routing_key) and self._rules.of(received.routing_key).history > 0

    def decide(self, received: Received, now: float) -> Publication:
        """Return what is to be delivered; raise `Unprocessable` where nothing can be. `now` is seconds since 1970."""
        topic = received.routing_key
        if not is_topic(topic):
            raise _not_a_topic(topic)
        encoding = encoding_of(received.content_type)
        if encoding is None:
            detail = f"content type {received.content_type!r:.{QUOTED}} is none that clients can be given"
            raise Unprocessable(DeadReason.UNKNOWN_CONTENT_TYPE, detail)
        try:
            self._payloads.check(received.body, encoding)
        except BadPayload as bad:
            reason = DeadReason.TOO_LARGE if bad.code is ErrorCode.TOO_LARGE else DeadReason.BAD_PAYLOAD
            raise Unprocessable(reason, bad.reason) from None
        rule = self._rules.of(topic)
        message_id = received.message_id or None
        entry = Entry(
            topic,
            received.body,
            encoding,
            _at(received.timestamp, now),
            rule.slow,
            message_id,
            trace=_trace(received) if received.headers else None,
            taken=int(now * 1000) if received.timestamp else 0,
        )
        if not rule.history:
            return Publication(entry, UNLIMITED, origin=received)
        if message_id is not None:
            return Publication(entry, Admit((), append(entry, rule, ("message", message_id))), origin=received)
        logged = append(entry, rule, None, _digest(received, entry.trace), again=received.redelivered)
        return Publication(entry, Admit((), logged), origin=received)


def _digest(received: Received, trace: str | None) -> bytes:
    """Return what tells an event without a message_id from all others of its topic, but for twins.

    A broker gives messages no identity of their own, so nothing else does when its router died after the append.
    """
    said = f"{received.content_type}\n{received.timestamp}\n{trace}\n".encode()
    return blake2b(said + received.body, digest_size=DIGEST_BYTES).digest()


def _not_a_topic(topic: str) -> Unprocessable:
    if not topic:
        return Unprocessable(DeadReason.EMPTY_TOPIC, "the routing key, which is the topic, is empty")
    return Unprocessable(DeadReason.INVALID_TOPIC, f"the routing key is not a topic: {topic[:QUOTED]!r}")


def _at(timestamp: int | None, now: float) -> int:
    """Return when the event happened: as its publisher says, or else `now`; milliseconds since 1970.

    Never after `now`: a client that comes back tells by its last message's time since when it has missed any.
    """
    if timestamp is not None and 0 < timestamp <= now:
        return timestamp * 1000
    return int(now * 1000)


def _trace(received: Received) -> str | None:
    """Return the trace that the event belongs to (W3C Trace Context, section 3.2), None where none is told."""
    trace = received.headers.get("traceparent")
    if isinstance(trace, bytes):
        trace = trace.decode("latin-1")
    return trace if isinstance(trace, str) and _TRACEPARENT.fullmatch(trace) else None
