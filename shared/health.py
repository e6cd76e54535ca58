"""What a process answers when it is asked how it is ◆

``/healthz`` says that the process lives: restart it when it does not. ``/readyz`` says that it is of use: send it
clients when it is. Facts come in as arguments; nothing is measured here.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Literal

PROBE_MAX_AGE = 10.0
"""Seconds for which a probe that came back proves that the way through the broker and a router is open."""

BusWord = Literal["ready", "blocked", "away"]
"""`shared.bus.port.BusState`, as its value."""


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP answer: its status and what its body says."""

    status: int
    facts: dict[str, str | float | int | None]

    CONTENT_TYPE = "application/json"

    @property
    def body(self) -> bytes:
        """Return the facts as one line of JSON."""
        return json.dumps(self.facts).encode() + b"\n"


def healthz(*, uptime: float) -> Answer:
    """Say that the process lives; `uptime` is its age in seconds.

    It is always 200: a process that cannot say so does not answer. The broker has no part in it, for restarting every
    gateway when the broker is away would only add to the trouble.
    """
    return Answer(200, {"status": "alive", "uptime": round(uptime, 1)})


def readyz(
    *, now: float, last_probe: float | None, bus: BusWord, binding: bool = True, draining: bool = False
) -> Answer:
    """Say whether new clients are well served here.

    `last_probe` is the time, on the clock of `now` (seconds, monotonic), at which the last probe came back from a
    router through the broker; None where none did yet. Ready means: that was at most `PROBE_MAX_AGE` ago, the broker is
    there now, subscriptions get their slots (`binding`), and the process is not on its way out.
    """
    age = None if last_probe is None else max(0.0, now - last_probe)
    facts: dict[str, str | float | int | None] = {
        "status": "ready",
        "bus": bus,
        "probe_age": None if age is None else round(age, 1),
    }
    reason = _why_not(age, bus, binding, draining)
    if reason is None:
        return Answer(200, facts)
    return Answer(503, {**facts, "status": "not ready", "reason": reason})


def readyz_behind(
    *, bus: BusWord, working: bool = True, draining: bool = False, store_away: bool = False
) -> Answer:
    """Say whether a process without clients (a router, a worker) does its work.

    `working` is what it says of itself; besides, it needs its bus, and a router its store.
    """
    facts: dict[str, str | float | int | None] = {"status": "ready", "bus": bus}
    if draining:
        return Answer(503, {**facts, "status": "not ready", "reason": "this process is shutting down"})
    if bus == "away":
        return Answer(503, {**facts, "status": "not ready", "reason": "there is no connection to the broker"})
    if store_away:
        reason = "the store is away; all that needs no log goes on"
        return Answer(503, {**facts, "status": "not ready", "reason": reason})
    if not working:
        return Answer(503, {**facts, "status": "not ready", "reason": "its work has stopped; see its log"})
    return Answer(200, facts)


def _why_not(age: float | None, bus: BusWord, binding: bool, draining: bool) -> str | None:
    if draining:
        return "this process is shutting down"
    if bus == "away":  # whatever a probe proved before
        return "there is no connection to the broker"
    if bus == "ready" and not binding:
        return "the broker binds no slots for subscribers; see the log"
    if age is not None and age <= PROBE_MAX_AGE:
        return None
    if bus == "blocked":
        return "the broker holds publishers back: it has raised a memory or disk alarm"
    if age is None:
        return "no probe has come back from a router yet; is one running?"
    return f"the last probe that a router answered is {age:.0f} s old; is one running?"
