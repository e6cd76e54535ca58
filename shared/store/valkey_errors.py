"""What the errors of the client library and of the server mean to us."""

from __future__ import annotations

from redis import exceptions as said

from shared.errors import ConfigurationError, PenstockError, StoreAway

FAILURES = (said.RedisError, said.RedisClusterException, OSError, TimeoutError, RuntimeError)
"""All that a call may raise."""

CLOSED = "the handler is closed"
"""What uvloop says, in a `RuntimeError`, to who writes to a connection that was lost a moment ago."""

_FOR_A_WHILE = {
    "LOADING": "is still reading its data from disk",
    "READONLY": "is a replica; another one will be the master, or is it already",
    "MASTERDOWN": "is a replica that has lost its master",
    "CLUSTERDOWN": "says that the Cluster is down",
    "TRYAGAIN": "is moving a slot",
    "MOVED": "has given a slot away",
    "ASK": "is giving a slot away",
    "OOM": "is full (maxmemory)",
    "BUSY": "is busy with somebody's script",
    "MISCONF": "cannot write to its disk",
    "NOREPLICAS": "has too few replicas",
    "NOSCRIPT": "forgets our scripts at once",
    "max number of clients": "has too many clients",
}
"""What a server says while it cannot serve, and what that is in words."""

_REFUSALS = {
    "WRONGPASS": "refuses the user or the password of PENSTOCK_STORE_URL",
    "invalid username-password": "refuses the user or the password of PENSTOCK_STORE_URL",
    "invalid password": "refuses the password of PENSTOCK_STORE_URL",
    "without any password configured": "wants no password; take it out of PENSTOCK_STORE_URL",
    "NOAUTH": "wants a password; put one into PENSTOCK_STORE_URL",
    "NOPERM": "does not let this user do what Penstock needs; docs/operations.md has the rights",
    "DB index": "does not have that database; mend the number in PENSTOCK_STORE_URL",
    "invalid database": "does not have that database; mend the number in PENSTOCK_STORE_URL",
    "Cluster mode is not enabled": "is no Cluster; write redis:// into PENSTOCK_STORE_URL",
    "non local key": "is a node of a Cluster; write redis+cluster:// into PENSTOCK_STORE_URL",
    "unknown command": "lacks a command that Penstock needs; take Valkey, or Redis 6.2 or later",
}
"""What a server says that will not let us in, and what to do."""

_WORD_OF = {
    said.BusyLoadingError: "LOADING",
    said.ReadOnlyError: "READONLY",
    said.OutOfMemoryError: "OOM",
    said.ClusterDownError: "CLUSTERDOWN",
    said.MasterDownError: "MASTERDOWN",
    said.TryAgainError: "TRYAGAIN",
    said.MovedError: "MOVED",
    said.AskError: "ASK",
    said.NoScriptError: "NOSCRIPT",
    said.NoPermissionError: "NOPERM",
    said.AuthenticationError: "NOAUTH",
}
"""The library takes the first word off what the server said and makes it a class."""


def meaning(error: BaseException, where: str) -> PenstockError | None:
    """Return what `error` means: `ConfigurationError`, `StoreAway`, or None where it is a fault of ours.

    `where` is the store in words; neither it nor what is returned holds a password.
    """
    words = " ".join(str(error).split()).rstrip(".")
    whole = f"{next((word for kind, word in _WORD_OF.items() if isinstance(error, kind)), '')} {words}".lower()
    for sign, sense in _REFUSALS.items():
        if sign.lower() in whole:
            return ConfigurationError(f"The store ({where}) {sense}.")
    for sign, sense in _FOR_A_WHILE.items():
        if f" {sign.lower()} " in f" {whole} ":
            return StoreAway(f"The store ({where}) {sense}.")
    if isinstance(error, said.TimeoutError | TimeoutError):
        return StoreAway(f"The store ({where}) does not answer.")
    if isinstance(error, said.ResponseError) or (isinstance(error, RuntimeError) and CLOSED not in words):
        return None
    return StoreAway(f"The store ({where}) cannot be reached: {words or type(error).__name__}.")
