"""Users who are at a topic with presence, some of whom watch it, and what must be told of them.

Each comes to one gateway, and to any when that is gone. Those who are told to stay away do not come back. Watchers keep
a list as docs/protocol.md says: they ask who is there when they have subscribed, and go on from there by what they are
told.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass

from tests.faults.fault import Scene
from tests.faults.load import bearer
from tests.faults.programs import Program
from tests.faults.subscribers import COME_BACK, LOST, SILENT, Frame, Session, opened
from tests.faults.verdict import Check
from tests.support.eventually import eventually

TOPIC = "room.1"
LINGER, LEASE = "PENSTOCK_PRESENCE_LINGER", "PENSTOCK_PRESENCE_LEASE"
USUAL = 5.0, 20.0
"""Seconds: after so many it is told that somebody left, and so long a gateway that says nothing counts as alive."""

STAY, LEAVE, PATIENT = 3, 2, 2
"""Of each gateway, besides a watcher: users who come back elsewhere, who never do, and who wait for it to go on."""

VERY_PATIENT = 120.0
"""Seconds without a word for which those stay with their gateway."""

CONNECT, SUBSCRIBE, ASK = 1, 2, 3

ANSWERS_WITHIN = 10.0


@dataclass(frozen=True)
class News:
    """A watcher was told that a user joined, or left."""

    kind: str
    user: str
    at: float


class Person:
    """One user, with one session at a time."""

    def __init__(
        self, name: str, token: str, home: str, urls: list[str], *, watches: bool, silent: float, seed: int
    ) -> None:
        self.name = name
        self._home = home
        """Where it comes to first."""
        self.watches = watches
        self.is_there = False
        self.comes_back = True
        self.came: list[float] = []
        """When it was subscribed."""
        self.news: list[News] = []
        self.listed: set[str] | None = None
        """Who is there by the list that a watcher keeps; None while it has none."""
        self.wrong = ""
        self._token = token
        self._urls = urls
        self._silent = silent
        self._chance = random.Random(f"{name} {seed}")
        self._since_asked: list[News] = []

    async def run(self) -> None:
        """Be there, and come back."""
        url = self._home
        while True:
            with contextlib.suppress(*LOST):
                await self._be_there(url)
            self.is_there, self.listed = False, None
            self._since_asked.clear()
            if not self.comes_back:
                return
            await asyncio.sleep(self._chance.uniform(*COME_BACK))
            url = self._chance.choice(self._urls)

    async def _be_there(self, url: str) -> None:
        async with opened(url, silent=self._silent) as session:
            await session.send({"type": "connect", "id": CONNECT, "token": self._token})
            await session.send({"type": "subscribe", "id": SUBSCRIBE, "topic": TOPIC, "presence": self.watches})
            while True:
                frame = await session.frame()
                if frame is not None:
                    await self._take(session, frame)

    async def _take(self, session: Session, frame: Frame) -> None:
        match frame["type"]:
            case "subscribed":
                self.is_there = True
                self.came.append(time.monotonic())
                await self._ask(session)
            case "restored":
                await self._ask(session)
            case "result":
                self.listed = {member["user"] for member in frame["members"]}
                if frame["count"] != len(self.listed):
                    self.wrong = f"{self.name} was told of {frame['count']} members: {sorted(self.listed)}"
                for news in self._since_asked:
                    self._keep(news)
            case "joined" | "left":
                news = News(frame["type"], frame["member"]["user"], time.monotonic())
                self.news.append(news)
                self._since_asked.append(news)
                self._keep(news)
            case "error" if frame.get("id") == ASK:
                await asyncio.sleep(min(frame.get("retry_after") or 0.5, 1.0))
                await self._ask(session)
            case "error":
                raise TimeoutError(f"not let in: {frame}")

    async def _ask(self, session: Session) -> None:
        if self.watches:
            self._since_asked.clear()
            await session.send({"type": "presence", "id": ASK, "topic": TOPIC})

    def _keep(self, news: News) -> None:
        if self.listed is not None:
            (self.listed.add if news.kind == "joined" else self.listed.discard)(news.user)


class People:
    """All of them."""

    def __init__(self, scene: Scene) -> None:
        self._scene = scene
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self.by_gateway: dict[str, list[Person]] = {}
        """Those who came to each gateway first."""
        urls = scene.load.urls()
        for gateway, url in scene.rig.urls.items():
            kinds = {"watcher": 1, "stays": STAY, "leaves": LEAVE, "patient": PATIENT}
            names = [f"{kind}-{number}-of-{gateway}" for kind, count in kinds.items() for number in range(count)]
            self.by_gateway[gateway] = [self._person(name, url, urls) for name in names]

    @property
    def all(self) -> list[Person]:
        return [person for several in self.by_gateway.values() for person in several]

    def of(self, gateway: Program, kind: str) -> list[Person]:
        """Return those of a kind who came to a gateway first."""
        return [person for person in self.by_gateway[gateway.name] if person.name.startswith(kind)]

    def add(self, name: str, gateway: Program) -> Person:
        """Let somebody come."""
        person = self._person(name, self._scene.rig.urls[gateway.name], self._scene.load.urls())
        self.by_gateway[gateway.name].append(person)
        self.start(person)
        return person

    def start(self, *persons: Person) -> None:
        """Let them come."""
        for person in persons:
            self._tasks[person.name] = asyncio.create_task(person.run(), name=person.name)

    async def send_away(self, person: Person) -> None:
        """Have somebody go without a word, for good."""
        task = self._tasks.pop(person.name)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        person.comes_back = person.is_there = False

    async def close(self) -> None:
        """Send all away."""
        for task in self._tasks.values():
            task.cancel()
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)

    async def settle(self, within: float, words: str) -> None:
        """Wait until everywhere those are listed who are there, and nobody else; note where they are not in time."""
        try:
            await eventually(self.is_settled, max(within, 0.1))
        except AssertionError as not_so:
            self._scene.expect(False, Check.LIVE, f"{words}: {' '.join(str(not_so).split())}")
        for person in self.all:
            self._scene.expect(not person.wrong, Check.UNEXPECTED, person.wrong)

    async def is_settled(self) -> bool:
        """Say that everywhere those are listed who are there; `AssertionError` says where they are not."""
        for task in self._tasks.values():
            if task.done() and not task.cancelled() and (failure := task.exception()) is not None:
                raise RuntimeError("one of the people has failed") from failure
        away = [person.name for person in self.all if person.comes_back and not person.is_there]
        assert not away, f"these are not there: {away}"
        there = sorted(person.name for person in self.all if person.is_there)
        for gateway, url in self._scene.rig.urls.items():
            listed, count = await listed_at(url, bearer(self._scene.rig, "who-asks"))
            assert listed == there, f"{gateway} lists {_but(listed, there)}"
            assert count == len(there), f"{gateway} counts {count}, and {len(there)} are there"
        for person in self.all:
            if person.watches:
                kept = sorted(person.listed or ())
                assert kept == there, f"by what {person.name} was told, {_but(kept, there)}"
        return True

    def _person(self, name: str, url: str, urls: list[str]) -> Person:
        rig = self._scene.rig
        silent = VERY_PATIENT if name.startswith("patient") else SILENT
        watches = name.startswith("watcher")
        return Person(name, bearer(rig, name), url, urls, watches=watches, silent=silent, seed=rig.seed)


def _but(listed: list[str], there: list[str]) -> str:
    return f"beside those that are there {sorted({*listed} - {*there})}, and not {sorted({*there} - {*listed})}"


async def listed_at(url: str, token: str) -> tuple[list[str], int]:
    """Return who is there, as a gateway says, and how many; `AssertionError` where it does not answer."""
    try:
        async with asyncio.timeout(ANSWERS_WITHIN), opened(url) as session:
            await session.send({"type": "connect", "id": CONNECT, "token": token})
            await session.send({"type": "presence", "id": ASK, "topic": TOPIC})
            while True:
                frame = await session.frame()
                if frame is not None and frame["type"] in ("result", "error"):
                    assert frame["type"] == "result", f"{url} says {frame}"
                    return sorted(member["user"] for member in frame["members"]), frame["count"]
    except LOST as lost:
        raise AssertionError(f"{url} does not answer: {lost!r}") from lost


@contextlib.asynccontextmanager
async def gathered(scene: Scene) -> AsyncIterator[People]:
    """Let them come, and begin when all are listed everywhere; at the end they are gone."""
    scene.load.besides.add(TOPIC)
    people = People(scene)
    people.start(*people.all)
    try:
        await eventually(people.is_settled, 20.0)
        yield people
    finally:
        await people.close()
