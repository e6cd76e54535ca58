"""The client as its user sees it."""

from __future__ import annotations

import asyncio
import secrets
import ssl
from collections.abc import AsyncIterator
from types import TracebackType
from typing import Any, Literal

from . import verdicts
from .address import websocket_url
from .connection import FrameTooBig
from .counters import Counters
from .driver import LEFT, Driver
from .errors import ClientClosed, ConnectionFailed, InvalidArgument, Misuse, TooLarge, Unreachable
from .inbox import Inbox, Overflow
from .iterator import Subscription
from .messages import Receipt
from .patterns import check_pattern, check_topic
from .settings import Settings
from .states import State
from .tokens import Token, TokenSource
from .watch import Watchers


class Client:
    """A connection to Penstock that mends itself, and everything subscribed over it.

    ::

        async with Client("wss://example.com", token=get_token) as client:
            async for message in client.subscribe("orders.*"):
                ...

    `url` is ``wss://``, ``ws://``, ``https://`` or ``http://``; a missing path means ``/ws``. `token` is a string, or a
    function (plain or async) that returns a fresh one: then it is renewed before it expires. `tls` is for servers whose
    certificate the system does not trust; `proxy` is websockets' (True: as the system says, None: none).

    Entering waits for the first connection, at most `Settings.open_timeout`; it raises `Unreachable`, or at once the
    `ConnectionFailed` that says what must change. Afterwards the client comes back by itself after every loss.
    Raises `InvalidArgument` for what cannot be used.
    """

    def __init__(
        self,
        url: str,
        *,
        token: Token,
        settings: Settings | None = None,
        tls: ssl.SSLContext | None = None,
        proxy: str | Literal[True] | None = True,
    ) -> None:
        self.url = websocket_url(url)
        if tls is not None and not self.url.startswith("wss://"):
            raise InvalidArgument(f"`tls` was given, and {self.url} uses none; write wss://.")
        self._settings = settings or Settings()
        self._tokens = TokenSource(token)
        self._tls = tls
        self._proxy = proxy
        self._watchers = Watchers()
        self._in_flight = asyncio.Semaphore(self._settings.max_in_flight)
        self._entered: Driver | None = None

    def __repr__(self) -> str:
        return f"<Client {self.url}: {self.state}>"

    @property
    def state(self) -> State:
        """What the client is doing; compares equal to its name, as in ``client.state == "connected"``."""
        return self._watchers.state

    def states(self) -> AsyncIterator[State]:
        """Follow the state: the present one, then each that follows; ends after ``closed``.

        A watcher more than 64 states behind loses the oldest.
        """
        return self._watchers.states()

    @property
    def error(self) -> ConnectionFailed | None:
        """Why the client has stopped by itself; None as long as it has not."""
        return self._entered.error if self._entered else None

    @property
    def counters(self) -> Counters:
        """What the client has been through."""
        return self._driver.session.counters

    def subscribe(self, pattern: str, *, buffer: int = 1000, overflow: Overflow = "raise") -> Subscription:
        """Return an async iterator over the messages of a topic or pattern; see `Subscription`.

        `buffer` is how many may wait to be read. When it is full, ``overflow="raise"`` ends the iterator with
        `SlowConsumer` after what it holds; ``"drop_oldest"`` goes on and yields a ``Gap(cause="dropped", missed=n)``.
        Any number of iterators may follow the same topic; they share one subscription on the wire.

        A subscribe that is answered with `rate_limited`, `overloaded`, `unavailable` or `timeout` is repeated.
        Raises `InvalidArgument` for a bad pattern.
        """
        check_pattern(pattern)
        return Subscription(self._driver, pattern, Inbox(pattern, buffer, overflow))

    async def publish(
        self,
        topic: str,
        data: Any,
        *,
        key: str | None = None,
        timeout: float = 10.0,  # noqa: ASYNC109 (the outcome of what was sent depends on it)
    ) -> Receipt:
        """Publish `data` (a JSON value; on msgpack also bytes) and wait until it is done.

        With the same `key` (1-128 characters; a random one by default) it has one effect, however often it is sent
        within 5 minutes. Waits up to `timeout` seconds in all: for its turn (`Settings.max_in_flight`), for a
        connection, for the answer.

        Raises a `PublishError` by the gateway's code, with `retry_after`; `Unavailable` when it was never sent,
        `OutcomeUnknown` when the answer did not come: repeat it with the error's `key`. Raises `InvalidArgument` for
        a bad topic or data, and what ended the client when it has ended.
        """
        check_topic(topic)
        if key is None:
            key = secrets.token_urlsafe(12)
        loop = asyncio.get_running_loop()
        give_up = loop.time() + timeout
        try:
            async with asyncio.timeout_at(give_up):
                await self._in_flight.acquire()
        except TimeoutError:
            why = f"{self._settings.max_in_flight} others wait for their answers since {timeout:g} s"
            raise verdicts.not_sent(why, topic=topic, key=key) from None
        try:
            await self._until_ready(give_up, topic, key)
            return await self._driver.publish(topic, data, key, give_up - loop.time())
        except FrameTooBig as error:
            message = f"The publish on {topic!r} is too large: {error}."
            raise TooLarge(message, code="too_large", reason=str(error), topic=topic, key=key) from None
        finally:
            self._in_flight.release()

    async def __aenter__(self) -> Client:
        if self._entered is not None:
            raise Misuse("A client can be entered once; make a new one.")
        self._entered = driver = Driver(self.url, self._tokens, self._settings, self._tls, self._proxy, self._watchers)
        try:
            async with asyncio.timeout(self._settings.open_timeout):
                await driver.decided.wait()
        except TimeoutError:
            await driver.close()
            waited = f"No gateway accepted us at {self.url} within {self._settings.open_timeout:g} s"
            raise Unreachable(f"{waited}; at last: {driver.last_failure}.") from None
        except BaseException:
            await driver.close()
            raise
        if driver.error is not None:
            await driver.close()
            raise driver.error
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self._driver.close()

    @property
    def _driver(self) -> Driver:
        if self._entered is None:
            raise Misuse("The client is not connected yet: use it within `async with Client(…) as client:`.")
        return self._entered

    async def _until_ready(self, give_up: float, topic: str, key: str) -> None:
        """Wait for a connection with room for one more request."""
        driver = self._driver
        try:
            async with asyncio.timeout_at(give_up):
                while not driver.session.has_room:
                    if driver.closed:
                        raise driver.error or ClientClosed(LEFT)
                    await driver.ready.wait()
        except TimeoutError:
            raise verdicts.not_sent(driver.session.no_room, topic=topic, key=key) from None
