"""The load: subscribers of every kind on the same topics, and publishers through both doors."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field

from tests.faults.ledger import Arrival, Ledger
from tests.faults.library import LibrarySubscriber
from tests.faults.newcomers import EARLY, NAME, Door, Newcomers
from tests.faults.publishers import BackEnd, SocketPublisher
from tests.faults.rig import Rig
from tests.faults.subscribers import Subscriber
from tests.support.eventually import eventually
from tests.support.penstock import token

TOPICS = [f"load.{number}" for number in range(6)]

SUBSCRIBERS = 6
INTERVAL = 0.02
"""Seconds between two messages of one lane, on average."""

RESOLVED_WITHIN = 30.0
"""Seconds after the load's end in which publishers learn what became of their last messages."""


DAY, HOUR = 86_400, 3_600


def bearer(rig: Rig, user: str, **rights: Sequence[str]) -> str:
    """Return a token that is neither so new nor so old that a clock which is an hour wrong takes it for invalid."""
    if rig.issuer is not None:
        return rig.issuer.token(user, **rights)
    return token(user, ttl=DAY, iat=int(time.time()) - 2 * HOUR, **rights)


@dataclass
class Load:
    """What publishes and what hears; each has what it is given from `rig`."""

    rig: Rig
    topics: list[str] = field(default_factory=lambda: list(TOPICS))
    ledger: Ledger = field(default_factory=Ledger)
    subscribers: list[Subscriber | LibrarySubscriber] = field(default_factory=list)
    clients: list[SocketPublisher] = field(default_factory=list)
    back_ends: list[BackEnd] = field(default_factory=list)
    tasks: set[asyncio.Task[None]] = field(default_factory=set)
    publishing: list[asyncio.Task[None]] = field(default_factory=list)
    besides: set[str] = field(default_factory=set)
    """Topics that are heard by others than `subscribers`."""
    newcomers: Newcomers | None = None
    """What begins new topics; None where nobody does."""

    def urls(self) -> list[str]:
        """Return where clients may go: a load balancer that knows nothing."""
        return list(self.rig.urls.values())

    def start(self) -> None:
        """Let all come."""
        for number in range(SUBSCRIBERS):
            self.subscribe(f"subscriber-{number}", pattern="load.*" if number == SUBSCRIBERS - 1 else None)
        for codec, pattern in (("json", None), ("msgpack", "load.*")):
            name = f"library-{codec}"
            subscriber = LibrarySubscriber(
                name,
                self.ledger,
                self.rig.front_url,
                bearer(self.rig, name, publish=()),
                self.topics,
                pattern=pattern,
                codec=codec,
            )
            self.subscribers.append(subscriber)
            self._keep(asyncio.create_task(subscriber.run(), name=name))
        if self.rig.layout.newcomers:
            self.subscribe(EARLY, topics=[NAME.format(0)])

    def subscribe(self, name: str, *, pattern: str | None = None, topics: list[str] | None = None) -> Subscriber:
        """Let one more subscriber come; every second one speaks msgpack. `topics` are its own, beside the load's."""
        subscriber = Subscriber(
            name,
            self.ledger,
            self.urls,
            bearer(self.rig, name, publish=()),
            topics or self.topics,
            seed=self.rig.seed,
            pattern=pattern,
            protocol=f"penstock.v1.{'msgpack' if len(self.subscribers) % 2 else 'json'}",
        )
        self.subscribers.append(subscriber)
        self._keep(asyncio.create_task(subscriber.run(), name=name))
        return subscriber

    def publish(self) -> None:
        """Let publishers begin."""
        rig, interval = self.rig, INTERVAL * self.rig.layout.pace
        for number in range(2):
            name = f"client-{number}"
            client = SocketPublisher(
                name, self.ledger, self.urls, bearer(rig, name), self.topics, seed=rig.seed, interval=8 * interval
            )
            self.clients.append(client)
            self.publishing.append(asyncio.create_task(client.run(), name=name))
            self._keep(self.publishing[-1])
            url = rig.places.vhost.amqp_url
            name = f"back-end-{number}"
            back_end = BackEnd(
                name, self.ledger, url, self.topics, seed=rig.seed, interval=interval, ids=rig.layout.ids or number == 0
            )
            self.back_ends.append(back_end)
            back_end.start()
        if rig.layout.newcomers:
            [early] = [each for each in self.subscribers if isinstance(each, Subscriber) and each.name == EARLY]
            doors: list[Door] = [*self.clients, *self.back_ends]
            self.newcomers = Newcomers(self.ledger, doors, early, seed=rig.seed, pace=rig.layout.pace)
            self._keep(asyncio.create_task(self.newcomers.run(), name="newcomers"))

    async def all_subscribed(self, within: float = 30.0) -> None:
        """Wait until each hears all that it wants."""
        await self.until(lambda: all(set(each.wanted) == each.subscribed for each in self.subscribers), within)

    async def until(self, condition, within: float = 30.0):  # type: ignore[no-untyped-def]
        """Wait for a condition; a part of the load that has failed ends the wait with its failure."""

        def checked() -> object:
            self.check()
            return condition()

        return await eventually(checked, within)

    def check(self) -> None:
        """Raise what a part of the load has failed with: a mistake of the tests, or a frame that may not be."""
        for task in self.tasks:
            if task.done() and not task.cancelled() and (failure := task.exception()) is not None:
                raise failure
        for back_end in self.back_ends:
            if back_end.failure is not None:
                raise back_end.failure

    def heard_since(self, since: float) -> dict[tuple[str, str], float]:
        """Return when each subscriber, on each topic, first got something that was first published after `since`."""
        first: dict[tuple[str, str], float] = {}
        publishes = self.ledger.publishes
        for name, accounts in self.ledger.accounts.items():
            for topic, account in accounts.items():
                for event in reversed(account.events):
                    if event.at < since:
                        break
                    publish = publishes.get(event.id) if isinstance(event, Arrival) else None
                    if publish is not None and publish.at >= since:
                        first[name, topic] = event.at
        return first

    async def all_hear(self, since: float, within: float) -> float:
        """Wait until every subscriber has heard news on every topic; return seconds from `since` until then."""
        expected = {(each.name, topic) for each in self.subscribers for topic in each.topics if topic in self.topics}
        heard = await self.until(lambda: (found := self.heard_since(since)).keys() >= expected and found, within)
        return max(heard.values()) - since

    async def finish(self) -> None:
        """Let publishers come to an end."""
        if self.newcomers is not None:
            self.newcomers.stop()
        for publisher in (*self.clients, *self.back_ends):
            publisher.stop()
        deadline = time.monotonic() + RESOLVED_WITHIN
        while time.monotonic() < deadline:
            self.check()
            if all(task.done() for task in self.publishing) and all(each.is_done for each in self.back_ends):
                return
            await asyncio.sleep(0.05)

    async def close(self) -> None:
        """Send all away."""
        for back_end in self.back_ends:
            back_end.give_up()
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)
        for _ in range(200):
            if all(back_end.is_done for back_end in self.back_ends):
                break
            await asyncio.sleep(0.05)

    def _keep(self, task: asyncio.Task[None]) -> None:
        self.tasks.add(task)


@contextlib.asynccontextmanager
async def loading(rig: Rig, topics: list[str] | None = None) -> AsyncIterator[Load]:
    """Put the rig under load; return when all of it works."""
    load = Load(rig, list(topics or TOPICS))
    try:
        load.start()
        await load.all_subscribed()
        began = time.monotonic()
        load.publish()
        await load.all_hear(began, 30.0)
        yield load
    finally:
        await load.close()
