"""Asks a gateway who is connected: ``GET /api/sessions``."""

from __future__ import annotations

import json
import urllib.error
import urllib.parse
import urllib.request
from typing import Any

from penstock.cli.errors import CommandError, key_refused
from penstock.cli.exits import Exit

TIMEOUT = 10.0
"""Seconds for the answer: the gateway itself gives up on a router after 4."""


def sessions(url: str, api_key: str | None, user: str | None, limit: int) -> dict[str, Any]:
    """Return what the gateway at `url` says; raise `CommandError` where it says nothing, or no."""
    if urllib.parse.urlsplit(url).scheme not in ("http", "https"):
        raise CommandError(f"{url!r} is no http:// or https:// address of a gateway.", Exit.USAGE)
    query = {"limit": str(limit), **({} if user is None else {"user": user})}
    request = urllib.request.Request(f"{url.rstrip('/')}/api/sessions?{urllib.parse.urlencode(query)}")
    if api_key:
        request.add_header("Authorization", f"Bearer {api_key}")
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT) as answer:
            found: dict[str, Any] = json.loads(answer.read())
            return found
    except urllib.error.HTTPError as refused:
        with refused:
            reason = _reason(refused.read()) or str(refused.reason)
            if refused.code in (401, 403):
                raise key_refused(url, reason, shown=bool(api_key)) from refused
            code = Exit.UNREACHABLE if refused.code >= 500 else Exit.REFUSED
            raise CommandError(f"{url} says: {reason}.", code) from refused
    except (OSError, ValueError) as error:
        cause = getattr(error, "reason", error)
        why = getattr(cause, "strerror", None) or cause
        raise CommandError(
            f"No gateway answers at {url} ({why}). Is `penstock up` running? --url or --port names another, "
            "--store-url the store.",
            Exit.UNREACHABLE,
        ) from error


def _reason(body: bytes) -> str:
    try:
        return str(json.loads(body)["reason"]).rstrip(".")
    except (ValueError, KeyError, TypeError):
        return ""
