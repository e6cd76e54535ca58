"""The client as its user sees it."""

from __future__ import annotations

import asyncio
import secrets
import ssl
from collections.abc import AsyncIterator
from types import TracebackType
from typing import Any, Literal

from . import frames, verdicts
from .address import websocket_url
from .checks import MAX_OFFSET, check_beginning, check_key, check_presence
from .connection import FrameTooBig
from .counters import Counters
from .driver import Driver
from .errors import ClientClosed, ConnectionFailed, InvalidArgument, Misuse, TooLarge, Unreachable
from .inbox import Inbox, Overflow
from .iterator import Subscription
from .messages import History, Position, Receipt
from .patterns import check_pattern, check_topic
from .presence import Presence
from .session import LEFT
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
        self._turn = asyncio.Lock()
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

    def subscribe(
        self,
        pattern: str,
        *,
        tail: int | None = None,
        since: Position | None = None,
        presence: bool = False,
        buffer: int = 1000,
        overflow: Overflow = "raise",
    ) -> Subscription:
        """Return an async iterator over the messages of a topic or pattern; see `Subscription`.

        It begins with what is published from now on; with `tail` (0 to 1,000, and no more than `buffer`) before that
        come the last so many messages that are kept; with `since`, the `Position` of a message or of an earlier
        `Subscription` on this one topic, all that came after it. What is not kept any more comes as a `Gap`.

        `buffer` is how many may wait to be read. When it is full, ``overflow="raise"`` ends the iterator with
        `SlowConsumer` after what it holds; ``"drop_oldest"`` goes on and yields a ``Gap(cause="dropped", missed=n)``.

        Any number of iterators may follow the same topic; they share one subscription on the wire. One that joins
        later begins where it says all the same: its `tail` or `since` is then read from the topic's history before it
        is served. A pattern has no history: its `tail` is refused with `InvalidArgument` (on the first step) when the
        pattern is followed already. One that joins while the connection is away may get what was missed meanwhile.

        With `presence` it also yields `Joined` and `Left`, for users who come to this one topic and go; who is there,
        `Client.presence` says. Ask that after each ``Gap(cause="presence")``, too: while the connection was away nobody
        told us. An iterator that wants it and joins one that does not is refused with `InvalidArgument` (on the first
        step).

        A subscribe that is answered with `rate_limited`, `overloaded`, `unavailable` or `timeout` is repeated.
        Raises `InvalidArgument` for a bad pattern, and for `since` or `tail` that cannot be.
        """
        check_pattern(pattern)
        check_beginning(pattern, since, tail)
        check_presence(pattern, presence)
        if tail is not None and tail > buffer:
            raise InvalidArgument(f"tail is {tail}, and buffer holds {buffer}; it must hold the tail.")
        return Subscription(
            self._driver, pattern, Inbox(pattern, buffer, overflow), since=since, tail=tail, presence=presence
        )

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
        within 5 minutes. So it is repeated here, within `timeout` seconds in all and for 4 minutes at most: after a
        lost connection, after an answer that did not come in 10 s (`Settings.request_timeout`), and after
        `rate_limited`, `overloaded`, `unavailable` and `timeout`, when the time that the gateway asks for is over.
        While there is no connection it waits for one. `data` must not be changed before it is done.

        Publishes on one topic have one order, that of the calls, also over reconnects. The exception: of those that are
        on their way at the same time, one that is refused for a while may be overtaken. Await each for a strict order.

        Bounded: `Settings.max_in_flight` and `max_in_flight_bytes` are kept, others wait for their turn.

        Raises a `PublishError` by the gateway's code, with `retry_after`, where repeating cannot help or not in time;
        `Unavailable` when it was never sent, `OutcomeUnknown` when it was and no answer came: repeat it with the
        error's `key`. Raises `InvalidArgument` for a bad topic, key or data, and what ended the client when it has.
        """
        check_topic(topic)
        if key is None:
            key = secrets.token_urlsafe(12)
        check_key(key)
        driver = self._driver
        try:
            size = driver.weigh(frames.publish(MAX_OFFSET, topic, data, key))
        except FrameTooBig as error:
            message = f"The publish on {topic!r} is too large: {error}."
            raise TooLarge(message, code="too_large", reason=str(error), topic=topic, key=key) from None
        loop = asyncio.get_running_loop()
        give_up = loop.time() + timeout
        try:
            async with asyncio.timeout_at(give_up), self._turn:
                await self._room(size)
                answer = driver.publish(topic, data, key, give_up - loop.time(), size)
        except TimeoutError:
            raise verdicts.not_sent(driver.session.no_room, topic=topic, key=key) from None
        return await answer

    async def history(
        self,
        topic: str,
        *,
        limit: int = 100,
        before: int | None = None,
        after: int | None = None,
        timeout: float = 10.0,  # noqa: ASYNC109 (it is repeated within this time)
    ) -> History:
        """Read what a topic has kept, oldest first: the last `limit` messages (1 to 1,000), or the last ones before the
        offset `before`, or the first ones after the offset `after`.

        There may come fewer than there are: an answer is bounded in bytes, too. ``history.offset`` says where the log
        ends. It is repeated like a publish, within `timeout` seconds in all. Raises `HistoryError` with the gateway's
        `code` (``not_found``: the topic keeps none), `InvalidArgument`, and what ended the client when it has ended.
        """
        driver = self._driver
        loop = asyncio.get_running_loop()
        give_up = loop.time() + timeout
        try:
            async with asyncio.timeout_at(give_up), self._turn:
                await self._room(0)
                answer = driver.history(topic, limit, before, after, give_up - loop.time())
        except TimeoutError:
            raise verdicts.history_failed("timeout", driver.session.no_room, None, topic=topic) from None
        return await answer

    async def presence(
        self,
        topic: str,
        *,
        timeout: float = 10.0,  # noqa: ASYNC109 (it is repeated within this time)
    ) -> Presence:
        """Ask who is at a topic: some members or all, and how many there are exactly.

        Whoever keeps a list takes what was told (`Joined`, `Left`) since this was asked as the later news. It is
        repeated like a publish, within `timeout` seconds in all. Raises `PresenceError` with the gateway's `code`
        (``not_found``: the topic has no presence), `InvalidArgument`, and what ended the client when it has ended.
        """
        driver = self._driver
        loop = asyncio.get_running_loop()
        give_up = loop.time() + timeout
        try:
            async with asyncio.timeout_at(give_up), self._turn:
                await self._room(0)
                answer = driver.presence(topic, give_up - loop.time())
        except TimeoutError:
            raise verdicts.presence_failed("timeout", driver.session.no_room, None, topic=topic) from None
        return await answer

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

    async def _room(self, size: int) -> None:
        """Wait until one more request can be kept. Those who wait do so in their order: each holds the turn here."""
        driver = self._driver
        while not driver.session.has_room_for(size):
            if driver.closed:
                raise driver.error or ClientClosed(LEFT)
            driver.ready.clear()
            await driver.ready.wait()
