"""Answers over HTTP in words: always JSON, always one code of the protocol and one reason"""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus

import msgspec

from shared.codes import ErrorCode

CONTENT_TYPE = "application/json"

HEADERS = {
    "Server": "penstock",
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
}
"""What every answer says of itself. No CORS headers: pages of other origins have no business here."""


def body(code: ErrorCode, reason: str) -> bytes:
    """Return the body of a refusal."""
    return msgspec.json.encode({"code": code.value, "reason": reason}) + b"\n"


def whole(status: HTTPStatus, code: ErrorCode, reason: str, *, retry_after: int | None = None) -> bytes:
    """Return a whole refusal, for connections that never get as far as an HTTP server; `retry_after` is seconds."""
    more = {} if retry_after is None else {"Retry-After": str(retry_after)}
    return last(status, body(code, reason), more)


def last(status: HTTPStatus, content: bytes, more: Mapping[str, str] | None = None, *, head: bool = False) -> bytes:
    """Return a whole answer, the last one of its connection; to a ``HEAD`` it goes without its `content`."""
    headers = {
        "Content-Type": CONTENT_TYPE,
        "Content-Length": str(len(content)),
        "Connection": "close",
        **(more or {}),
        **HEADERS,
    }
    lines = [f"HTTP/1.1 {status.value} {status.phrase}", *(f"{name}: {value}" for name, value in headers.items())]
    return "\r\n".join([*lines, "", ""]).encode() + (b"" if head else content)
