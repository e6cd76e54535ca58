"""Subscribers that come back: they resume where they left off, and write down every frame that matters.

They are not `penstock_client`: what judges a server should not share its clients' mistakes, nor heal its own.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import logging
import random
import time
from collections.abc import Callable
from itertools import islice
from typing import Any

import msgspec
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake

from shared.topics import matches
from tests.faults.ledger import Ledger, Place

SILENT = 8.0
"""Seconds without a frame (the server pings every two) after which the gateway is taken for dead."""

OPEN_WITHIN = 5.0
TICK = 0.2
COME_BACK = (0.02, 0.4)
"""Seconds, by chance, before the next attempt."""

UNRECOVERED = "unrecovered"
"""The cause of a hole of which there was no `gap`: the pattern as a whole was resumed with `recovered: false`."""

CAUGHT_UP_WITHIN = 60.0
"""Seconds on one connection after which a pattern is caught up with, though nobody said so."""

MAX_PLACES = 128
"""Places of topics that are told where a pattern is resumed; what is quiet for longer is not sent again."""

COME_AGAIN = frozenset({"rate_limited", "overloaded", "unavailable", "timeout"})

CODECS = {"penstock.v1.json": msgspec.json, "penstock.v1.msgpack": msgspec.msgpack}

_quiet = logging.getLogger("tests.faults.sockets")
_quiet.setLevel(logging.CRITICAL)

Frame = dict[str, Any]


class Session:
    """One connection's worth of frames."""

    def __init__(self, socket: ClientConnection, silent: float) -> None:
        self._socket = socket
        self._silent = silent
        self._codec = CODECS[socket.subprotocol or "penstock.v1.json"]
        self.heard_at = time.monotonic()

    async def send(self, frame: Frame) -> None:
        data = self._codec.encode(frame)
        await self._socket.send(data.decode() if self._codec is msgspec.json else data)

    async def frame(self) -> Frame | None:
        """Return the next frame, pings answered; None where none came for a while. `TimeoutError`: it is dead."""
        try:
            async with asyncio.timeout(TICK):
                frame: Frame = self._codec.decode(await self._socket.recv())
        except TimeoutError:
            if time.monotonic() - self.heard_at > self._silent:
                raise
            return None
        self.heard_at = time.monotonic()
        if frame["type"] == "ping":
            await self.send({"type": "pong"})
            return None
        return frame


@contextlib.asynccontextmanager
async def opened(url: str, protocol: str = "penstock.v1.json", silent: float = SILENT):  # type: ignore[no-untyped-def]
    """Open a session; whatever happens, its socket is gone at the end.

    After `silent` seconds without a frame the gateway is taken for dead.
    """
    socket = await connect(
        url,
        subprotocols=[protocol],  # type: ignore[list-item]
        compression=None,
        ping_interval=None,
        open_timeout=OPEN_WITHIN,
        close_timeout=0.5,
        proxy=None,
        max_size=None,
        logger=_quiet,
    )
    try:
        yield Session(socket, silent)
    finally:
        socket.transport.abort()
        await socket.wait_closed()


LOST = (OSError, TimeoutError, ConnectionClosed, InvalidHandshake, EOFError)
"""What the end of a connection looks like."""


class Subscriber:
    """Hears `topics`, one by one or all with `pattern`, for as long as it is told to."""

    def __init__(
        self,
        name: str,
        ledger: Ledger,
        urls: Callable[[], list[str]],
        token: str,
        topics: list[str],
        *,
        seed: int,
        pattern: str | None = None,
        protocol: str = "penstock.v1.json",
    ) -> None:
        self.name = name
        self.connections = 0
        self.goodbyes: list[int] = []
        """The codes with which connections ended."""
        self.drained = 0
        """`reconnect` frames."""
        self.may_come = asyncio.Event()
        """While it is clear, it does not come back."""
        self.may_come.set()
        self.url = ""
        self.subscribed: set[str] = set()
        """What it hears at this moment."""
        self._ledger = ledger
        self._urls = urls
        self._token = token
        self.topics = list(topics)
        self._pattern = pattern
        self._protocol = protocol
        self._chance = random.Random(f"{name} {seed}")
        self._places: dict[str, Place] = {}
        self._unsure: set[str] = set()
        """Topics of which it may have missed something: it was told that of its pattern as a whole."""
        self._at: int | None = None
        """The time to come back to a pattern with; None before the first subscription."""
        self._caught_up_at = 0.0
        """When that time goes on with what comes: not while something may come that is older."""
        self._drop: asyncio.Task[None] | None = None
        self._stopping = False
        ledger.subscribe(name, topics, by_pattern=pattern is not None)

    @property
    def wanted(self) -> list[str]:
        return [self._pattern] if self._pattern else self.topics

    async def run(self) -> None:
        """Hear, come back, hear on."""
        while not self._stopping:
            self.url = self._chance.choice(self._urls())
            self._drop = asyncio.ensure_future(self._hear())
            try:
                await self._drop
            except LOST as lost:
                if isinstance(lost, ConnectionClosed):
                    self.goodbyes.append(lost.rcvd.code if lost.rcvd else 1006)
            except asyncio.CancelledError:
                task = asyncio.current_task()
                if task is not None and task.cancelling():
                    raise
            self.subscribed.clear()
            await asyncio.sleep(self._chance.uniform(*COME_BACK))
            await self.may_come.wait()

    def leave(self, *, for_good: bool = False) -> None:
        """Drop the connection, without a word."""
        self._stopping = self._stopping or for_good
        if self._drop is not None:
            self._drop.cancel()

    def hear(self, topic: str) -> None:
        """Subscribe to one topic more, as soon as can be."""
        self.topics.append(topic)

    async def _hear(self) -> None:
        async with opened(self.url, self._protocol) as session:
            self.connections += 1
            numbers = itertools.count(1)
            asked: dict[int, str] = {}
            again: list[tuple[float, str]] = []
            await session.send({"type": "connect", "id": next(numbers), "token": self._token})
            wanted = 0
            while True:
                for topic in self.wanted[wanted:]:
                    wanted += 1
                    asked[number := next(numbers)] = topic
                    await session.send(self._subscribe(number, topic))
                frame = await session.frame()
                now = time.monotonic()
                for due, topic in list(again):
                    if now >= due:
                        again.remove((due, topic))
                        asked[number := next(numbers)] = topic
                        await session.send(self._subscribe(number, topic))
                if frame is None:
                    continue
                match frame["type"]:
                    case "message":
                        self._note(frame, now)
                    case "gap":
                        place = Place(frame["epoch"], frame["offset"])
                        self._ledger.announce(self.name, frame["topic"], place, frame["cause"], now)
                        self._stand(frame["topic"], Place(place.epoch, place.offset - 1))
                        self._unsure.discard(frame["topic"])
                    case "subscribed":
                        self.subscribed.add(frame["topic"])
                        asked.pop(frame["id"], None)
                        self._begin(frame, now)
                    case "caught_up":
                        self._at, self._caught_up_at = frame["at"], now
                    case "error" if frame.get("id") in asked:
                        topic = asked.pop(frame["id"])
                        assert frame["code"] in COME_AGAIN, frame
                        again.append((now + min(frame.get("retry_after") or 0.5, 1.0), topic))
                    case "error" if frame.get("id") == 1:
                        raise TimeoutError(f"not let in: {frame}")
                    case "reconnect":
                        self.drained += 1

    def _subscribe(self, number: int, topic: str) -> Frame:
        frame: Frame = {"type": "subscribe", "id": number, "topic": topic}
        if self._pattern and self._at is not None:
            latest = islice(reversed(self._places.items()), MAX_PLACES)
            frame["from"] = {"at": self._at, "topics": {name: place._asdict() for name, place in latest}}
        elif not self._pattern and (place := self._places.get(topic)) is not None:
            frame["from"] = place._asdict()
        return frame

    def _begin(self, frame: Frame, now: float) -> None:
        """Take the place from where a first subscription begins; one that resumes has its own, or is told a gap."""
        topic = frame["topic"]
        if self._pattern:
            self._caught_up_at = now if self._at is None else now + CAUGHT_UP_WITHIN
            self._at = frame["at"] if self._at is None else self._at
            if frame.get("recovered") is False:
                self._unsure.update(self._places)
                self._ledger.doubt(self.name, now)
        elif topic not in self._places and "offset" in frame:
            self._stand(topic, Place(frame["epoch"], frame["offset"]))
            self._ledger.begin(self.name, topic, self._places[topic], now)

    def _stand(self, topic: str, place: Place) -> None:
        self._places.pop(topic, None)  # those with the latest news are told first
        self._places[topic] = place

    def _note(self, frame: Frame, now: float) -> None:
        topic = frame["topic"]
        assert self._pattern is None or matches(self._pattern, topic)
        epoch = frame.get("epoch") or self._places[topic].epoch
        place = Place(epoch, frame["offset"])
        if topic in self._unsure:
            self._unsure.remove(topic)
            last = self._places[topic]
            if place.epoch != last.epoch or place.offset > last.offset + 1:
                self._ledger.announce(self.name, topic, place, UNRECOVERED, now)
        self._ledger.arrive(self.name, topic, place, frame["data"]["id"], now)
        self._stand(topic, place)
        if self._at is not None and now >= self._caught_up_at:
            self._at = max(self._at, frame["at"])
