"""Error codes and close codes of the client protocol, one table ◆

Close codes carry their instruction in their range, so that a client needs no table: 4000-4099 come back and resume,
4100-4199 something must change first.
"""

from __future__ import annotations

from enum import IntEnum, StrEnum


class ErrorCode(StrEnum):
    """Why a request was not done."""

    BAD_REQUEST = "bad_request"
    UNAUTHENTICATED = "unauthenticated"
    FORBIDDEN = "forbidden"
    NOT_FOUND = "not_found"
    RATE_LIMITED = "rate_limited"
    OVERLOADED = "overloaded"
    UNAVAILABLE = "unavailable"
    TIMEOUT = "timeout"
    TOO_LARGE = "too_large"
    CONFLICT = "conflict"
    INTERNAL = "internal"


class CloseCode(IntEnum):
    """Why a connection was ended by the server (RFC 6455, section 7.4.2: 4000-4999 are the application's)."""

    DRAIN = 4000
    NO_HEARTBEAT = 4001
    SLOW = 4002
    INTERNAL = 4003
    DEGRADED = 4004
    NOT_AUTHENTICATED_IN_TIME = 4100
    BAD_TOKEN = 4101
    TOKEN_EXPIRED = 4102
    REVOKED = 4103
    TOO_MANY_CONNECTIONS = 4104
    FLOODING = 4105
    BAD_FRAME = 4106
    TOO_LARGE = 4107


def may_come_back(code: int) -> bool:
    """Say whether a client that was closed with `code` may reconnect as it is.

    Codes outside 4100-4199, the network's own among them, say nothing against it.
    """
    return not 4100 <= code <= 4199
