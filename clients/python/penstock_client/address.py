"""The address of a gateway ◆"""

from __future__ import annotations

from typing import Final
from urllib.parse import urlsplit, urlunsplit

from .errors import InvalidArgument

DEFAULT_PATH: Final = "/ws"

_SCHEMES: Final = {"ws": "ws", "wss": "wss", "http": "ws", "https": "wss"}


def websocket_url(url: str) -> str:
    """Return the WebSocket URL that `url` means: ``http`` becomes ``ws``, a missing path becomes ``/ws``.

    Raises `InvalidArgument` for another scheme, a missing host, a fragment, or credentials: the token travels in the
    `connect` frame, never in the URL, where logs would keep it.
    """
    if any(character <= " " or character == "\x7f" for character in url):
        raise InvalidArgument("The gateway's URL holds a space or a control character.")
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError as error:
        raise InvalidArgument(f"The gateway's URL cannot be read: {error}.") from error
    scheme = _SCHEMES.get(parts.scheme)
    if scheme is None or not parts.hostname:
        raise InvalidArgument("The gateway's URL must look like wss://host, ws://host:port or https://host.")
    if parts.username is not None or parts.password is not None:
        raise InvalidArgument("The gateway's URL holds credentials; pass the token as `token` instead.")
    if parts.fragment:
        raise InvalidArgument("The gateway's URL holds a fragment (#…), which a WebSocket has no use for.")
    path = parts.path if parts.path not in ("", "/") else DEFAULT_PATH
    return urlunsplit((scheme, parts.netloc, path, parts.query, ""))
