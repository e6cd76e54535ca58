"""Publishers that do not give up: what has no outcome yet is sent again under its id, before anything newer.

Each topic of each publisher is a lane in which one message follows the other, so whatever happens the order in which
they are logged is that of their numbers.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import logging
import random
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from typing import Any

import pika
from pika.exceptions import AMQPError, NackError, UnroutableError

from shared.bus.topology import EVENTS
from tests.faults.ledger import Ledger, Place
from tests.faults.subscribers import COME_AGAIN, LOST, Frame, Session, opened

ANSWER_WITHIN = 6.0
"""Seconds for an answer; the gateway itself gives one after 4."""

PAUSE = 0.1
"""Seconds before a message is sent again."""

AT_ONCE = 0.01
"""Seconds between two messages of a client on a new topic, on average."""

logging.getLogger("pika").setLevel(logging.CRITICAL)


class SocketPublisher:
    """A client that publishes with keys, on all `topics` beside each other."""

    def __init__(
        self,
        name: str,
        ledger: Ledger,
        urls: Callable[[], list[str]],
        token: str,
        topics: list[str],
        *,
        seed: int,
        interval: float,
    ) -> None:
        self.name = name
        self.refusals: dict[str, int] = {}
        """Answers that were no, by code."""
        self.refused_in: list[float] = []
        """Seconds that each took, but for those that say that there was no answer."""
        self._ledger = ledger
        self._urls = urls
        self._token = token
        self._topics = topics
        self._chance = random.Random(f"{name} {seed}")
        self._interval = interval
        self._numbers = itertools.count(2)
        self._waiting: dict[int, asyncio.Future[Frame]] = {}
        self._session: Session | None = None
        self._connected = asyncio.Event()
        self._stopping = False
        self._bursts: set[asyncio.Task[None]] = set()

    def say(self, topic: str, times: int) -> None:
        """Publish so many messages on a new topic, one after the other, beside all else."""
        self._bursts.add(asyncio.create_task(self._lane(topic, range(1, times + 1), AT_ONCE)))

    def stop(self) -> None:
        """Begin nothing new."""
        self._stopping = True

    async def run(self) -> None:
        """Publish until told to stop, and until every outcome is known."""
        connection = asyncio.create_task(self._stay_connected())
        lanes = asyncio.gather(*(self._lane(topic, itertools.count(1), self._interval) for topic in self._topics))
        try:
            await asyncio.wait([connection, lanes], return_when=asyncio.FIRST_COMPLETED)
            if connection.done():
                connection.result()
            await lanes
            await asyncio.gather(*self._bursts)
        finally:
            for task in (connection, lanes, *self._bursts):
                task.cancel()
            await asyncio.gather(connection, lanes, *self._bursts, return_exceptions=True)

    async def _lane(self, topic: str, numbers: Iterable[int], interval: float) -> None:
        for number in numbers:
            if self._stopping:
                return
            id = f"{self.name}:{topic}:{number}"
            for pause in itertools.repeat(PAUSE):
                if await self._publish(id, topic):
                    break
                await asyncio.sleep(pause)
            await asyncio.sleep(self._chance.uniform(0.5, 1.5) * interval)

    async def _publish(self, id: str, topic: str) -> bool:
        """Send it once; say whether it was taken."""
        await self._connected.wait()
        session = self._session
        assert session is not None
        self._ledger.attempt(id, self.name, topic, time.monotonic())
        number = next(self._numbers)
        answer: asyncio.Future[Frame] = asyncio.get_running_loop().create_future()
        self._waiting[number] = answer
        asked_at = time.monotonic()
        try:
            frame = {"type": "publish", "id": number, "topic": topic, "key": id, "data": {"id": id}}
            await session.send(frame)
            async with asyncio.timeout(ANSWER_WITHIN):
                said = await answer
        except LOST:
            return False
        finally:
            self._waiting.pop(number, None)
        if said["type"] == "ok":
            self._ledger.ack(id, Place(said["epoch"], said["offset"]))
            return True
        assert said["code"] in COME_AGAIN, said
        self.refusals[said["code"]] = self.refusals.get(said["code"], 0) + 1
        if said["code"] != "timeout":
            self.refused_in.append(time.monotonic() - asked_at)
        return False

    async def _stay_connected(self) -> None:
        while True:
            try:
                async with opened(self._chance.choice(self._urls())) as session:
                    await session.send({"type": "connect", "id": 1, "token": self._token})
                    while True:
                        frame = await session.frame()
                        if frame is not None:
                            self._hear(session, frame)
            except LOST:
                pass
            self._connected.clear()
            for answer in self._waiting.values():
                if not answer.done():
                    answer.set_exception(ConnectionResetError("the connection is gone"))
            await asyncio.sleep(self._chance.uniform(0.02, 0.4))

    def _hear(self, session: Session, frame: Frame) -> None:
        if frame["type"] == "connected":
            self._session = session
            self._connected.set()
        elif frame["type"] == "error" and frame.get("id") == 1:
            raise TimeoutError(f"not let in: {frame}")
        elif (answer := self._waiting.get(frame.get("id") or 0)) is not None and not answer.done():
            answer.set_result(frame)


class BackEnd:
    """A back end that knows pika and nothing of Penstock, in a thread of its own: confirms, and message ids.

    One that gives no message `ids` publishes each event once: where its outcome is unknown it may come or not, and be
    overtaken by the next one.
    """

    def __init__(
        self,
        name: str,
        ledger: Ledger,
        url: str,
        topics: list[str],
        *,
        seed: int,
        interval: float,
        filling: int = 0,
        ids: bool = True,
    ) -> None:
        self.name = name
        self.nacks = 0
        self.blocked = 0
        """How often the broker held it back for seconds."""
        self._ledger = ledger
        self._url = url
        self._topics = topics
        self._chance = random.Random(f"{name} {seed}")
        self._interval = interval
        self._filling = "x" * filling
        self._ids = ids
        self._unknown = 0
        self._bursts: deque[tuple[str, str]] = deque()
        self._stopping = threading.Event()
        self._giving_up = threading.Event()
        self._thread = threading.Thread(target=self._live, name=name, daemon=True)
        self.failure: BaseException | None = None

    def start(self) -> None:
        self._thread.start()

    def say(self, topic: str, times: int) -> None:
        """Publish so many messages on a new topic, one after the other, before all else."""
        self._bursts.extend((f"{self.name}:{topic}:{number}", topic) for number in range(1, times + 1))

    def stop(self) -> None:
        """Begin nothing new."""
        self._stopping.set()

    def give_up(self) -> None:
        """Leave the outcome of the last message unknown."""
        self._stopping.set()
        self._giving_up.set()

    @property
    def is_done(self) -> bool:
        return not self._thread.is_alive()

    def _live(self) -> None:
        try:
            self._publish_all()
        except BaseException as failure:
            self.failure = failure

    def _publish_all(self) -> None:
        events = self._events()
        event = next(events)
        while not self._giving_up.is_set():
            try:
                connection = pika.BlockingConnection(self._parameters())
            except (AMQPError, OSError):
                time.sleep(PAUSE)
                continue
            try:
                channel = connection.channel()
                channel.confirm_delivery()
                while not self._giving_up.is_set():
                    if self._publish(channel, *event):
                        if self._stopping.is_set():
                            return
                        event = next(events)
                    elif not self._ids:
                        self._unknown += 1
                        event = next(events)
                    connection.sleep(self._chance.uniform(0.5, 1.5) * self._interval)
            except (AMQPError, OSError):
                time.sleep(PAUSE)
                if not self._ids:
                    self._unknown += 1
                    event = next(events)
            finally:
                _close(connection)

    def _events(self) -> Any:
        for number in itertools.count(1):
            for topic in self._topics:
                while self._bursts:
                    yield self._bursts.popleft()
                yield f"{self.name}:{topic}:{number}", topic

    def _publish(self, channel: Any, id: str, topic: str) -> bool:
        publisher = f"{self.name}~{self._unknown}" if self._unknown else self.name
        self._ledger.attempt(id, publisher, topic, time.monotonic())
        body = json.dumps({"id": id, "filling": self._filling} if self._filling else {"id": id}).encode()
        try:
            properties = pika.BasicProperties(message_id=id if self._ids else None)
            channel.basic_publish(EVENTS, topic, body, properties, mandatory=True)
        except NackError:
            self.nacks += 1
            return False
        except UnroutableError:
            return False
        self._ledger.ack(id)
        return True

    def _parameters(self) -> Any:
        parameters = pika.URLParameters(self._url)
        parameters.heartbeat = 4
        parameters.blocked_connection_timeout = 3
        parameters.socket_timeout = parameters.stack_timeout = 5
        return parameters


def _close(connection: Any) -> None:
    with contextlib.suppress(AMQPError, OSError):
        connection.close()
