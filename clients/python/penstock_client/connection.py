"""One WebSocket: frames in order both ways. The only importer of websockets."""

from __future__ import annotations

import asyncio
import ssl
from collections import deque
from typing import Any, Literal

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import (
    ConnectionClosed,
    InvalidHandshake,
    InvalidProxy,
    InvalidStatus,
    InvalidURI,
    NegotiationError,
)
from websockets.typing import Subprotocol

from .codec import CODECS, Codec
from .errors import ConnectionFailed, NotPenstock, PenstockError
from .frames import MAX_FRAMES_PER_MESSAGE
from .settings import Settings

_TRANSIENT_STATUS = frozenset({408, 425, 429})
"""HTTP answers below 500 that say nothing against another attempt (RFC 9110, section 15.5; RFC 6585, section 4)."""


class CannotConnect(PenstockError):
    """This attempt failed; another may not."""


class FrameTooBig(PenstockError):
    """A frame is larger than `max_send_size`."""


class SendQueueFull(PenstockError):
    """The gateway does not take what we send; `max_send_queue` frames wait already."""


class Connection:
    """An open WebSocket, its bounded queue of outgoing frames, and the task that empties it."""

    def __init__(self, websocket: ClientConnection, codec: Codec, settings: Settings) -> None:
        self._websocket = websocket
        self._codec = codec
        self._settings = settings
        self._queue: deque[bytes] = deque()
        self._something = asyncio.Event()
        self._farewell: tuple[int, str] | None = None
        self._cut: asyncio.TimerHandle | None = None
        self._writer = asyncio.create_task(self._write(), name="penstock-client-writer")

    @property
    def close_code(self) -> int | None:
        """Why it ended, by RFC 6455, section 7.4; None while it lives."""
        return self._websocket.close_code

    @property
    def close_reason(self) -> str:
        """The other side's words for it."""
        return self._websocket.close_reason or ""

    def send(self, frame: dict[str, Any]) -> None:
        """Queue a frame. Raises `InvalidArgument`, `FrameTooBig`, `SendQueueFull`; then nothing was queued."""
        encoded = self._codec.encode(frame)
        if len(encoded) > self._settings.max_send_size:
            raise FrameTooBig(f"{len(encoded)} bytes; {self._settings.max_send_size} may be sent (max_send_size)")
        if len(self._queue) >= self._settings.max_send_queue:
            raise SendQueueFull(f"the gateway does not read: {len(self._queue)} frames wait (max_send_queue)")
        self._queue.append(encoded)
        self._something.set()

    async def receive(self) -> dict[str, Any] | None:
        """Return the next frame, None at the end. Raises `ProtocolError` for a message that holds no frame."""
        try:
            message = await self._websocket.recv(decode=False)
        except ConnectionClosed:
            return None
        return self._codec.decode(message)

    def leave(self, code: int, reason: str) -> None:
        """Say goodbye and end; `receive` comes to its end within `close_timeout`, whatever the other side does."""
        if self._farewell is None:
            # A close frame holds 125 bytes, two of them for the code (RFC 6455, section 5.5).
            self._farewell = (code, reason.encode()[:123].decode(errors="ignore"))
            self._something.set()
            loop = asyncio.get_running_loop()
            self._cut = loop.call_later(self._settings.close_timeout, self.abort)

    def abort(self) -> None:
        """End it without a word."""
        self._websocket.transport.abort()

    async def close(self) -> None:
        """End it, and wait until nothing of it is left."""
        try:
            self._writer.cancel()
            await asyncio.wait([self._writer])
            # Bounded by close_timeout; at once when the connection has ended already.
            await self._websocket.close(*(self._farewell or (1000, "")))
        finally:
            if self._cut is not None:
                self._cut.cancel()
            self.abort()

    async def _write(self) -> None:
        try:
            while self._farewell is None:
                if not self._queue:
                    self._something.clear()
                    await self._something.wait()
                elif batch := self._batch():
                    await self._websocket.send(self._codec.join(batch), text=self._codec.text)
            await self._websocket.close(*self._farewell)
        except ConnectionClosed:
            pass  # The reader meets it too, and tells.

    def _batch(self) -> list[bytes]:
        """Take what has piled up, within the bounds of one message."""
        batch = [self._queue.popleft()]
        size = len(batch[0]) + 2
        while self._queue and len(batch) < MAX_FRAMES_PER_MESSAGE:
            size += len(self._queue[0]) + 1
            if size > self._settings.max_send_size:
                break
            batch.append(self._queue.popleft())
        return batch


class _Connect(connect):
    """`connect` that follows no redirect: the token must go to the host that was named, and to no other."""

    def process_redirect(self, exc: Exception) -> Exception | str:
        return exc


async def open_connection(
    url: str, settings: Settings, tls: ssl.SSLContext | None, proxy: str | Literal[True] | None
) -> Connection:
    """Open a WebSocket to a gateway.

    Raises `NotPenstock` when what answers is no gateway, `CannotConnect` when another attempt may succeed, and
    `ConnectionFailed` when none will. Its duration is the caller's to bound.
    """
    codec = CODECS[settings.codec]
    options: dict[str, Any] = {} if tls is None else {"ssl": tls}
    try:
        websocket = await _Connect(
            url,
            subprotocols=[Subprotocol(codec.subprotocol)],
            compression=None,
            proxy=proxy,
            open_timeout=None,
            ping_interval=None,
            close_timeout=settings.close_timeout,
            max_size=settings.max_message_size,
            **options,
        )
    except InvalidStatus as error:
        status = error.response.status_code
        if status >= 500 or status in _TRANSIENT_STATUS:
            raise CannotConnect(f"{url} answered with HTTP {status}") from error
        hint = f"; it points to {error.response.headers['Location']}" if 300 <= status < 400 else ""
        raise NotPenstock(f"{url} is not a gateway's WebSocket: it answered with HTTP {status}{hint}.") from error
    except NegotiationError as error:
        raise NotPenstock(f"{url} does not speak {codec.subprotocol}: {error}.") from error
    except ssl.SSLCertVerificationError as error:
        raise NotPenstock(f"{url} shows a certificate that is not trusted: {error.verify_message}.") from error
    except (OSError, EOFError, InvalidHandshake) as error:
        raise CannotConnect(f"{url} cannot be reached: {error}") from error
    except (ValueError, ImportError, InvalidURI, InvalidProxy) as error:
        raise ConnectionFailed(f"{url} cannot be connected to: {error}.") from error
    if websocket.subprotocol != codec.subprotocol:
        websocket.transport.abort()
        raise NotPenstock(f"{url} is a WebSocket that does not speak {codec.subprotocol}.")
    return Connection(websocket, codec, settings)
