"""Whatever the bus loses, doubles, delays and reorders, and whoever comes and goes: nobody is told anything twice, and
nothing is missing in silence."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from shared.envelopes import SubscribeAllowed, SubscribeRequest
from shared.frames import Since
from shared.topics import has_wildcard
from tests.unit.gateway.catchup_client import Bounds, Client
from tests.unit.gateway.catchup_house import House
from tests.unit.gateway.catchup_world import PATTERNS, TOPICS, Store, Time

ROOMY, TIGHT = Bounds(1_000, 1024 * 1024), Bounds(6, 150)
"""What one subscription is given of the past: as it is, and so little that it is often too little."""

CALM = 15.0
"""Seconds after which all that is under way comes to rest: less than what resuming by time leaves for it."""

PATIENCE = 90
"""Seconds in which everybody must have everything at the end, with nothing lost any more."""

which = st.integers(0, 1_000)
houses = st.integers(0, 1)
clients = st.integers(0, 3)


class Machine(RuleBasedStateMachine):
    """Two gateways, four clients."""

    def __init__(self) -> None:
        super().__init__()
        self.time = Time()
        self.houses = [House(self.time), House(self.time)]
        self.clients: list[Client] = []
        self.calm_at = self.time.now
        self._patch = pytest.MonkeyPatch()
        self._patch.setattr("gateway.replay.PIECE", 500)

    @initialize(
        tight=st.booleans(),
        kept=st.sampled_from([5, 100]),
        patterns=st.lists(st.sampled_from(PATTERNS), min_size=4, max_size=4),
        past=st.lists(st.tuples(st.sampled_from(TOPICS), st.integers(0, 60)), max_size=9),
        answered=st.booleans(),
        places=st.sampled_from([None, None, (1, 0), (2, 1)]),
    )
    def some_listen(
        self,
        tight: bool,
        kept: int,
        patterns: list[str],
        past: list[tuple[str, int]],
        answered: bool,
        places: tuple[int, int] | None,
    ) -> None:
        self.store = Store(self.time, kept)
        bounds = TIGHT if tight else ROOMY
        if tight:
            for room in ("window", "catchup", "healing", "reading", "resuming"):
                self._patch.setattr(f"gateway.{room}.MAX_ENTRIES", bounds.entries)
            for room in ("window", "catchup", "reading"):
                self._patch.setattr(f"gateway.{room}.MAX_BYTES", bounds.size)
            self._patch.setattr("gateway.reading.AT_ONCE", 1)
        if places is not None:
            self._patch.setattr("gateway.logs.MAX_LOGS", places[0])
            self._patch.setattr("gateway.logs.SPARE", places[1])
        self.clients = [Client(self.store, bounds, crowded=places is not None) for _ in range(4)]
        for topic, size in past:
            self.store.append(topic, size)
        for number, pattern in enumerate(patterns):
            self.clients[number].come(self.houses[number % 2])
            self.clients[number].subscribe(pattern, None)
        if answered:
            self.let_all_through()

    # What clients do.

    @rule(number=clients)
    def is_cut_off(self, number: int) -> None:
        if self.clients[number].house is not None:
            self.clients[number].go()
            self.after()

    @rule(
        number=clients,
        pattern=st.sampled_from(PATTERNS),
        how=st.sampled_from(["live", "tail", "back", "place"]),
        amount=st.integers(0, 12),
    )
    def subscribes(self, number: int, pattern: str, how: str, amount: int) -> None:
        client = self.clients[number]
        if client.house is None:
            client.come(self.houses[amount % 2])
        if pattern in client.subscriptions:
            return
        # While one brings the past, others bring what is live before it: docs/protocol.md says so.
        if client.overlaps(pattern) and not (how == "live" and client.is_settled):
            return
        since, tail = None, 0
        if how == "tail" and not has_wildcard(pattern):
            tail = amount
        elif how == "back":
            since = client.memory_of(pattern)
        elif how == "place" and not has_wildcard(pattern):
            logs = [*self.store.former[pattern], self.store.logs[pattern]]
            log = logs[-1 - (amount % 5 == 4) if len(logs) > 1 else -1]
            since = Since(log.epoch, max(0, log.head - amount))
        if since is None:
            client.forget(pattern)
        client.subscribe(pattern, since, tail)
        self.after()

    @rule(number=clients, house=houses)
    def comes_back(self, number: int, house: int) -> None:
        """With all that it was subscribed to, as a client does whose connection was lost."""
        client = self.clients[number]
        if client.house is not None:
            patterns = list(client.subscriptions)
            client.go()
            client.come(self.houses[house])
            for pattern in patterns:
                if client.overlaps(pattern):
                    continue
                since = client.memory_of(pattern)
                if since is None:
                    client.forget(pattern)
                client.subscribe(pattern, since)
            self.after()

    @rule(number=clients, place=which)
    def unsubscribes(self, number: int, place: int) -> None:
        client = self.clients[number]
        if client.house is not None and client.subscriptions and not client.is_told_to_go:
            client.unsubscribe(list(client.subscriptions)[place % len(client.subscriptions)])
            self.after()

    @rule(number=clients, room=st.integers(1, 1_000))
    def reads_little(self, number: int, room: int) -> None:
        client = self.clients[number]
        if client.house is not None and client.socket.room is None:
            client.socket.room = room

    @rule(number=clients)
    def reads_again(self, number: int) -> None:
        self.read(self.clients[number])
        self.after()

    def read(self, client: Client) -> None:
        if client.house is not None and client.socket.room is not None:
            client.socket.room = None
            client.connection.resume_writing()

    # What is published, and what becomes of it.

    @rule(
        topic=st.sampled_from(TOPICS),
        sizes=st.lists(st.integers(0, 60), min_size=1, max_size=8),
        delivered=st.booleans(),
    )
    def publish(self, topic: str, sizes: list[int], delivered: bool) -> None:
        for size in sizes:
            entry = self.store.append(topic, size)
            for house in self.houses:
                if house.hears(topic):
                    house.bus.append(entry)
        if delivered:
            for house in self.houses:
                self.deliver(house)

    def deliver(self, house: House) -> None:
        bus, house.bus = house.bus, []
        for entry in bus:
            house.healer.take(entry)
        self.after()

    @rule(house=houses, places=st.lists(which, min_size=1, max_size=6))
    def some_come(self, house: int, places: list[int]) -> None:
        """In any order; or all, in theirs."""
        bus = self.houses[house].bus
        if places == [0]:
            self.deliver(self.houses[house])
        for place in places:
            if bus:
                self.houses[house].healer.take(bus.pop(place % len(bus)))
        self.after()

    @rule(house=houses, place=which)
    def one_comes_and_will_come_again(self, house: int, place: int) -> None:
        bus = self.houses[house].bus
        if bus:
            self.houses[house].healer.take(bus[place % len(bus)])
            self.after()

    @rule(house=houses, places=st.lists(which, min_size=1, max_size=6), told=st.sampled_from([0.0, 0.5, 5.0]))
    def some_are_lost(self, house: int, places: list[int], told: float) -> None:
        """The broker had no room for them, and says so in its time."""
        bus = self.houses[house].bus
        if bus:
            for place in places:
                if bus:
                    bus.pop(place % len(bus))
            self.time.call_later(told, self.houses[house].losses.dropped)

    @rule(sure=st.integers(0, 2))
    def the_store_forgets(self, sure: int) -> None:
        if not sure:
            self.store.lose()

    # What routers and the broker do.

    @rule(house=houses, place=which, most=st.sampled_from([1, 3, 1_000]), at_once=st.booleans())
    def a_router_answers(self, house: int, place: int, most: int, at_once: bool) -> None:
        asked = self.houses[house].asked
        if asked:
            self.serve(self.houses[house], place % len(asked), most)
            if at_once:
                self.houses[house].answer(self.houses[house].replies.pop())
                self.after()

    def serve(self, house: House, place: int, most: int = 1_000) -> None:
        request = house.asked.pop(place).request
        reply = self.store.answer(request, most)
        house.replies.append(reply)
        if isinstance(request, SubscribeRequest) and isinstance(reply, SubscribeAllowed):
            for client in self.clients:
                if client.house is house and client.connection.session.number == request.session:
                    client.note_heads(request.id, self.store.heads(), reply.recovered is False)

    @rule(house=houses)
    def routers_answer_everything(self, house: int) -> None:
        while self.houses[house].asked:
            self.serve(self.houses[house], 0)
        self.replies_come(self.houses[house])

    def replies_come(self, house: House) -> None:
        replies, house.replies = house.replies, []
        for reply in replies:
            house.answer(reply)
        self.after()

    @rule(house=houses, place=which)
    def an_answer_comes(self, house: int, place: int) -> None:
        replies = self.houses[house].replies
        if replies:
            self.houses[house].answer(replies.pop(place % len(replies)))
            self.after()

    @rule(house=houses, place=which, refused=st.booleans())
    def a_router_does_not_answer(self, house: int, place: int, refused: bool) -> None:
        asked = self.houses[house].asked
        if asked:
            ask = asked.pop(place % len(asked))
            if refused:
                self.houses[house].refuse(ask)
            self.after()

    @rule(house=houses, unneeded=st.booleans())
    def slots_are_bound(self, house: int, unneeded: bool) -> None:
        """And those that nobody needs are not any more."""
        self.houses[house].bind()
        if unneeded:
            self.houses[house].unbind()
        self.after()

    @rule(seconds=st.sampled_from([0.01, 0.05, 0.5, 1.0, 2.0, 4.0]))
    def time_passes(self, seconds: float) -> None:
        if self.time.now + seconds - self.calm_at > CALM:
            self.come_to_rest()
        self.pass_by(seconds)

    @precondition(lambda self: self.time.now < 1_100)
    @rule(seconds=st.sampled_from([20.0, 70.0, 400.0]))
    def a_long_time_passes(self, seconds: float) -> None:
        self.come_to_rest()
        for _ in range(int(seconds / 10)):
            self.pass_by(10.0)
            self.store.age()
            self.let_all_through()

    def pass_by(self, seconds: float) -> None:
        for house in self.houses:
            for topic, held in house.healer.discoverer.discovery._held.items():
                if held.deadline <= self.time.now + seconds:
                    for client in self.clients:
                        client.excused.add(topic)
        self.time.pass_by(seconds)
        self.after()

    def after(self) -> None:
        """Let the gateways end their turn, and clients that were told to go do so."""
        self.time.pass_by(0.0)
        for client in self.clients:
            if client.is_told_to_go and client.house is not None:
                client.go()

    # How it ends.

    def let_all_through(self) -> None:
        for house in self.houses:
            house.bind()
            self.deliver(house)
            while house.asked:
                self.serve(house, 0)
            self.replies_come(house)

    def come_to_rest(self) -> None:
        """Let all that is on its way come, with nothing lost, within a few seconds."""
        for client in self.clients:
            self.read(client)
        for _ in range(7):
            self.let_all_through()
            self.pass_by(0.9)
        self.calm_at = self.time.now

    def teardown(self) -> None:
        try:
            if self.clients:
                self.end()
        finally:
            self._patch.undo()
            self.time.give_back()

    def end(self) -> None:
        self.come_to_rest()
        for _ in range(PATIENCE):
            if all(client.house is None or client.is_up_to_date() for client in self.clients):
                break
            self.let_all_through()
            self.pass_by(1.0)
        for client in self.clients:
            reached = client.house is None or client.is_up_to_date()
            assert reached, f"{client.last}, where logs are at {self.store.heads()}"
        self.come_to_rest()


TestMachine = Machine.TestCase
TestMachine.settings = settings(
    max_examples=100, stateful_step_count=50, suppress_health_check=list(HealthCheck)
)
