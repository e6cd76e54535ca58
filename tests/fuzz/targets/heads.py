"""The head of a request, before anybody knows what it is: where it goes, who it is, whether it is a WebSocket ◆"""

from __future__ import annotations

import re
from functools import cache
from http import HTTPStatus
from ipaddress import ip_address, ip_network
from typing import Any
from unittest.mock import Mock

from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.http_parser import HttpRequestParser

from gateway.addresses import TrustedProxies, counted_as, parse
from gateway.codecs import DIALECTS
from gateway.origins import Origins
from gateway.transports.handshake import Handshake
from gateway.transports.heads import MAX_FIELDS, MAX_LINE, given_key, read_head
from gateway.transports.listener import MAX_HEAD, Head
from tests.fuzz.target import CUT, Growth, Target, parts
from tests.support.client import Raw

END = b"\r\n\r\n"
_STATUS = re.compile(rb"HTTP/1\.1 (\d{3}) ")
ORIGINS = Origins(["https://example.com", "http://localhost:3000"], development=True)
PROXIES = TrustedProxies([ip_network("10.0.0.0/8"), ip_network("fd00::/8")])


class Door:
    """Stands for the listener, and for the socket: keeps what becomes of a head."""

    def __init__(self) -> None:
        self.outcome: tuple[str, Any] | None = None

    def is_closing(self) -> bool:
        return self.outcome is not None

    def opened(self, _: Head) -> None: ...

    def complete(self, _: Head, transport: object, data: bytes) -> None:
        end = data.index(END) + len(END)
        assert end <= MAX_HEAD
        self._decide("complete", data[:end])

    def refuse(self, _: Head, status: HTTPStatus, reason: str) -> None:
        self._decide("refused", status)

    def _decide(self, kind: str, what: object) -> None:
        assert self.outcome is None, "once"
        self.outcome = (kind, what)


def wait_for_head(data: bytes) -> None:
    """Take the bytes of a connection whole and in pieces: what is decided must be the same."""
    whole = _decided([data])
    step = 1 + len(data) // 64
    assert _decided([data[at : at + step] for at in range(0, len(data), step)]) == whole
    if whole is None:
        assert len(data) < MAX_HEAD, "who sends so much and no end is refused"
        assert END not in data
    elif whole[0] == "complete":
        shake_hands(whole[1])
        read_request(whole[1])


def _decided(pieces: list[bytes]) -> tuple[str, Any] | None:
    door = Door()
    made: Any = Head
    head = made(door)
    head.connection_made(door)
    for piece in pieces:
        if piece:
            head.data_received(piece)
    return door.outcome


def shake_hands(data: bytes) -> None:
    """Take a request for a WebSocket; the answer says yes to one of our dialects, or no with a status of HTTP."""
    data = data if END in data else data + END
    handshake = Handshake(data)
    upgrade = handshake.request()
    if upgrade is None:
        _refuses(handshake.answer())
        return
    assert handshake.path.startswith("/") or handshake.path == "" or "?" not in handshake.path
    ORIGINS.allows(upgrade.origin, upgrade.host)
    _is_address(PROXIES.client_address("10.0.0.1", upgrade.forwarded_for))
    response, dialect = handshake.accept()
    if dialect is None:
        _refuses(response)
        return
    assert dialect in DIALECTS
    head, _, rest = response.partition(END)
    assert head.startswith(b"HTTP/1.1 101 ")
    assert rest == b""
    names = [line.partition(b":")[0].lower() for line in head.split(b"\r\n")[1:]]
    assert set(names) <= {b"date", b"upgrade", b"connection", b"sec-websocket-accept", b"sec-websocket-protocol"}, names
    assert len(set(names)) == len(names)
    assert handshake.early == data.partition(END)[2]


def _refuses(response: bytes) -> None:
    status = _STATUS.match(response)
    assert status is not None, response
    assert 400 <= int(status[1]) < 600
    assert response.count(END) >= 1


def _is_address(text: str) -> None:
    assert str(ip_address(text)) == text
    counted_as(text)


def read_request(data: bytes) -> None:
    """Take a head as HTTP: where we call it plain, the HTTP server must read the same in it."""
    head = read_head(data)
    if head is None:
        return
    assert head.path.startswith("/")
    assert "?" not in head.path
    assert sum(map(len, head.headers.values())) <= MAX_FIELDS
    assert max(map(len, data[: data.index(END)].split(b"\r\n"))) <= MAX_LINE
    message = _as_the_server_reads(data[: data.index(END) + len(END)])
    if message is None:
        return  # it is refused in words there, whatever was seen here
    assert message.method == head.method
    names = {name.lower() for name in message.headers}
    assert names == set(head.headers)
    for name, values in head.headers.items():
        theirs = message.headers.getall(name)
        assert [_bytes(value) for value in theirs] == [value.encode("latin-1") for value in values]
    if len(head.headers.get("x-api-key", ())) <= 1 and len(head.headers.get("authorization", ())) <= 1:
        key, bearer = message.headers.get("X-API-Key"), message.headers.get("Authorization")
        assert head.key == given_key(key, bearer, "utf-8")


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def _as_the_server_reads(data: bytes) -> Any:
    """Return the request that aiohttp's parser finds; None where it finds none."""
    parser = HttpRequestParser(Mock(), _loop(), 2**16)
    try:
        messages, _, _ = parser.feed_data(data)
    except HttpProcessingError:
        return None
    return messages[0][0] if messages else None


@cache
def _loop() -> Any:
    return Mock()


def read_origin(data: bytes) -> None:
    """Take an origin and a host; what is allowed is listed, of this machine, or the host itself."""
    origin, host = (part.decode("utf-8", "surrogateescape") for part in parts(data, 2))
    if not ORIGINS.allows(origin, host):
        return
    scheme, _, rest = origin.lower().partition("://")
    assert scheme.isascii()
    assert rest.isascii()
    name = rest.rsplit(":", 1)[0] if not rest.endswith("]") else rest
    local = name in ("localhost", "127.0.0.1", "[::1]") and scheme in ("http", "https")
    listed = origin.lower() in ("https://example.com", "https://example.com:443") or rest == "localhost:3000"
    assert local or listed or _port_of(rest, scheme) == _port_of(host.lower(), scheme), (origin, host)


def _port_of(host: str, scheme: str) -> tuple[str, int | None]:
    name, colon, port = host.rpartition(":")
    if colon and port.isdigit():
        return name, int(port)
    return host, {"http": 80, "https": 443}.get(scheme)


def read_forwarded(data: bytes) -> None:
    """Take a peer and what proxies say: the result is an address, and never one that a client chose past our own."""
    peer, *said = (part.decode("latin-1") for part in parts(data, 4))
    address = PROXIES.client_address(peer, said)
    at_the_socket = parse(peer)
    if at_the_socket is None:
        assert address == peer
        return
    _is_address(address)
    if not (peer.startswith("10.") or peer.lower().startswith(("fd", "[fd"))) and "10." not in peer:
        assert address == str(at_the_socket), "who is no proxy of ours is not believed"


_WEBSOCKET = Raw.HANDSHAKE + b"Sec-WebSocket-Protocol: penstock.v1.msgpack, penstock.v1.json\r\nOrigin: http://a\r\n\r\n"
_POST = (
    b"POST /api/events/a.b?x=1 HTTP/1.1\r\nHost: localhost\r\nX-API-Key: k\r\nContent-Type: application/json\r\n"
    b"Content-Length: 2\r\nX-Forwarded-For: 10.0.0.2, 192.0.2.1\r\n\r\n{}"
)
_HEALTH = b"GET /healthz HTTP/1.0\r\nAuthorization: Bearer abc\r\n\r\n"
_WORDS = (
    b"\r\n", END, b": ", b" HTTP/1.1", b"Upgrade: websocket\r\n", b"Connection: Upgrade\r\n", b"Content-Length: 5\r\n",
    b"Sec-WebSocket-Key: ", b"Transfer-Encoding: chunked\r\n", b"X-API-Key: k\r\n",
    b"Authorization: Bearer k\r\n", b"Host:\r\n", b"\t", b"\x0b",
    b"Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n", b"Sec-WebSocket-Version: 13\r\n",
    b"X-Forwarded-For: ::1\r\n", b"Origin: null\r\n", b"\xe9", b"%00", b"?", b"#", b"\x85", b"\xa0",
)  # fmt: skip

TARGETS = (
    Target(
        "head",
        wait_for_head,
        (_WEBSOCKET, _POST, _HEALTH, b"GET", b"\x16\x03\x01", b"", b"A" * 20_000),
        words=_WORDS,
        growth=(Growth(b"A"), Growth(b"a: b\r\n", b"GET / HTTP/1.1\r\n", b"\r\n"), Growth(b"\r\n"), Growth(b"\x00")),
    ),
    Target("handshake", shake_hands, (_WEBSOCKET, Raw.HANDSHAKE, Raw.HANDSHAKE + b"\r\n\x81\x80"), words=_WORDS),
    Target("request", read_request, (_POST, _HEALTH, _WEBSOCKET), words=_WORDS),
    Target(
        "origin",
        read_origin,
        (
            b"https://example.com\x1elocalhost", b"http://a:80\x1ea", b"http://[::1]:9\x1ex", b"null\x1enull",
            b"https://EXAMPLE.com:443\x1e", b"http://localhost.evil.example\x1elocalhost",
        ),
        words=(b"https://", b"http://", b":80", b":443", b"[::1]", b"localhost", b"example.com", CUT, b"@", b"/", b"*"),
        growth=(Growth(b"a", b"http://"), Growth(b"1", b"http://a:"), Growth(b":", b"http://[", b"]")),
    ),
    Target(
        "forwarded",
        read_forwarded,
        (b"10.0.0.1\x1e192.0.2.1, 10.0.0.9\x1e::1", b"fd00::1\x1e[2001:db8::1]:443", b"192.0.2.9\x1e10.0.0.1", b""),
        words=(b"10.0.0.1", b"::ffff:10.0.0.1", b",", CUT, b"[", b"]", b":80", b"%eth0", b"unknown", b"/8"),
        growth=(Growth(b"10.0.0.1,", b"10.0.0.1\x1e"), Growth(b",", b"10.0.0.1\x1e"), Growth(b":", b"10.0.0.1\x1e")),
    ),
)  # fmt: skip
