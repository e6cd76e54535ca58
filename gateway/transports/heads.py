"""What the head of an HTTP request says of itself, as far as it decides whether it is served ◆

Only plain heads are read here. One that is odd in any way is left to the HTTP server, which refuses it in words.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

_END = b"\r\n\r\n"
_REQUEST = re.compile(r"([A-Z]{1,16}) (/[!-~]*) HTTP/1\.[01]", re.ASCII)
_FIELD = re.compile(r"([!#$%&'*+\-.^_`|~0-9A-Za-z]+):[ \t]*([^\x00-\x08\x0a-\x1f\x7f]*)")

MAX_FIELDS = 100
MAX_LINE = 8_190
"""Headers of a plain head, and characters of each of its lines: as the HTTP server has them."""


@dataclass(frozen=True, slots=True)
class RequestHead:
    """A request without its body. Names of headers are in lower case."""

    method: str
    path: str
    headers: Mapping[str, Sequence[str]]

    @property
    def forwarded_for(self) -> Sequence[str]:
        """Return the values of ``X-Forwarded-For``, in their order."""
        return self.headers.get("x-forwarded-for", ())

    @property
    def key(self) -> bytes | None:
        """Return the API key that came along; None where none did, or it is not clear which."""
        keys, authorizations = self.headers.get("x-api-key", ()), self.headers.get("authorization", ())
        if len(keys) > 1 or len(authorizations) > 1:
            return None
        return given_key(keys[0] if keys else None, authorizations[0] if authorizations else None, "latin-1")


def read_head(data: bytes) -> RequestHead | None:
    """Return the head that `data` begins with; None where it is not a plain one (RFC 9112, sections 3 and 5)."""
    end = data.find(_END)
    first, *lines = data[: max(0, end)].decode("latin-1").split("\r\n")
    request = _REQUEST.fullmatch(first)
    if request is None or len(lines) > MAX_FIELDS or max(map(len, (first, *lines))) > MAX_LINE:
        return None
    headers: dict[str, list[str]] = {}
    for line in lines:
        field = _FIELD.fullmatch(line)
        if field is None:
            return None
        headers.setdefault(field[1].lower(), []).append(field[2].rstrip(" \t"))
    return RequestHead(request[1], request[2].partition("?")[0], headers)


def given_key(api_key: str | None, authorization: str | None, encoding: str) -> bytes | None:
    """Return the API key of ``X-API-Key``, or of ``Authorization: Bearer`` where there is no other."""
    if api_key is None and authorization is not None:
        scheme, _, rest = authorization.partition(" ")
        api_key = rest.strip() if scheme.lower() == "bearer" else None
    return api_key.encode(encoding, "surrogateescape") if api_key else None
