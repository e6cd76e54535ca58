"""The opening handshake of a WebSocket (RFC 6455, section 4.2), decided in one go.

The library reads and judges each request. Only what is refused gets one of its protocol objects, for the response: with
one for each client, a handshake cost twice as much, and a crowd that comes back is mostly handshakes.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from http import HTTPStatus

from msgspec import Struct
from websockets.datastructures import Headers
from websockets.exceptions import InvalidHandshake, NegotiationError
from websockets.http11 import Request
from websockets.server import ServerProtocol
from websockets.streams import StreamReader
from websockets.typing import Subprotocol

from gateway.codecs import BY_SUBPROTOCOL, DIALECTS, Dialect

PATH = "/ws"
END_OF_HEAD = b"\r\n\r\n"
MALFORMED = b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"

SWITCHING = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
ACCEPTED = SWITCHING + b"Sec-WebSocket-Accept: %b\r\n\r\n"
ACCEPTED_SUBPROTOCOL = SWITCHING + b"Sec-WebSocket-Accept: %b\r\nSec-WebSocket-Protocol: %b\r\n\r\n"

_quiet = logging.getLogger("gateway.websockets")
_OURS = [Subprotocol(dialect.subprotocol) for dialect in DIALECTS]


class Upgrade(Struct, frozen=True, gc=False):
    """A request for a WebSocket that is well-formed."""

    origin: str | None
    host: str
    forwarded_for: Sequence[str]
    bearer: str
    """The token in ``Authorization: Bearer``, or nothing."""


class Handshake:
    """One handshake: `request` first, then exactly one of `accept` and `refuse`.

    Both return the bytes to send. `early` is what the client sent behind its request.
    """

    def __init__(self, head: bytes) -> None:
        end = head.find(END_OF_HEAD) + len(END_OF_HEAD)
        self._head, self.early = head[:end], head[end:]
        self._request: Request | None = None
        self._refusing: ServerProtocol | None = None

    def request(self) -> Upgrade | None:
        """Return what is asked for, or None where `refuse` or `answer` has the reply to something else."""
        self._request = _read(self._head)
        if self._request is None:
            self._protocol.receive_data(self._head)
            return None
        headers = self._request.headers
        return Upgrade(
            origin=_one(headers, "Origin"),
            host=_one(headers, "Host") or "",
            forwarded_for=headers.get_all("X-Forwarded-For"),
            bearer=_bearer(_one(headers, "Authorization")),
        )

    @property
    def path(self) -> str:
        """Return the path that was asked for, without its query."""
        return "" if self._request is None else self._request.path.partition("?")[0]

    def accept(self) -> tuple[bytes, Dialect | None]:
        """Return the response, and the dialect to speak; None where the library refused the request."""
        assert self._request is not None, "request() comes first"
        try:
            key, _, chosen = _judge.process_request(self._request)
        except InvalidHandshake:
            self._protocol.send_response(self._protocol.accept(self._request))
            return self._bytes(), None
        if chosen is None:
            return ACCEPTED % key.encode(), DIALECTS[0]
        return ACCEPTED_SUBPROTOCOL % (key.encode(), chosen.encode()), BY_SUBPROTOCOL[chosen]

    def refuse(self, status: HTTPStatus, reason: str, retry_after: int | None = None) -> bytes:
        """Return a response that says no; `retry_after` is seconds."""
        response = self._protocol.reject(status, reason + "\n")
        if retry_after is not None:
            response.headers["Retry-After"] = str(retry_after)
        self._protocol.send_response(response)
        return self._bytes()

    def answer(self) -> bytes:
        """Return the answer to what was no request: the library's own, where it has one."""
        return self._bytes() or MALFORMED

    @property
    def _protocol(self) -> ServerProtocol:
        if self._refusing is None:
            self._refusing = _new_protocol()
        return self._refusing

    def _bytes(self) -> bytes:
        return b"".join(self._protocol.data_to_send())


def _select(_: ServerProtocol, offered: Sequence[Subprotocol]) -> Subprotocol | None:
    """Choose the first that the client offers and we speak; JSON, unsaid, where it offers none."""
    if not offered:
        return None
    for subprotocol in offered:
        if subprotocol in BY_SUBPROTOCOL:
            return subprotocol
    raise NegotiationError(f"none of the subprotocols is spoken here; offer one of {', '.join(_OURS)}")


def _new_protocol() -> ServerProtocol:
    return ServerProtocol(subprotocols=_OURS, select_subprotocol=_select, max_size=None, logger=_quiet)


_judge = _new_protocol()
"""Judges every request; what it notes of one is overwritten by the next, and never read."""


def _read(head: bytes) -> Request | None:
    """Return the request in `head`, None where there is none that the library can read."""
    reader = StreamReader()
    reader.feed_data(head)
    try:
        next(Request.parse(reader.read_line))
    except StopIteration as read:
        request: Request = read.value
        return request
    except Exception:  # whatever it is, the library's protocol meets it too, and has the answer
        return None
    return None


def _one(headers: Headers, name: str) -> str | None:
    """Return a header that must not be repeated; two of them count as one that matches nothing."""
    values = headers.get_all(name)
    return ",".join(values) if values else None


def _bearer(authorization: str | None) -> str:
    scheme, _, token = (authorization or "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""
