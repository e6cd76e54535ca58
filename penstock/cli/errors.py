"""Errors as one plain sentence: what happened, to what, what to do."""

from __future__ import annotations

import os

from penstock.cli.exits import Exit
from shared.errors import (
    BusAway,
    BusBlocked,
    BusError,
    ConfigurationError,
    ConfirmTimeout,
    PenstockError,
    PublishRefused,
    StoreAway,
    Unroutable,
)

DEBUG = "PENSTOCK_DEBUG"

_CODES: tuple[tuple[type[Exception], Exit], ...] = (
    (ConfigurationError, Exit.CONFIGURATION),
    (BusAway, Exit.UNREACHABLE),
    (BusBlocked, Exit.UNREACHABLE),
    (ConfirmTimeout, Exit.UNREACHABLE),
    (StoreAway, Exit.UNREACHABLE),
    (PublishRefused, Exit.REFUSED),
    (Unroutable, Exit.REFUSED),
    (BusError, Exit.FAILED),
    (PenstockError, Exit.FAILED),
)


class CommandError(Exception):
    """A command could not do what it was asked; the message is the sentence that is printed."""

    def __init__(self, message: str, code: Exit = Exit.FAILED) -> None:
        super().__init__(message)
        self.code = code


def key_refused(where: str, reason: str, *, shown: bool) -> CommandError:
    """Return the error for a gateway `where` no API key was good enough; `shown`: it was given one."""
    did = "refused the API key" if shown else "asks for an API key"
    return CommandError(f"{where} {did} ({reason}). Give one of its PENSTOCK_API_KEYS with --api-key.", Exit.REFUSED)


def told(error: BaseException) -> tuple[str, Exit]:
    """Return the sentence and the exit code of an error."""
    if isinstance(error, CommandError):
        return str(error), error.code
    for kind, code in _CODES:
        if isinstance(error, kind):
            return str(error), code
    return (
        f"This should not have happened: {type(error).__name__}: {error}. "
        "Run it again with --debug to see where, and please report it.",
        Exit.FAILED,
    )


def debugging() -> bool:
    """Say whether tracebacks are wanted (``--debug``, or ``PENSTOCK_DEBUG=1``)."""
    return os.environ.get(DEBUG, "") not in ("", "0")
