"""One AMQP connection: opened, asked, cut or closed. Errors are ours from here on, and hold no password."""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import Awaitable, Callable, Mapping
from typing import Protocol, TypeVar, cast

import aiormq
from aiormq.channel import Channel
from yarl import URL

from shared.bus.amqp_refusals import Refusal, of_connection, of_order
from shared.bus.amqp_tap import Tap, TapFactory
from shared.bus.wire_reader import FRAME_LIMIT, Blocked, ChannelClosed, ChannelEvent, ConnectionClosed, Event
from shared.errors import BusAway, BusError, ConfigurationError

CONNECT_TIMEOUT = 10.0
"""Seconds for TCP, TLS and AMQP's opening."""

ANSWER_TIMEOUT = 10.0
"""Seconds for the broker's answer to an order."""

CLOSE_TIMEOUT = 2.0

T = TypeVar("T")

# What it has to say, at each attempt and with its traceback, the bus says once per change and in its own words.
logging.getLogger("aiormq").setLevel(logging.CRITICAL)


class ChannelOwner(Protocol):
    """What hears of a channel's events."""

    def hear(self, event: ChannelEvent) -> None:
        """Take one event."""


class Link:
    """An open connection.

    `lost` is called once, with the cause in words, when it ends without `close`; `blocked` with the reason when the
    broker holds publishers back, and with None when it does no more.
    """

    def __init__(self, url: URL, lost: Callable[[str], None], blocked: Callable[[str | None], None]) -> None:
        self.owners: dict[int, ChannelOwner] = {}
        self.frame_max = 0
        self._url = url
        self._on_lost: Callable[[str], None] | None = lost
        self._on_blocked = blocked
        self._end = ""
        self._refusal: Refusal | None = None
        self._channel_refusals: dict[int, Refusal] = {}
        self._factory = TapFactory(self._hear, self._lost)
        self._connection = aiormq.Connection(url, transport_factory=self._factory)

    async def open(self) -> None:
        """Connect; raise `BusAway` where trying again may help, `ConfigurationError` where it cannot."""
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT):
                await self._connection.connect()
        except asyncio.CancelledError as cancelled:
            self._on_lost = None
            self.abort("it was given up")
            if _is_cancelled():
                raise
            raise self._refused(cancelled) from None
        except Exception as error:
            self._on_lost = None
            self.abort(f"no answer within {CONNECT_TIMEOUT:g} s" if isinstance(error, TimeoutError) else str(error))
            raise self._refused(error) from None
        self.frame_max = self._connection.connection_tune.frame_max
        self._tap.wire.frame_limit = self.frame_max or FRAME_LIMIT
        if heartbeat := self._connection.connection_tune.heartbeat:
            self._tap.watch_silence(heartbeat)

    @property
    def server_properties(self) -> Mapping[str, object]:
        """Return what the broker says of itself (AMQP 0-9-1, section 1.4.2.1); there once it is open."""
        return self._connection.server_properties

    async def channel(self, *, confirms: bool = False) -> Channel:
        """Open a channel."""
        return cast(Channel, await self.ask(self._connection.channel(publisher_confirms=confirms)))

    async def ask(self, answer: Awaitable[T], channel: Channel | None = None) -> T:
        """Wait for the broker's answer, on `channel`, to an order.

        Raises a `ConfigurationError` or `BusAway` where it is refused. No answer within `ANSWER_TIMEOUT` seconds cuts
        the connection.
        """
        number = channel.number if channel is not None else 0
        try:
            async with asyncio.timeout(ANSWER_TIMEOUT):
                return await answer
        except asyncio.CancelledError:
            # aiormq cancels what waits for a connection that ends; that is not us being cancelled.
            if _is_cancelled():
                raise
        except TimeoutError:
            self.abort(f"the broker did not answer within {ANSWER_TIMEOUT:g} s")
        except Exception as error:
            if not self._channel_refusals.get(number) and not self._refusal:
                raise BusAway(f"the connection ended before the answer came ({type(error).__name__})") from None
        refusal = self._channel_refusals.pop(number, None) or self._refusal
        raise of_order(refusal) if refusal else BusAway("the connection ended before the answer came") from None

    def forget_refusal(self, channel: Channel) -> None:
        """Blame nothing on what was said as an earlier channel of the same number was closed."""
        self._channel_refusals.pop(channel.number, None)

    def write(self, frames: bytes) -> None:
        """Send whole frames."""
        self._tap.write(frames)

    def abort(self, cause: str) -> None:
        """Cut the connection without a word."""
        if self._factory.tap is not None:
            self._factory.tap.abort(cause)

    async def close(self) -> None:
        """Take leave of the broker, or cut the connection where it does not answer."""
        self._on_lost = None
        if self._factory.tap is not None:
            self._factory.tap.flush()
        try:
            async with asyncio.timeout(CLOSE_TIMEOUT):
                await self._connection.close()
        except asyncio.CancelledError:
            if _is_cancelled():
                raise
        except Exception as error:
            logging.getLogger(__name__).debug("closing the connection: %r", error)
        finally:
            self.abort("closed")

    @property
    def _tap(self) -> Tap:
        assert self._factory.tap is not None  # it is there from `open` on
        return self._factory.tap

    @property
    def _where(self) -> str:
        return f"the broker at {self._url.host}:{self._url.port}"

    def _hear(self, event: Event) -> None:
        match event:
            case ConnectionClosed(code, text):
                self._refusal = Refusal(code, text)
                self._lost(f"the broker closed the connection: {self._refusal}")
            case Blocked(reason):
                self._on_blocked(reason)
            case _:
                if isinstance(event, ChannelClosed):
                    self._channel_refusals[event.channel] = Refusal(event.code, event.text)
                if (owner := self.owners.get(event.channel)) is not None:
                    owner.hear(event)

    def _lost(self, cause: str) -> None:
        self._end = self._end or cause
        on_lost, self._on_lost = self._on_lost, None
        if on_lost is not None:
            on_lost(cause)

    def _refused(self, error: BaseException) -> BusError | ConfigurationError:
        if self._refusal is not None:
            return of_connection(self._refusal, self._url.user or "guest", self._connection.vhost)
        match error:
            case ssl.SSLCertVerificationError():
                return ConfigurationError(
                    f"the certificate of {self._where} cannot be trusted ({error.verify_message}): "
                    "name its authority with ?cafile=… at the end of the AMQP URL"
                )
            case ssl.SSLError():
                return ConfigurationError(
                    f"{self._where} does not speak TLS ({error.reason}): use amqp://, or its TLS port"
                )
            case aiormq.exceptions.AuthenticationError():
                return ConfigurationError(f"{self._where} offers no way to log in with a password")
            case _ if self._factory.tap is not None and self._factory.tap.was_connected:
                return BusAway(f"{self._where} does not answer as AMQP 0-9-1 does ({self._end}); is it the right port?")
            case TimeoutError():
                return BusAway(f"{self._where} does not answer within {CONNECT_TIMEOUT:g} s")
            case ConnectionRefusedError():
                return BusAway(f"nobody listens at {self._url.host}:{self._url.port}")
        return BusAway(f"{self._where} cannot be reached ({error})")


def _is_cancelled() -> bool:
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
