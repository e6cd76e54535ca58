"""Where tokens come from: a string, or a function that is asked for a new one."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable
from typing import Final, TypeAlias

from .errors import AuthenticationError, InvalidArgument, TokenUnavailable

MAX_LENGTH: Final = 8192
"""Characters of a token."""

Token: TypeAlias = str | Callable[[], str | Awaitable[str]]
"""A token, or a function (plain or async, without arguments) that returns a fresh one each time.

A plain function must not block: it runs in the event loop. One that raises is asked again later, with backoff;
one that raises an `AuthenticationError` stops the client.
"""


class TokenSource:
    """A token provider, if there is one."""

    def __init__(self, token: Token) -> None:
        self.first: str | None = None
        """The token that needs no asking."""
        self._provider: Callable[[], str | Awaitable[str]] | None = None
        if isinstance(token, str):
            fault = _fault(token)
            if fault:
                raise InvalidArgument(f"The token {fault}.")
            self.first = token
        elif callable(token):
            self._provider = token
        else:
            raise InvalidArgument("`token` must be a string, or a function that returns one.")

    @property
    def renewable(self) -> bool:
        """Whether there is a provider to ask."""
        return self._provider is not None

    async def fetch(self) -> str:
        """Ask the provider. Raises `TokenUnavailable`, and the provider's own `AuthenticationError`."""
        if self._provider is None:
            raise TokenUnavailable("There is no token provider to ask.")
        try:
            token = self._provider()
            if inspect.isawaitable(token):
                token = await token
        except AuthenticationError:
            raise
        except Exception as error:  # The border to the user's code: whatever it raises is one failed try.
            raise TokenUnavailable(f"The token provider failed: {type(error).__name__}: {error}") from error
        fault = _fault(token)
        if fault:
            raise TokenUnavailable(f"What the token provider returned {fault}.")
        return token


def _fault(token: object) -> str | None:
    """Return what is wrong with a token, without repeating it."""
    if not isinstance(token, str):
        return f"is {type(token).__name__}, not a string"
    if not 0 < len(token) <= MAX_LENGTH:
        return f"has {len(token)} characters; a token has 1 to {MAX_LENGTH}"
    if not (token.isascii() and token.isprintable()):
        return "holds characters that no token has (line breaks, perhaps)"
    return None
