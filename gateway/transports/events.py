"""``POST /api/events/{topic}``: checks a request, reads its body in bounds and in time, and emits the event."""

from __future__ import annotations

import asyncio
import hmac
import re
from collections.abc import Callable, Mapping, Sequence
from http import HTTPStatus
from typing import Protocol

import msgspec
from aiohttp import web

from gateway.codecs.json import is_json, is_utf8
from gateway.codecs.msgpack import is_msgpack
from gateway.transports import answers
from gateway.transports.heads import given_key
from shared.codes import ErrorCode
from shared.errors import BusAway, BusBlocked, BusError, ConfirmTimeout, PublishRefused
from shared.topics import MAX_BYTES, MAX_SEGMENTS, is_topic

RETRY_AWAY = 2
RETRY_FULL = 1
"""Seconds that publishers are told to wait."""

MAX_IDEMPOTENCY_KEY = 128
"""Characters of ``Idempotency-Key``."""

JSON = "application/json"

FORM = "application/x-www-form-urlencoded"
"""What curl and others say of a body when nobody tells them: it is refused, and how to say it is told."""

CHECKS: Mapping[str, tuple[Callable[[bytes], bool], str]] = {
    JSON: (is_json, "JSON"),
    "text/plain": (is_utf8, "text in UTF-8"),
    "application/msgpack": (is_msgpack, "MessagePack"),
    "application/octet-stream": (lambda _: True, "bytes"),
}
"""The types an event may have, and what its body must then be."""

_VISIBLE = re.compile(rf"[!-~]{{1,{MAX_IDEMPOTENCY_KEY}}}", re.ASCII)
_TRACEPARENT = re.compile(r"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}", re.ASCII)
"""W3C Trace Context, section 3.2."""


class Emit(Protocol):
    """Publishes one event; returns when it is safe with the broker, raises a `BusError` where it is not."""

    async def __call__(
        self, topic: str, body: bytes, content_type: str, message_id: str | None, traceparent: str | None
    ) -> None:
        """Publish."""


class Refusal(Exception):
    """A request that is answered with an error."""

    def __init__(
        self, status: HTTPStatus, code: ErrorCode, reason: str, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(reason)
        self.status = status
        self._code = code
        self._reason = reason
        self._headers = headers or {}

    def response(self) -> web.Response:
        """Return the answer."""
        headers = {"Content-Type": answers.CONTENT_TYPE, **self._headers}
        return web.Response(status=self.status, body=answers.body(self._code, self._reason), headers=headers)


def _bad(reason: str, status: HTTPStatus = HTTPStatus.BAD_REQUEST) -> Refusal:
    return Refusal(status, ErrorCode.BAD_REQUEST, reason)


class EventsApi:
    """The door for back ends that do not speak AMQP. `timeout` is seconds for a body, `max_bytes` its size."""

    def __init__(self, emit: Emit, api_keys: Sequence[str], *, max_bytes: int, timeout: float) -> None:
        self._emit = emit
        self._api_keys = [key.encode() for key in api_keys]
        self._max_bytes = max_bytes
        self._timeout = timeout

    async def post(self, request: web.BaseRequest, topic: str) -> web.Response:
        """Emit the event in `request`; raise `Refusal` where that cannot be."""
        self.authorize(request)
        if not is_topic(topic):
            raise _bad(
                f"not a topic: 1-{MAX_SEGMENTS} segments joined by dots, each of A-Z a-z 0-9 _ ~ : @ = -, "
                f"{MAX_BYTES} bytes in all"
            )
        content_type = _content_type(request)
        message_id = _idempotency_key(request)
        traceparent = _one(request, "traceparent")
        body = await self._read(request)
        is_good, name = CHECKS[content_type]
        if not is_good(body):
            raise _bad(f"the body is not {name}, as its Content-Type says, or nests too deep")
        if traceparent is not None and not _TRACEPARENT.fullmatch(traceparent):
            traceparent = None  # as the standard has it: a trace is no reason to lose an event
        try:
            await self._emit(topic, body, content_type, message_id, traceparent)
        except BusError as error:
            raise _unsent(error) from error
        return web.Response(
            status=HTTPStatus.ACCEPTED,
            body=msgspec.json.encode({"topic": topic, "status": "accepted"}) + b"\n",
            headers={"Content-Type": answers.CONTENT_TYPE},
        )

    def knows(self, key: bytes | None) -> bool:
        """Say whether this is one of the API keys."""
        # All are compared, each in constant time: how long it takes says nothing about any of them.
        return key is not None and bool(sum([hmac.compare_digest(key, known) for known in self._api_keys]))

    def authorize(self, request: web.BaseRequest) -> None:
        """Raise `Refusal` unless the request comes with an API key."""
        given = given_key(_one(request, "X-API-Key"), _one(request, "Authorization"), "utf-8")
        if given is None:
            raise Refusal(
                HTTPStatus.UNAUTHORIZED,
                ErrorCode.UNAUTHENTICATED,
                "an API key is needed: Authorization: Bearer … or X-API-Key: …",
                {"WWW-Authenticate": "Bearer"},
            )
        if not self._api_keys:
            reason = "no API key is known here; the operator can set PENSTOCK_API_KEYS"
            raise Refusal(HTTPStatus.FORBIDDEN, ErrorCode.FORBIDDEN, reason)
        if not self.knows(given):
            raise Refusal(HTTPStatus.FORBIDDEN, ErrorCode.FORBIDDEN, "this API key is not known here")

    async def _read(self, request: web.BaseRequest) -> bytes:
        if (request.content_length or 0) > self._max_bytes:
            raise self._too_large()
        if request.headers.get("Expect", "").lower() == "100-continue" and request.transport is not None:
            request.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        chunks: list[bytes] = []
        size = 0
        try:
            async with asyncio.timeout(self._timeout):
                while chunk := await request.content.readany():
                    size += len(chunk)
                    if size > self._max_bytes:
                        raise self._too_large()
                    chunks.append(chunk)
        except TimeoutError:
            reason = f"the body did not come within {self._timeout:g} s"
            raise Refusal(HTTPStatus.REQUEST_TIMEOUT, ErrorCode.TIMEOUT, reason) from None
        return b"".join(chunks)

    def _too_large(self) -> Refusal:
        reason = f"an event may have {self._max_bytes} bytes"
        return Refusal(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, ErrorCode.TOO_LARGE, reason)


def _one(request: web.BaseRequest, name: str) -> str | None:
    """Return a header that must not be repeated."""
    values = request.headers.getall(name, [])
    if len(values) > 1:
        raise _bad(f"{name} is there more than once")
    return values[0] if values else None


def _content_type(request: web.BaseRequest) -> str:
    given = _one(request, "Content-Type")
    content_type = JSON if given is None else given.partition(";")[0].strip().lower()
    if content_type not in CHECKS:
        reason = f"the header Content-Type must be one of {', '.join(CHECKS)}"
        if content_type == FORM:
            reason += f"; this says {FORM}, as curl -d does by itself: add -H 'Content-Type: {JSON}'"
        raise _bad(reason, HTTPStatus.UNSUPPORTED_MEDIA_TYPE)
    if (_one(request, "Content-Encoding") or "identity").lower() != "identity":
        raise _bad("compressed bodies are not read here", HTTPStatus.UNSUPPORTED_MEDIA_TYPE)
    return content_type


def _idempotency_key(request: web.BaseRequest) -> str | None:
    key = _one(request, "Idempotency-Key")
    if key is not None and not _VISIBLE.fullmatch(key):
        raise _bad(f"Idempotency-Key must be 1-{MAX_IDEMPOTENCY_KEY} visible ASCII characters")
    return key


def _unsent(error: BusError) -> Refusal:
    match error:
        case ConfirmTimeout():
            reason = "the broker did not confirm in time; repeat it with the same Idempotency-Key to be sure"
            return Refusal(HTTPStatus.GATEWAY_TIMEOUT, ErrorCode.TIMEOUT, reason)
        case PublishRefused():
            status, code, wait = HTTPStatus.SERVICE_UNAVAILABLE, ErrorCode.OVERLOADED, RETRY_FULL
            reason = "the routers have too much to do"
        case BusAway() | BusBlocked():
            status, code, wait = HTTPStatus.SERVICE_UNAVAILABLE, ErrorCode.UNAVAILABLE, RETRY_AWAY
            reason = "the broker takes no messages just now"
        case _:
            status, code, wait = HTTPStatus.SERVICE_UNAVAILABLE, ErrorCode.UNAVAILABLE, RETRY_AWAY
            reason = "no queue takes events just now; is a router running?"
    return Refusal(status, code, reason, {"Retry-After": str(wait)})
