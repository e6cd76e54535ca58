"""What a gateway tells in its log of its clients: the only file that words it. Never a token, never a payload.

Whatever clients do, the lines stay few: the log holds back what repeats (`shared.telemetry.damper`).
"""

from __future__ import annotations

import logging
import traceback
from pathlib import Path

from gateway.session import Session
from shared.codes import CloseCode, ErrorCode
from shared.frames import Error

log = logging.getLogger(__name__)

ORIGIN_LENGTH = 300
"""Characters of an ``Origin`` that are told: the longest host name has 253."""

_QUIET = (ErrorCode.RATE_LIMITED, ErrorCode.OVERLOADED, ErrorCode.UNAVAILABLE)
"""Refusals that come in crowds, and are counted and told elsewhere."""


def refused(session: Session, error: Error) -> None:
    """Tell which request was refused, or what ended that a client relied on."""
    log.log(
        logging.DEBUG if error.code in _QUIET else logging.INFO,
        "a client was told: %s", error.reason,
        extra={"event": f"client.{error.code}", "session": session.name, "address": session.address},
    )  # fmt: skip


def closed(session: Session, code: int, reason: str) -> None:
    """Tell which connection was closed by us."""
    log.log(
        logging.DEBUG if code == CloseCode.DRAIN else logging.INFO,
        "connection closed: %s", reason,
        extra={"event": f"closed.{code}", "session": session.name, "user": session.user, "address": session.address},
    )  # fmt: skip


def failed(session: Session, fault: Exception) -> None:
    """Tell where an exception came from that nobody expected; not its words, which may hold a payload."""
    steps = traceback.extract_tb(fault.__traceback__)
    where = " < ".join(f"{Path(step.filename).name}:{step.lineno} {step.name}" for step in reversed(steps))
    log.error(
        "the gateway failed on what a client sent, and closes its connection: %s", type(fault).__name__,
        extra={"event": "fault", "where": where, "session": session.name},
    )  # fmt: skip


def turned_away(reason: str, address: str, origin: str | None = None) -> None:
    """Tell which handshake was refused; `origin` is the page that it says it is for, where it says so."""
    shown = None if origin is None else origin[:ORIGIN_LENGTH]
    log.info(
        "handshake refused: %s", reason,
        extra={"event": "handshake.refused", "address": address, "origin": shown},
    )  # fmt: skip
