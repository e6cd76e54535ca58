"""Drives a session: performs its effects, tells it what happens, keeps its time.

One task makes connections and reads them; each connection has a writer; a token is fetched in a task of its own. All
decisions are the session's.
"""

from __future__ import annotations

import asyncio
import logging
import random
import ssl
from collections.abc import Awaitable, Iterable
from itertools import count
from typing import Any, Literal

from .codec import CODECS
from .connection import CannotConnect, Connection, FrameTooBig, SendQueueFull, open_connection
from .effects import (
    Close,
    Deliver,
    Effect,
    End,
    Fail,
    FetchToken,
    Reconnect,
    Resolve,
    Send,
    StateChanged,
    Stop,
    Subscribed,
    Warn,
)
from .errors import (
    AuthenticationError,
    ClientClosed,
    ConnectionFailed,
    InternalFault,
    InvalidArgument,
    NotPenstock,
    ProtocolError,
    TokenUnavailable,
)
from .inbox import Inbox
from .messages import History, Position, Receipt
from .presence import Presence
from .session import LEFT, Session
from .settings import Settings
from .states import State
from .tokens import TokenSource
from .watch import Watchers

log = logging.getLogger("penstock_client")

TURN = 64
"""Frames taken in before the iterators get their turn, so that a burst does not overflow the buffer of a quick one."""


class Driver:
    """Everything about a client that lives in an event loop."""

    def __init__(
        self,
        url: str,
        tokens: TokenSource,
        settings: Settings,
        tls: ssl.SSLContext | None,
        proxy: str | Literal[True] | None,
        watchers: Watchers,
    ) -> None:
        self.session = Session(settings, token=tokens.first, renewable=tokens.renewable)
        self.error: ConnectionFailed | None = None
        """Why the client has stopped."""
        self.last_failure = "no attempt has ended yet"
        """What the last attempt met, in words."""
        self.decided = asyncio.Event()
        """Set once the client was connected, or will not be."""
        self.ready = asyncio.Event()
        """Set whenever there may be room for one more publish, and at the end, so that nobody waits for ever."""
        self._url = url
        self._tokens = tokens
        self._settings = settings
        self._tls = tls
        self._proxy = proxy
        self._watchers = watchers
        self._loop = asyncio.get_running_loop()
        self._numbers = count(1)
        self._inboxes: dict[int, Inbox] = {}
        self._answers: dict[int, asyncio.Future[Any]] = {}
        self._connection: Connection | None = None
        self._pause = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._fetching: asyncio.Task[None] | None = None
        self._runner = asyncio.create_task(self._run(), name="penstock-client")

    # For the client

    @property
    def closed(self) -> bool:
        """Whether the client has ended for good."""
        return self.session.state is State.CLOSED

    def attach(self, inbox: Inbox, pattern: str, since: Position | None, tail: int | None, *, presence: bool) -> int:
        """Let messages flow into an inbox, and with `presence` who joins and leaves; return its number."""
        if self.closed:
            inbox.end(self.error or ClientClosed(LEFT))
            return 0
        number = next(self._numbers)
        now = self._loop.time()
        effects = self.session.subscribe(number, pattern, now, since=since, tail=tail, presence=presence)
        self._inboxes[number] = inbox
        self.perform(effects)
        return number

    def detach(self, number: int) -> None:
        """Stop the flow into an inbox; a number that is not known (any more) is ignored."""
        if self._inboxes.pop(number, None) is not None:
            self.perform(self.session.unsubscribe(number))

    def detach_soon(self, number: int) -> None:
        """Stop the flow at the next turn of the event loop; may be called from anywhere."""
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self.detach, number)

    def weigh(self, frame: dict[str, Any]) -> int:
        """Return the bytes of a frame. Raises `InvalidArgument` for data that cannot travel, and `FrameTooBig`."""
        size = len(CODECS[self._settings.codec].encode(frame))
        if size > self._settings.max_send_size:
            raise FrameTooBig(f"{size} bytes; {self._settings.max_send_size} may be sent (max_send_size)")
        return size

    def publish(self, topic: str, data: Any, key: str, within: float, size: int) -> Awaitable[Receipt]:
        """Have a message kept and sent; return what waits for its answer, which must be awaited."""
        number = next(self._numbers)
        effects = self.session.publish(number, topic, data, key, self._loop.time(), within, size)
        answer: Awaitable[Receipt] = self._answer(number)
        self.perform(effects)
        return answer

    def history(
        self, topic: str, limit: int, before: int | None, after: int | None, within: float
    ) -> Awaitable[History]:
        """Have a history read; return what waits for it, which must be awaited."""
        number = next(self._numbers)
        effects = self.session.history(number, topic, limit, before, after, self._loop.time(), within)
        answer: Awaitable[History] = self._answer(number)
        self.perform(effects)
        return answer

    def presence(self, topic: str, within: float) -> Awaitable[Presence]:
        """Have it asked who is at a topic; return what waits for the answer, which must be awaited."""
        number = next(self._numbers)
        effects = self.session.presence(number, topic, self._loop.time(), within)
        answer: Awaitable[Presence] = self._answer(number)
        self.perform(effects)
        return answer

    def _answer(self, number: int) -> Awaitable[Any]:
        answer = self._answers[number] = self._loop.create_future()
        return self._wait_for(number, answer)

    async def _wait_for(self, number: int, answer: asyncio.Future[Any]) -> Any:
        try:
            return await answer
        except asyncio.CancelledError:
            self.session.abandon(number)
            self.perform(())
            raise
        finally:
            del self._answers[number]

    async def close(self) -> None:
        """End the session; return when no task and no socket is left."""
        self.perform(self.session.close())
        self._runner.cancel()
        try:
            await asyncio.wait([self._runner])
        except asyncio.CancelledError:
            # Whoever waits for us has no time: drop politeness, not the cleaning.
            self._runner.cancel()
            await asyncio.wait([self._runner])
            raise

    # Effects

    def perform(self, effects: Iterable[Effect]) -> None:
        """Do what the session decided."""
        for effect in effects:
            self._do(effect)
        self.ready.set()
        self._keep_time()

    def _do(self, effect: Effect) -> None:
        match effect:
            case Deliver(subscriber, item):
                self._deliver(subscriber, item)
            case Send(frame):
                self._send(frame)
            case Resolve(request, result):
                if (answer := self._answers.get(request)) is not None and not answer.done():
                    answer.set_result(result)
            case Fail(request, error):
                if (answer := self._answers.get(request)) is not None and not answer.done():
                    answer.set_exception(error)
            case Subscribed(subscriber, start):
                if (inbox := self._inboxes.get(subscriber)) is not None:
                    inbox.open(start)
            case End(subscriber, error):
                if (inbox := self._inboxes.pop(subscriber, None)) is not None:
                    inbox.end(error)
            case StateChanged(state):
                self._changed(state)
            case FetchToken():
                self._fetching = asyncio.create_task(self._fetch(), name="penstock-client-token")
            case Close(code, reason):
                log.info("leaving the connection: %s (%d)", reason or "closed", code)
                if self._connection is not None:
                    self._connection.leave(code, reason)
            case Reconnect(after):
                self._pause = after
            case Stop(error):
                self.error = error
                log.error("stopped: %s", error)
            case Warn(text):
                log.warning("%s", text)

    def _deliver(self, subscriber: int, item: Any) -> None:
        inbox = self._inboxes.get(subscriber)
        if inbox is None:
            return
        before = inbox.dropped
        if not inbox.put(item):
            self.session.counters.slow_consumers += 1
            log.warning("a subscription was not read fast enough and is ended: %s", item.topic)
            self.detach(subscriber)
        self.session.counters.dropped += inbox.dropped - before

    def _send(self, frame: dict[str, Any]) -> None:
        if self._connection is None:
            return
        try:
            self._connection.send(frame)
        except SendQueueFull as error:
            self.perform(self.session.overwhelmed(str(error)))
        except (InvalidArgument, FrameTooBig) as error:
            # It could be written when it was taken in.
            self.perform(self.session.unsendable(frame["id"], error))

    def _changed(self, state: State) -> None:
        log.info("%s", state)
        self._watchers.tell(state)
        if state in (State.CONNECTED, State.CLOSED):
            self.decided.set()

    # Time

    def _keep_time(self) -> None:
        """Wake up at the session's deadline. A timer that is too early stays: it finds nothing to do and sets itself
        anew, which is cheaper than a new timer per frame."""
        deadline = self.session.deadline
        if self._timer is not None:
            if deadline is not None and self._timer.when() <= deadline:
                return
            self._timer.cancel()
            self._timer = None
        if deadline is not None:
            self._timer = self._loop.call_at(deadline, self._tick)

    def _tick(self) -> None:
        self._timer = None
        self.perform(self.session.tick(self._loop.time()))

    # Connections

    async def _run(self) -> None:
        try:
            while not self.closed:
                self.perform(self.session.connecting(self._loop.time()))
                self.perform(await self._attempt())
                if not self.closed:
                    await asyncio.sleep(self._pause)
        except Exception as error:  # The border of the task: a fault of ours must reach those who wait.
            log.exception("internal fault")
            fault = InternalFault(f"The client met a fault of its own: {type(error).__name__}: {error}.")
            fault.__cause__ = error
            self.perform(self.session.stop(fault))

    async def _attempt(self) -> list[Effect]:
        """Make a connection and read it to its end; return what follows."""
        try:
            async with asyncio.timeout(self._settings.connect_timeout):
                if self.session.needs_token(self._loop.time()):
                    self.perform(self.session.token_obtained(await self._tokens.fetch(), self._loop.time()))
                connection = await open_connection(self._url, self._settings, self._tls, self._proxy)
        except NotPenstock as error:
            return self.session.refused(error, self._loop.time(), random.random())
        except ConnectionFailed as error:
            return self.session.stop(error)
        except (CannotConnect, TokenUnavailable, TimeoutError) as error:
            within = f"no connection within {self._settings.connect_timeout:g} s"
            return self._lost(None, str(error) or within)
        try:
            self._connection = connection
            self.perform(self.session.connected(self._loop.time()))
            await self._read(connection)
        finally:
            self._connection = None
            if self._fetching is not None:
                self._fetching.cancel()
            await connection.close()
        return self._lost(connection.close_code, connection.close_reason)

    async def _read(self, connection: Connection) -> None:
        taken = 0
        while True:
            try:
                frame = await connection.receive()
                if frame is None:
                    return
                effects = self.session.receive(frame, self._loop.time())
            except ProtocolError as error:
                effects = self.session.malformed(str(error))
            self.perform(effects)
            taken += 1
            if taken % TURN == 0:
                await asyncio.sleep(0)

    def _lost(self, code: int | None, reason: str) -> list[Effect]:
        self.last_failure = reason or f"the connection was closed with {code}"
        log.info("connection lost: %s", self.last_failure)
        return self.session.lost(code, self._loop.time(), random.random(), reason)

    async def _fetch(self) -> None:
        """Get a new token for the living connection."""
        try:
            async with asyncio.timeout(self._settings.connect_timeout):
                token = await self._tokens.fetch()
        except AuthenticationError as error:
            self.perform(self.session.stop(error))
        except (TokenUnavailable, TimeoutError) as error:
            log.warning("no new token: %s", error or "the provider took too long")
            self.perform(self.session.token_missing(self._loop.time()))
        else:
            self.perform(self.session.token_obtained(token, self._loop.time()))
