"""From joining to live, with a client that reads, and one that does not just now."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from shared.envelopes import SubscribeRequest
from tests.unit.gateway.catchup_client import Bounds, Client
from tests.unit.gateway.catchup_house import OUTBOX, House
from tests.unit.gateway.catchup_world import Store, Time

SIZE = 60
MANY = OUTBOX // SIZE
"""So many messages of that size do not go into an outbox, with what is around each of them."""


class Scene:
    """A gateway, and a client that subscribes while much is published."""

    def __init__(self) -> None:
        self.time = Time()
        self.house = House(self.time)
        self.store = Store(self.time, 1_000)
        self.client = Client(self.store, Bounds(1_000, 1024 * 1024))
        self.client.come(self.house)

    def publish(self, count: int) -> None:
        for _ in range(count):
            self.house.healer.take(self.store.append("a.1", SIZE))

    def answer(self, pattern: str) -> None:
        """Have a router say yes to the subscription."""
        [ask] = [
            ask
            for ask in self.house.asked
            if isinstance(ask.request, SubscribeRequest) and ask.request.topic == pattern
        ]
        self.house.asked.remove(ask)
        self.client.note_heads(ask.request.id, self.store.heads(), False)
        self.house.answer(self.store.answer(ask.request, 1_000))
        self.time.pass_by(0.0)

    def read(self) -> None:
        self.client.socket.room = None
        self.client.connection.resume_writing()
        self.time.pass_by(0.0)


@pytest.fixture
def scene(monkeypatch: pytest.MonkeyPatch) -> Iterator[Scene]:
    monkeypatch.setattr("gateway.replay.PIECE", OUTBOX // 4)
    scene = Scene()
    yield scene
    scene.time.give_back()


def test_much_that_was_held_does_not_break_the_outbox_of_a_client_that_reads(scene: Scene) -> None:
    scene.client.subscribe("a.1", None)
    scene.house.bind()
    scene.publish(MANY)
    scene.answer("a.1")
    assert not scene.client.is_told_to_go
    assert scene.client.last["a.1"] == ("a.1/0", MANY)
    scene.publish(1)
    scene.time.pass_by(0.0)
    assert scene.client.last["a.1"] == ("a.1/0", MANY + 1)


def test_what_comes_while_a_client_does_not_read_what_was_held_comes_behind_it(scene: Scene) -> None:
    scene.client.subscribe("a.1", None)
    scene.house.bind()
    scene.publish(MANY)
    scene.client.socket.room = OUTBOX // 2
    scene.answer("a.1")
    assert 0 < scene.client.last["a.1"][1] < MANY
    scene.publish(MANY)
    scene.time.pass_by(0.0)
    assert not scene.client.is_live("a.1")
    scene.read()
    assert scene.client.last["a.1"] == ("a.1/0", 2 * MANY)
    assert scene.client.is_live("a.1")
    assert not scene.client.is_told_to_go


def test_what_was_held_for_two_subscriptions_is_not_lost_with_the_one_that_sends_it(scene: Scene) -> None:
    scene.client.subscribe("#", None)
    scene.client.subscribe("a.1", None)
    scene.house.bind()
    scene.publish(MANY)
    scene.client.socket.room = OUTBOX // 2
    scene.answer("#")
    had = scene.client.last["a.1"][1]
    assert 0 < had < MANY
    scene.client.unsubscribe("#")
    scene.answer("a.1")
    scene.read()
    assert scene.client.last["a.1"] == ("a.1/0", MANY)
    assert scene.client.is_live("a.1")


def test_what_was_held_for_two_subscriptions_comes_once_and_in_its_order(scene: Scene) -> None:
    scene.client.subscribe("a.1", None)
    scene.client.subscribe("#", None)
    scene.house.bind()
    scene.publish(MANY)
    scene.client.socket.room = OUTBOX // 2
    scene.answer("#")
    scene.publish(3)
    scene.answer("a.1")
    scene.publish(3)
    scene.read()
    assert scene.client.last["a.1"] == ("a.1/0", MANY + 6)
    assert scene.client.is_settled
