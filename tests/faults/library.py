"""Subscribers that use `penstock_client`, as applications do: it has to heal, resume and announce by itself."""

from __future__ import annotations

import asyncio
import time

from penstock_client import Client, Gap, Message, Settings, Subscription

from tests.faults.ledger import Ledger, Place
from tests.faults.subscribers import UNRECOVERED

BUFFER = 20_000


class LibrarySubscriber:
    """Hears `topics`, one by one or all with `pattern`, over one client that stays for the whole run."""

    def __init__(
        self, name: str, ledger: Ledger, url: str, token: str, topics: list[str], *, pattern: str | None, codec: str
    ) -> None:
        self.name = name
        self.topics = topics
        self.subscribed: set[str] = set()
        """What it has been subscribed to; it does not tell when it is away."""
        self.url = url
        self.drained = 0
        self.goodbyes: list[int] = []
        self._unsure: set[str] = set()
        """Topics of which it may have missed something: it was told that of its pattern as a whole."""
        self._ledger = ledger
        self._pattern = pattern
        # A gateway that is frozen accepts connections and says nothing: do not wait for it as long as for a slow one.
        settings = Settings(codec="msgpack" if codec == "msgpack" else "json", connect_timeout=3.0, open_timeout=30.0)
        self._client = Client(url, token=token, settings=settings, proxy=None)
        ledger.subscribe(name, topics, by_pattern=pattern is not None)

    @property
    def wanted(self) -> list[str]:
        return [self._pattern] if self._pattern else self.topics

    @property
    def connections(self) -> int:
        return self._client.counters.connections

    async def run(self) -> None:
        """Hear everything."""
        async with self._client as client, asyncio.TaskGroup() as group:
            for wanted in self.wanted:
                group.create_task(self._hear(client.subscribe(wanted, buffer=BUFFER)))

    async def _hear(self, subscription: Subscription) -> None:
        async with subscription:
            if (began := subscription.position) is not None:
                self._ledger.begin(self.name, subscription.pattern, Place(began.epoch, began.offset))
            self.subscribed.add(subscription.pattern)
            async for item in subscription:
                self._note(item)

    def _note(self, item: Message | Gap) -> None:
        if isinstance(item, Gap) and item.topic == self._pattern:
            self._unsure.update(self._ledger.accounts[self.name])
            self._ledger.doubt(self.name, time.monotonic())
            return
        assert item.epoch is not None, f"without a place: {item}"
        assert item.offset is not None, f"without a place: {item}"
        place, last = Place(item.epoch, item.offset), self._ledger.account(self.name, item.topic).last
        now = time.monotonic()
        if isinstance(item, Gap):
            self._ledger.announce(self.name, item.topic, place, item.cause, now)
        else:
            skips = last is not None and (place.epoch != last.epoch or place.offset > last.offset + 1)
            if item.topic in self._unsure and skips:
                self._ledger.announce(self.name, item.topic, place, UNRECOVERED, now)
            self._ledger.arrive(self.name, item.topic, place, item.data["id"], now)
        self._unsure.discard(item.topic)
