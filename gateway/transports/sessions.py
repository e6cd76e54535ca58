"""``GET /api/sessions``: who is connected, for who has an API key."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Any

import msgspec
from aiohttp import web

from gateway.census import Found
from gateway.transports import answers
from gateway.transports.events import Refusal
from shared.attending import Member, SessionsRead
from shared.codes import ErrorCode
from shared.store.roll import MAX_SESSIONS

PATH = "/api/sessions"

DEFAULT_LIMIT = 100
"""Sessions that are listed where nobody says how many."""

RETRY_AFTER = 2
"""Seconds that who asks is told to wait, where nobody can say who is connected."""

Ask = Callable[[str | None, int], Awaitable[Found]]
"""Asks for the sessions of a user, or of all, and at most so many."""


async def answer(request: web.BaseRequest, ask: Ask) -> web.Response:
    """Answer a request that may be answered; raise `Refusal` where that cannot be."""
    found = await ask(request.query.get("user"), _limit(request))
    if not isinstance(found, SessionsRead):
        reason = "who is connected cannot be said just now" if found is None else found.reason
        raise Refusal(HTTPStatus.SERVICE_UNAVAILABLE, ErrorCode.UNAVAILABLE, reason, {"Retry-After": str(RETRY_AFTER)})
    body = msgspec.json.encode({"count": found.count, "sessions": [described(each) for each in found.sessions]})
    return web.Response(body=body + b"\n", headers={"Content-Type": answers.CONTENT_TYPE})


def described(member: Member) -> dict[str, Any]:
    """Return what is known of a session; `since` is milliseconds since 1970."""
    address, since = msgspec.msgpack.decode(member.info, type=tuple[str, int])
    gateway = member.session.rpartition(".")[0]
    return {"session": member.session, "user": member.user, "gateway": gateway, "address": address, "since": since}


def _limit(request: web.BaseRequest) -> int:
    given = request.query.get("limit", str(DEFAULT_LIMIT))
    if not given.isascii() or not given.isdigit() or not 1 <= int(given[:9]) <= MAX_SESSIONS:
        reason = f"limit must be a number from 1 to {MAX_SESSIONS}"
        raise Refusal(HTTPStatus.BAD_REQUEST, ErrorCode.BAD_REQUEST, reason)
    return int(given[:9])
