"""One listener's side of the client protocol ``penstock.v1``, JSON, without I/O ◆

`opening` is what to send first; `receive` takes each text that comes and returns what follows from it.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, TypeAlias

from penstock.listening.heard import Heard
from penstock.listening.memory import Memory, Place

CONNECT_ID = 0


@dataclass(frozen=True, slots=True)
class Send:
    """Send this text."""

    text: str


@dataclass(frozen=True, slots=True)
class Listening:
    """Every subscription holds: messages come from now on."""

    user: str


@dataclass(frozen=True, slots=True)
class Notice:
    """Something that a person wants to know, and that ends nothing."""

    text: str


@dataclass(frozen=True, slots=True)
class Refusal:
    """The gateway will not serve us, and trying again cannot help."""

    reason: str
    is_of_token: bool = False
    """Another token might be served."""


@dataclass(frozen=True, slots=True)
class Setback:
    """The gateway cannot serve us now; come back in `after` seconds."""

    reason: str
    after: float


Outcome: TypeAlias = Send | Heard | Listening | Notice | Refusal | Setback

_FINAL = ("bad_request", "unauthenticated", "forbidden", "not_found", "too_large", "conflict")
"""Error codes that will be the same next time."""

_OF_TOKEN = ("unauthenticated", "forbidden")


class ListeningSession:
    """One connection: subscribes to what `memory` follows, from where that left off, and tells what comes."""

    def __init__(self, token: str, memory: Memory) -> None:
        self._token = token
        self._memory = memory
        self._patterns = dict(enumerate(memory.patterns, start=CONNECT_ID + 1))
        self._waiting = set(self._patterns)
        self._user = ""

    def opening(self) -> str:
        """Return the first text to send."""
        self._memory.offline()
        return json.dumps({"type": "connect", "id": CONNECT_ID, "token": self._token, "client": {"name": "penstock"}})

    def receive(self, text: str | bytes) -> list[Outcome]:
        """Return what follows from a text that came; raise `ValueError` for one that is no frame of the protocol."""
        frames = json.loads(text)
        outcomes: list[Outcome] = []
        for frame in frames if isinstance(frames, list) else [frames]:
            try:
                outcomes += self._receive(frame)
            except (AttributeError, KeyError, TypeError) as error:
                raise ValueError("a frame that cannot be read") from error
        return outcomes

    def _receive(self, frame: dict[str, Any]) -> list[Outcome]:
        match frame.get("type"):
            case "message":
                return self._message(_heard(frame))
            case "ping":
                return [Send('{"type":"pong"}')]
            case "connected":
                self._user = str(frame.get("user", ""))
                return [Send(json.dumps([self._subscribe(id, topic) for id, topic in self._patterns.items()]))]
            case "subscribed":
                return self._subscribed(frame)
            case "caught_up":
                self._memory.caught_up(str(frame["topic"]), int(frame["at"]))
            case "error":
                return [self._error(frame)]
            case "degraded":
                return [Notice(f"service degraded: {frame.get('reason', 'no reason given')}")]
            case "restored":
                return [Notice("service restored")]
            case "gap":
                place = Place(str(frame["epoch"]), int(frame["offset"]))
                return list(map(Notice, self._memory.gap(str(frame["topic"]), place, str(frame["cause"]))))
            case "reconnect":
                return [Setback("the gateway is about to stop", float(frame.get("after", 0)))]
        return []  # a newer gateway may say more than we know

    def _subscribe(self, id: int, topic: str) -> dict[str, Any]:
        frame: dict[str, Any] = {"type": "subscribe", "id": id, "topic": topic}
        since = self._memory.since(topic)
        return frame if since is None else {**frame, "from": since}

    def _subscribed(self, frame: dict[str, Any]) -> list[Outcome]:
        id = int(frame["id"])
        if id not in self._waiting:
            return []
        self._waiting.discard(id)
        outcomes: list[Outcome] = [] if self._waiting else [Listening(self._user)]
        return outcomes + list(map(Notice, self._memory.subscribed(self._patterns[id], frame)))

    def _message(self, message: Heard) -> list[Outcome]:
        is_news, missing = self._memory.take(message)
        return [*map(Notice, missing), message] if is_news else []

    def _error(self, frame: dict[str, Any]) -> Outcome:
        code, reason = str(frame.get("code")), str(frame.get("reason", ""))
        pattern = self._patterns.get(frame.get("id", -1))
        about = f"{pattern}: " if pattern else ""
        if code in _FINAL:
            return Refusal(f"{about}{reason or code} ({code})", code in _OF_TOKEN)
        return Setback(f"{about}{reason or code} ({code})", float(frame.get("retry_after", 0)))


def _heard(frame: dict[str, Any]) -> Heard:
    return Heard(
        topic=str(frame["topic"]),
        data=frame.get("data"),
        at=int(frame["at"]),
        encoding=frame.get("encoding"),
        offset=frame.get("offset"),
        epoch=frame.get("epoch"),
        key=frame.get("key"),
        sender=frame.get("from"),
    )
