"""What a router tells in its log: the only file that words it. Never a token, never a payload."""

from __future__ import annotations

import logging
import traceback
from collections.abc import Sequence
from pathlib import Path

from router.plan import DeadLetter, Denial
from shared.codes import ErrorCode

log = logging.getLogger(__name__)

LINES_A_TURN = 8
"""Lines of one kind that one turn writes at most; the counters know all."""

_QUIET = (ErrorCode.RATE_LIMITED,)
"""Refusals that are everyday business."""


def denied(denials: Sequence[Denial]) -> None:
    """Tell which requests were refused."""
    for denial in denials[:LINES_A_TURN]:
        refusal = denial.refusal
        log.log(
            # What gateways ask for themselves they ask again: no client was told anything.
            logging.DEBUG if refusal.code in _QUIET or denial.session <= 0 else logging.INFO,
            "request refused: %s", refusal.reason,
            extra={
                "event": f"request.{refusal.code}",
                "gateway": denial.asker.gateway,
                "session": denial.session,
                "close": refusal.close,
            },
        )  # fmt: skip


def buried(dead: Sequence[DeadLetter]) -> None:
    """Tell what went to ``penstock.dead``."""
    for letter in dead[:LINES_A_TURN]:
        log.warning(
            "a message goes to penstock.dead: %s", letter.detail,
            extra={
                "event": f"dead.{letter.reason}",
                "exchange": letter.origin.exchange,
                "routing_key": letter.origin.routing_key,
                "queue": letter.origin.queue,
                "bytes": len(letter.body),
            },
        )  # fmt: skip


def failed(faults: Sequence[Exception]) -> None:
    """Tell where exceptions came from that nobody expected; not their words, which may hold a payload."""
    for fault in faults[:LINES_A_TURN]:
        steps = traceback.extract_tb(fault.__traceback__)
        where = " < ".join(f"{Path(step.filename).name}:{step.lineno} {step.name}" for step in reversed(steps))
        log.error(
            "the router failed on one item, and goes on: %s", type(fault).__name__,
            extra={"event": "fault", "where": where},
        )  # fmt: skip


def held(what: str, reason: BaseException, attempt: int) -> None:
    """Tell that something is held and tried again."""
    log.warning("%s is held, and tried again: %s", what, reason, extra={"event": "held", "attempt": attempt})


def store_away(reason: BaseException) -> None:
    """Tell that the store cannot be reached, once until it can."""
    log.warning(
        "the store is away (%s): what topics with history get is held or refused, all else goes on", reason,
        extra={"event": "store.away"},
    )  # fmt: skip


def store_back(seconds: float) -> None:
    """Tell that the store can be reached again."""
    log.info("the store is back after %.1f s", seconds, extra={"event": "store.back"})


def stale(messages: int) -> None:
    """Tell that messages in hand were let go, because they come again."""
    log.info(
        "%d messages in hand belong to a lost connection; the broker gives them out again", messages,
        extra={"event": "stale"},
    )  # fmt: skip


def dead_refused(letter: DeadLetter, reason: BaseException) -> None:
    """Tell that ``penstock.dead`` took no more."""
    fate = "the broker keeps the message in its queue until there is room" if letter.part is None else "it is lost"
    log.error(
        "penstock.dead took no dead letter (%s); %s: %s", reason, fate, letter.detail,
        extra={"event": "dead.refused", "queue": letter.origin.queue},
    )  # fmt: skip


def unfinished(messages: int) -> None:
    """Tell that a stop breaks a turn off."""
    log.warning(
        "stopped in the middle of %d messages; the broker gives them to another router", messages,
        extra={"event": "stop.unfinished"},
    )  # fmt: skip


def given_back(messages: int) -> None:
    """Tell what a stop has not begun."""
    log.info(
        "stopped before %d messages were begun; the broker gives them to another router", messages,
        extra={"event": "stop.given_back"},
    )  # fmt: skip
