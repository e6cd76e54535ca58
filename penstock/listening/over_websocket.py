"""Follows topics at a gateway, and comes back when the connection is lost."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Sequence
from urllib.parse import urlsplit

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidURI

from penstock.cli.errors import CommandError
from penstock.cli.exits import Exit
from penstock.listening.heard import Heard
from penstock.listening.memory import Memory
from penstock.listening.session import Listening, ListeningSession, Notice, Refusal, Send, Setback
from shared.backoff import full_jitter
from shared.clock import monotonic
from shared.codes import CloseCode, may_come_back
from shared.frames import SUBPROTOCOL_JSON

SILENCE = 35.0
"""Seconds without a word after which a connection is given up: the server pings every 25."""

LONG_LIFE = 30.0
"""Seconds after which a connection counts as a good one, and the next wait is a short one again."""

OPEN_TIMEOUT = 5.0
MAX_MESSAGE = 2**24
"""Bytes of one message."""


class _Lost(Exception):
    """The connection is lost, and another may be better; `after` is the least wait in seconds."""

    def __init__(self, reason: str, after: float = 0.0) -> None:
        super().__init__(reason)
        self.after = after


class _Unserved(_Lost):
    """The gateway answers, and cannot serve us now."""


class _Expired(Exception):
    """The token is good no more."""


class _Unwelcome(Exception):
    """The gateway does not take the token, or not for this; the message is a sentence."""


async def listen(
    url: str,
    token: Callable[[], str],
    patterns: Sequence[str],
    heard: Callable[[Heard], bool],
    notice: Callable[[str], None],
    whose: str = "",
) -> None:
    """Follow `patterns` until `heard` returns False; tell `notice` what a person wants to know.

    Each connection goes on from where the last one was; where messages may be missing all the same, `notice` is told.

    `token` is asked anew for each connection; `whose` is a sentence about where it comes from, for who cannot know that
    it is the wrong one. Raises `CommandError` where the gateway refuses, and where it cannot be
    reached at the very first.
    """
    address, attempt, was_listening = websocket_url(url), 0, False
    memory = Memory(patterns)

    def told(text: str) -> None:
        nonlocal was_listening
        was_listening = True
        notice(text)

    while True:
        began = monotonic()
        try:
            shown = token()
            await _listen_once(address, ListeningSession(shown, memory), heard, told)
            return
        except _Unwelcome as unwelcome:
            raise CommandError(f"{unwelcome} {whose}".rstrip(), Exit.REFUSED) from unwelcome
        except _Expired as expired:
            if token() == shown:
                text = f"The token has expired: make another with `penstock token`. {whose}"
                raise CommandError(text.rstrip(), Exit.REFUSED) from expired
        except _Lost as lost:
            if not was_listening and attempt == 0:
                raise CommandError(_at_first(url, lost), Exit.UNREACHABLE) from lost
            attempt = 0 if monotonic() - began > LONG_LIFE else attempt + 1
            wait = max(lost.after, full_jitter(attempt, random.random()))
            notice(f"connection lost ({lost}); trying again in {wait:.1f} s")
            await asyncio.sleep(wait)


def _at_first(url: str, lost: _Lost) -> str:
    if isinstance(lost, _Unserved):
        return f"The gateway at {url} answers, but cannot serve now ({lost}): what is missing, its /readyz says."
    return f"No gateway answers at {url} ({lost}). Is `penstock up` running? --url or --port names another."


def websocket_url(url: str) -> str:
    """Return the address of the WebSocket of a gateway's `url`; raise `CommandError` where it is none."""
    parts = urlsplit(url)
    schemes = {"http": "ws", "https": "wss", "ws": "ws", "wss": "wss"}
    if parts.scheme not in schemes or not parts.hostname:
        raise CommandError(f"{url!r} is no http:// or https:// address of a gateway.", Exit.USAGE)
    path = parts.path.rstrip("/")
    return f"{schemes[parts.scheme]}://{parts.netloc}{path if path.endswith('/ws') else path + '/ws'}"


async def _listen_once(
    address: str, session: ListeningSession, heard: Callable[[Heard], bool], notice: Callable[[str], None]
) -> None:
    try:
        async with connect(
            address,
            subprotocols=[SUBPROTOCOL_JSON],  # type: ignore[list-item]  # a Subprotocol is a str with another name
            ping_interval=None,  # the protocol has its own
            open_timeout=OPEN_TIMEOUT,
            close_timeout=1.0,
            max_size=MAX_MESSAGE,
            compression=None,
            proxy=None,
        ) as socket:
            await _follow(socket, session, heard, notice)
    except InvalidURI as error:
        raise CommandError(f"{address!r} is no address of a gateway.", Exit.USAGE) from error
    except InvalidHandshake as error:
        raise _Lost(f"it speaks no WebSocket here: {error}") from error
    except ConnectionClosed as closed:
        code, reason = (closed.rcvd.code, closed.rcvd.reason) if closed.rcvd else (1006, "")
        if code == CloseCode.TOKEN_EXPIRED:
            raise _Expired from closed
        if code == CloseCode.BAD_TOKEN:
            raise _Unwelcome(f"The gateway closed the connection ({code}): {reason}.") from closed
        if not may_come_back(code):
            raise CommandError(f"The gateway closed the connection ({code}): {reason}.", Exit.REFUSED) from closed
        raise _Lost(f"{reason or 'the connection broke'}, code {code}") from closed
    except TimeoutError as error:
        raise _Lost("no answer in time") from error
    except OSError as error:
        raise _Lost(error.strerror or str(error)) from error
    except ValueError as error:
        raise _Lost(f"it does not speak {SUBPROTOCOL_JSON}: {error}") from error


async def _follow(
    socket: ClientConnection, session: ListeningSession, heard: Callable[[Heard], bool], notice: Callable[[str], None]
) -> None:
    """Return when `heard` has had enough."""
    await socket.send(session.opening())
    while True:
        async with asyncio.timeout(SILENCE):
            text = await socket.recv()
        for outcome in session.receive(text):
            match outcome:
                case Send(answer):
                    await socket.send(answer)
                case Heard():
                    if not heard(outcome):
                        return
                case Listening(user):
                    notice(f"listening as {user}; Ctrl-C ends it")
                case Notice(words):
                    notice(words)
                case Setback(reason, after):
                    raise _Unserved(reason, after)
                case Refusal(reason, True):
                    raise _Unwelcome(f"The gateway refuses: {reason}.")
                case Refusal(reason):
                    raise CommandError(f"The gateway refuses: {reason}.", Exit.REFUSED)
