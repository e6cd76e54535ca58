"""Brings events to a gateway: ``POST /api/events/{topic}``, on one connection."""

from __future__ import annotations

import http.client
import json
import time
from collections.abc import Callable
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

from penstock.cli.errors import CommandError, key_refused
from penstock.cli.exits import Exit
from penstock.emitting.event import Event

TIMEOUT = 10.0
"""Seconds for one request: the gateway itself gives up on the broker's confirm after 5."""


def emit(
    url: str, api_key: str | None, event: Event, count: int, every: float, confirmed: Callable[[str], None]
) -> None:
    """Publish `event` `count` times, `every` seconds; tell `confirmed` by whom, each time. Raises `CommandError`."""
    with HttpDoor(url, api_key) as door:
        for number in range(count):
            if number:
                time.sleep(every)
            confirmed(door.emit(event))


class HttpDoor:
    """One connection to a gateway, opened with the first event."""

    def __init__(self, url: str, api_key: str | None) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise CommandError(f"{url!r} is no http:// or https:// address of a gateway.", Exit.USAGE)
        kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        self.where = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"
        self._path = parts.path.rstrip("/")
        self._connection = kind(parts.hostname, parts.port, timeout=TIMEOUT)
        self._api_key = api_key

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._connection.close()

    def emit(self, event: Event) -> str:
        """Publish one event; return by whom it was confirmed, in words. Raises `CommandError`."""
        headers = {"Content-Type": event.content_type}
        if self._api_key:
            headers["Authorization"] = f"Bearer {self._api_key}"
        if event.key is not None:
            headers["Idempotency-Key"] = event.key
        try:
            self._connection.request("POST", f"{self._path}/api/events/{event.topic}", event.body, headers)
            answer = self._connection.getresponse()
            body = answer.read()
        except TimeoutError as error:
            raise CommandError(
                f"{self.where} did not answer within {TIMEOUT:g} s; the event may have been published or not.",
                Exit.UNREACHABLE,
            ) from error
        except (OSError, http.client.HTTPException) as error:
            raise CommandError(self._unreachable(error), Exit.UNREACHABLE) from error
        if answer.status // 100 != 2:
            raise self._refusal(answer.status, event, _reason(body) or answer.reason)
        return f"the broker behind {self.where}"

    def _unreachable(self, error: Exception) -> str:
        why = getattr(error, "strerror", None) or str(error) or type(error).__name__
        return f"No gateway answers at {self.where} ({why}). Is `penstock up` running? --url or --port names another."

    def _refusal(self, status: int, event: Event, reason: str) -> CommandError:
        if status in (401, 403):
            return key_refused(self.where, reason, shown=bool(self._api_key))
        if status in (404, 405):
            return CommandError(f"{self.where} has no /api/events ({reason}). Is it a Penstock gateway?", Exit.REFUSED)
        if status in (502, 503, 504):
            return CommandError(f"{self.where} could not publish to {event.topic}: {reason}.", Exit.UNREACHABLE)
        return CommandError(f"{self.where} refused the event for {event.topic} ({status}): {reason}.", Exit.REFUSED)


def _reason(body: bytes) -> str:
    try:
        answer = json.loads(body)
        return str(answer.get("reason") or answer.get("code") or "").rstrip(".")
    except (ValueError, AttributeError):
        return ""
