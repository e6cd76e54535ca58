"""Which web pages may connect: the Origin allow-list ◆

A browser says in ``Origin`` (RFC 6454, section 7; RFC 6455, section 10.2) which page opens a WebSocket, and no page can
make it lie. An origin is compared as a whole, scheme, host and port, never in parts.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

ANY = "*"
OPAQUE = "null"
"""What a browser sends for sandboxed frames and local files: anybody can make one of these."""

_DEFAULT_PORTS = {"http": 80, "https": 443}
_LOCAL = frozenset(("localhost", "127.0.0.1", "[::1]"))
_ORIGIN = re.compile(
    r"(?P<scheme>[a-z][a-z0-9+.-]*)://(?P<host>\[[0-9a-f:.]+\]|[a-z0-9._~-]+)(?::(?P<port>[0-9]{1,5}))?", re.ASCII
)


class Origins:
    """The origins that may connect, as ``scheme://host[:port]``, ``null`` or ``*`` for all.

    Always allowed are requests without an origin, which no browser sends, and those from the host they are for. In
    `development` pages of this machine are, too, on any port. Raises `ValueError` for what is no origin.
    """

    def __init__(self, allowed: Iterable[str] = (), *, development: bool = False) -> None:
        listed = set(allowed)
        self._any = ANY in listed
        self._opaque = OPAQUE in listed
        self._allowed = frozenset(_of_settings(origin) for origin in listed - {ANY, OPAQUE})
        self._development = development

    def allows(self, origin: str | None, host: str) -> bool:
        """Say whether a request with these two headers may connect; None: there is no such header."""
        if origin is None or self._any:
            return True
        if origin == OPAQUE:
            return self._opaque
        asked = _parse(origin)
        if asked is None:
            return False
        scheme, name, _ = asked
        if asked in self._allowed or asked == _parse(f"{scheme}://{host}"):
            return True
        return self._development and scheme in _DEFAULT_PORTS and name in _LOCAL


def _parse(origin: str) -> tuple[str, str, int | None] | None:
    match = _ORIGIN.fullmatch(origin.lower())
    if match is None:
        return None
    scheme = match["scheme"]
    port = int(match["port"]) if match["port"] else _DEFAULT_PORTS.get(scheme)
    return scheme, match["host"], port


def _of_settings(origin: str) -> tuple[str, str, int | None]:
    parsed = _parse(origin)
    if parsed is None:
        raise ValueError(f"{origin!r} is no origin; write it as https://example.com or http://localhost:3000, or *")
    return parsed
