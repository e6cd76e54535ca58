"""Publishes and reads that are kept until they are answered, and sent again where they may ◆

Bounded by `Settings.max_in_flight` and `max_in_flight_bytes`. What is kept is sent in the order in which it came, as
the connection has room; after a reconnect everything without an answer is sent again in that order, before what is new.
A publish keeps its key, so a repeat has no second effect as long as the gateways' side remembers that key.

On one topic a publish that was refused for a while holds back all that have not been sent yet, and is tried alone. Only
those that were on their way when it was refused may overtake it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from . import verdicts
from .counters import Counters
from .effects import Effect, Fail, Send
from .errors import PenstockError
from .requests import Publishing, Reading, Requests
from .settings import Settings

REPEAT_FOR: Final = 240.0
"""Seconds after it was sent first during which a publish may be sent again. Its key is remembered for 300 s; the rest
is for its way and its waiting behind the gateway."""


@dataclass(slots=True)
class Kept:
    """A request that is kept. `frame` is what is sent, but for its number; `by` is when its caller gives up."""

    request: int
    topic: str
    frame: dict[str, Any]
    by: float
    size: int
    key: str | None
    """None for a read."""
    turn: int = 0
    number: int | None = None
    """The number on the wire; None while it waits."""
    not_before: float = 0.0
    first_sent: float | None = None
    refused: bool = False
    """It was refused for a while, so it goes alone."""
    unsure: bool = False
    """It was sent and may have been done."""
    refusal: tuple[str, str, float | None] | None = None
    """What the gateway said last: code, reason, retry_after."""

    @property
    def goes_alone(self) -> bool:
        """Whether no other publish on its topic may be sent before it is answered."""
        return self.refused and self.key is not None


class Outbox:
    """Keeps requests by the number that their caller knows them by."""

    def __init__(self, requests: Requests, settings: Settings, counters: Counters) -> None:
        self._requests = requests
        self._settings = settings
        self._counters = counters
        self._kept: dict[int, Kept] = {}
        self._waiting: dict[int, Kept] = {}
        self._alone: set[str] = set()
        """Topics on which a refused publish is on its way again."""
        self._bytes = 0
        self._turn = 0
        self.retry_at: float | None = None
        """When something that waits may be sent again; never later than the true time."""

    def __len__(self) -> int:
        return len(self._kept)

    def has_room(self, size: int) -> bool:
        """Say whether one more of `size` bytes may be kept."""
        fits = self._bytes + size <= self._settings.max_in_flight_bytes
        return len(self._kept) < self._settings.max_in_flight and fits

    def keep(self, kept: Kept) -> None:
        """Take a request in. It waits to be sent."""
        self._turn += 1
        kept.turn = self._turn
        self._kept[kept.request] = self._waiting[kept.request] = kept
        self._bytes += kept.size

    def drop(self, request: int) -> Kept | None:
        """Let a request go, answered or not; None when it is not kept (any more)."""
        kept = self._kept.pop(request, None)
        if kept is not None:
            self._waiting.pop(request, None)
            self._bytes -= kept.size
            self._off_the_wire(kept)
        return kept

    def flush(self, now: float) -> list[Effect]:
        """Send what may be sent now, on a connection that takes requests."""
        if not self._waiting:
            return []
        effects: list[Effect] = []
        held_back = set(self._alone)
        self.retry_at = None
        for kept in list(self._waiting.values()):
            if len(self._requests) >= self._settings.max_in_flight:
                break
            if kept.not_before > now:
                self.retry_at = kept.not_before if self.retry_at is None else min(self.retry_at, kept.not_before)
            elif kept.key is None or kept.topic not in held_back:
                effects.append(self._send(kept, now))
                if not kept.goes_alone:
                    continue
            if kept.key is not None:
                held_back.add(kept.topic)
        return effects

    def refused(self, request: int, code: str, reason: str, retry_after: float | None, now: float) -> list[Effect]:
        """Take an `error`: keep the request for later where that may help in time, or give it up."""
        kept = self._kept.get(request)
        if kept is None:
            return []
        if code == "timeout":
            self._unsure(kept)
        elif not kept.unsure:
            kept.first_sent = None
        kept.refusal = (code, reason, retry_after)
        again_at = now + (verdicts.RETRY_AFTER if retry_after is None else retry_after)
        if code not in verdicts.RETRYABLE or again_at >= kept.by:
            return [self._give_up(kept)]
        kept.not_before, kept.refused = again_at, True
        self._wait_again([kept])
        return []

    def unanswered(self, request: int, now: float) -> list[Effect]:
        """Note that an answer did not come in time: send it again, or give it up when its own time is over."""
        kept = self._kept.get(request)
        if kept is None:
            return []
        self._unsure(kept)
        if now >= kept.by:
            return [self._give_up(kept)]
        kept.refused = True
        self._wait_again([kept])
        return []

    def offline(self) -> None:
        """Note that the connection is gone: whatever was on its way waits to be sent again."""
        lost = [kept for kept in self._kept.values() if kept.number is not None]
        for kept in lost:
            self._unsure(kept)
        self._wait_again(lost)
        self.retry_at = None

    def expire(self, now: float) -> list[Effect]:
        """Give up what waits and whose time is over."""
        return [self._give_up(kept) for kept in list(self._waiting.values()) if kept.by <= now]

    @property
    def earliest(self) -> float | None:
        """When something that waits is to be given up."""
        return min((kept.by for kept in self._waiting.values()), default=None)

    def end(self, why: str, error: PenstockError) -> list[Effect]:
        """Give up everything: what may have been done is unknown, all else meets `error`."""
        effects: list[Effect] = []
        for kept in list(self._kept.values()):
            self.drop(kept.request)
            if kept.key is not None and (kept.unsure or kept.first_sent is not None):
                failed: PenstockError = verdicts.outcome_unknown(why, topic=kept.topic, key=kept.key)
            else:
                failed = error
            effects.append(Fail(kept.request, failed))
        return effects

    def _send(self, kept: Kept, now: float) -> Send:
        del self._waiting[kept.request]
        if kept.first_sent is None:
            kept.first_sent = now
        if kept.refused or kept.unsure:
            self._counters.repeats += 1
        if kept.goes_alone:
            self._alone.add(kept.topic)
        pending = Reading(kept.request) if kept.key is None else Publishing(kept.request)
        kept.number = self._requests.add(pending, min(kept.by, now + self._settings.request_timeout))
        return Send({**kept.frame, "id": kept.number})

    def _unsure(self, kept: Kept) -> None:
        kept.unsure, kept.refusal = True, None
        if kept.key is not None and kept.first_sent is not None:
            kept.by = min(kept.by, kept.first_sent + REPEAT_FOR)

    def _wait_again(self, kept: list[Kept]) -> None:
        """Let requests wait again, in the places where they were."""
        for each in kept:
            self._off_the_wire(each)
            self._waiting[each.request] = each
        self._waiting = dict(sorted(self._waiting.items(), key=lambda item: item[1].turn))

    def _off_the_wire(self, kept: Kept) -> None:
        if kept.number is not None:
            self._requests.forget(kept.number)
            kept.number = None
            if kept.goes_alone:
                self._alone.discard(kept.topic)

    def _give_up(self, kept: Kept) -> Fail:
        self.drop(kept.request)
        code, reason, retry_after = kept.refusal or ("timeout", "no answer came in time", None)
        topic, key = kept.topic, kept.key
        error: PenstockError
        if key is None:
            failed = verdicts.presence_failed if kept.frame["type"] == "presence" else verdicts.history_failed
            error = failed(code, reason, retry_after, topic=topic)
        elif kept.unsure:
            said = reason if code == "timeout" else f"an earlier try had no answer, the last one met {code} ({reason})"
            error = verdicts.outcome_unknown(said, topic=topic, key=key)
        elif kept.refusal is not None:
            error = verdicts.publish_failed(code, reason, retry_after, topic=topic, key=key)
        else:
            error = verdicts.not_sent("there was no connection for it in time", topic=topic, key=key)
        return Fail(kept.request, error)
