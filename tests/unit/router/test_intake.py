"""A whole router on the memory bus: turns, acknowledgements, trouble with the bus and the store."""

from __future__ import annotations

import asyncio
import logging

import msgspec
import pytest

from router import intake as intake_room
from router import outlet
from router.pipeline import Pipeline
from shared.bus import topology
from shared.bus.memory import MemoryBroker, MemoryBus
from shared.bus.port import Message, Source
from shared.bus.topology import Overflow, Queue, QueueKind, Topology
from shared.envelopes import MAX_ITEMS, VERSION, ConnectRequest, FrameBatch, ProbeRequest, SubscribeRequest, pack
from shared.topics import rank
from tests.support.eventually import eventually
from tests.unit.router.builders import fresh_token, grant, publish
from tests.unit.router.edge import Edge, waiting
from tests.unit.router.issuer import issuer as issuer
from tests.unit.router.keyring import jwk, jwks, private
from tests.unit.router.running import ADA, GatedStore, idle, made, opened, routed, router_bus
from tests.unit.router.running import quick as quick
from tests.unit.router.shelf import Shelf

pytestmark = pytest.mark.usefixtures("quick")


async def test_requests_are_answered_and_publishes_and_events_delivered():
    async with routed() as (router, edge):
        await edge.ask(ConnectRequest(1, 1, fresh_token(), "::1"), ProbeRequest(1, 2))
        await edge.ask(SubscribeRequest(1, 3, 0, "orders.#"), publish("orders.1", b"1", id=4), grants=ADA)
        await edge.emit("orders.2", b"2")
        await eventually(lambda: len(edge.replies) == 4 and len(edge.entries) == 2)
        assert {type(reply).__name__ for reply in edge.replies} == {
            "Granted",
            "Probed",
            "SubscribeAllowed",
            "Published",
        }
        await idle(router, edge)
        counters = router.counters
        assert (counters.received, counters.requests, counters.events, counters.published) == (3, 4, 1, 2)
        assert router.healthy


class SlowBus(MemoryBus):
    """A bus on which messages come before all consumers run."""

    async def consume(self, sources, handler, *, prefetch):
        intake = await super().consume(sources, handler, prefetch=prefetch)
        await eventually(lambda: self.counters.received)
        for _ in range(100):
            await asyncio.sleep(0)
        return intake


async def test_what_comes_before_all_consumers_run_is_done_when_they_do():
    broker = MemoryBroker()
    edge = Edge(await opened(broker, "edge"))
    await edge.start()
    await edge.emit("a", b"1")
    bus = SlowBus(broker)
    await bus.open()
    router = made(bus)
    await router.start()
    await eventually(lambda: edge.payloads == [b"1"] and not router.counters.in_hand)
    assert (router.counters.faults, await waiting(edge.bus)) == (0, 0)
    await router.stop()


async def test_what_comes_while_a_turn_is_on_its_way_shares_the_next_one():
    store = GatedStore()
    async with routed(store) as (router, edge):
        store.gate.clear()
        await edge.emit("a", b"0")
        await eventually(lambda: store.asked == 1)
        for number in range(1, 301):
            await edge.emit(f"t{number}", str(number).encode())
        await eventually(lambda: router.counters.in_hand == 301)
        store.gate.set()
        await eventually(lambda: len(edge.entries) == 301)
        assert router.counters.turns == 1 + 3, "128 messages are a full turn"
        assert edge.batches == 4
        assert MAX_ITEMS == 128


async def test_a_turn_ends_where_its_bytes_are_enough():
    store = GatedStore()
    async with routed(store, max_payload_bytes=10**6) as (router, edge):
        store.gate.clear()
        await edge.emit("a", b"0")
        await eventually(lambda: store.asked == 1)
        large = b'"' + b"x" * 100_000 + b'"'
        for body in (b"1", large, large, b'"' + b"x" * 200_000 + b'"', b"2", b"3"):
            await edge.emit("a", body)
        await eventually(lambda: router.counters.in_hand == 7)
        store.gate.set()
        await eventually(lambda: len(edge.entries) == 7)
        assert router.counters.turns == 1 + 4


async def test_nothing_is_acknowledged_before_its_delivery_is_confirmed():
    async with routed() as (router, edge):
        edge.broker.block()
        edge.broker.core.publish(topology.EVENTS, "a", Message(b"1"), False)
        edge.broker.wake()
        await eventually(lambda: router.counters.retries == 1)
        router_bus(router).crash()
        successor = made(await opened(edge.broker))
        await successor.start()
        edge.broker.unblock()
        await eventually(lambda: edge.payloads == [b"1"])
        assert successor.counters.redelivered == 1
        await successor.stop()


async def test_a_blocked_broker_is_waited_for_and_then_everything_is_delivered_once_and_in_order():
    async with routed() as (router, edge):
        edge.broker.block()
        for number in range(10):
            edge.broker.core.publish(topology.EVENTS, "a", Message(str(number).encode()), False)
        edge.broker.wake()
        await eventually(lambda: router.counters.retries == 1)
        await asyncio.sleep(5 * outlet.RETRY_CAP)
        assert router.counters.retries == 1, "nothing is tried while the broker is known to refuse it"
        edge.broker.unblock()
        await eventually(lambda: len(edge.entries) == 10)
        assert edge.payloads == [str(number).encode() for number in range(10)]
        await idle(router, edge)
        assert router.counters.redelivered == 0


async def test_what_was_in_hand_when_the_connection_was_lost_is_let_go_and_comes_again():
    store = GatedStore()
    async with routed(store) as (router, edge):
        store.gate.clear()
        for number in range(5):
            await edge.emit("a", str(number).encode())
            await eventually(lambda number=number: router.counters.received == number + 1)
        router_bus(router).lose("the test cut it")
        await eventually(lambda: router.counters.redelivered == 5)
        store.gate.set()
        await eventually(lambda: len(edge.entries) >= 5)
        await idle(router, edge)
        assert edge.payloads == [b"0", b"1", b"2", b"3", b"4"]
        assert router.counters.dropped_stale == 5


async def test_a_turn_that_is_held_when_the_connection_is_lost_is_not_done_twice():
    async with routed() as (router, edge):
        edge.broker.block()
        edge.broker.core.publish(topology.EVENTS, "a", Message(b"1"), False)
        edge.broker.wake()
        await eventually(lambda: router.counters.retries == 1)
        router_bus(router).lose("the test cut it")
        edge.broker.unblock()
        await eventually(lambda: router.counters.redelivered == 1)
        await idle(router, edge)
        assert edge.payloads == [b"1"]


async def test_a_turn_that_went_to_another_router_while_the_connection_was_lost_is_not_done_here_too():
    async with routed() as (router, edge):
        edge.broker.block()
        body = pack(FrameBatch(VERSION, edge.name, [pack(ADA[0])], [publish("a", b"1")]))
        edge.broker.core.publish(topology.FRAMES, "3", Message(body), False)
        edge.broker.wake()
        await eventually(lambda: router.counters.retries == 1)
        keener = next(name for name in map(str, range(10_000)) if rank(name, 3) > rank(router.name, 3))
        other = made(await opened(edge.broker), name=keener)
        await other.start()
        router_bus(router).lose("the test cut it")
        await eventually(lambda: other.counters.redelivered == 1)
        edge.broker.unblock()
        await idle(other, edge)
        await idle(router, edge)
        assert edge.payloads == [b"1"]
        await other.stop()


async def test_a_delivery_that_is_refused_is_made_again_until_it_is_taken():
    async with routed() as (router, edge):
        full = Queue("full", QueueKind.CLASSIC, 1, 1000, Overflow.REJECT_PUBLISH)
        await edge.bus.declare(Topology(queues=(full,)))
        await edge.bus.bind("full", topology.DELIVER, [topology.ANY_SLOT])
        await edge.emit("a", b"1")
        await edge.emit("a", b"2")
        await eventually(lambda: router.counters.retries > 1)
        assert await waiting(edge.bus) == 0, "the refused one is in hand"
        taken = []
        intake = await edge.bus.consume(
            [Source("full")], lambda each: (taken.append(each), intake.ack(each)), prefetch=9
        )
        await eventually(lambda: len(taken) == 2)
        await idle(router, edge)


class FailingStore(Shelf):
    """A store that fails on one user."""

    def __init__(self, poison):
        super().__init__()
        self.poison = poison

    async def admit(self, commands, now, turn=None):
        if any(limit.key == ("user", self.poison) for command in commands for limit in command.limits):
            raise RuntimeError("surprise")
        return await super().admit(commands, now, turn)


async def test_a_command_that_the_store_fails_on_costs_its_neighbours_nothing():
    async with routed(FailingStore("eve")) as (router, edge):
        requests = [publish("a", b"1", id=1), publish("a", b"2", id=2, grant=1), publish("a", b"3", id=3)]
        await edge.ask(*requests, grants=(*ADA, grant("eve", expires=2**40)))
        await eventually(lambda: len(edge.replies) == 3)
        assert edge.payloads == [b"1", b"3"]
        assert router.counters.denied == {"internal": 1}
        assert router.counters.faults == 1


async def test_what_cannot_be_processed_goes_to_the_dead_and_its_neighbours_are_delivered():
    async with routed() as (router, edge):
        for body in (b"1", b'{"broken":', b"2"):
            await edge.emit("orders.1", body, message_id="m1")
        await edge.send(b"\xc1")
        await edge.send(msgspec.msgpack.encode([1, edge.name, [], [[99], [4, 1, 2]]]))
        await eventually(lambda: len(edge.entries) == 2 and len(edge.replies) == 1)
        dead = []
        intake = await edge.bus.consume(
            [Source(topology.DEAD)], lambda each: (dead.append(each), intake.ack(each)), prefetch=9
        )
        await eventually(lambda: len(dead) == 3)
        letters = {each.headers["x-penstock-reason"]: each for each in dead}
        assert set(letters) == {"bad_payload", "unreadable_batch", "unreadable_request"}
        letter = letters["bad_payload"]
        assert letter.body == b'{"broken":'
        assert letter.message_id == "m1"
        assert letter.headers["x-penstock-origin-exchange"] == topology.EVENTS
        assert letter.headers["x-penstock-origin-routing-key"] == "orders.1"
        assert letter.headers["x-penstock-router"] == router.name
        await idle(router, edge)
        assert router.counters.dead == {"bad_payload": 1, "unreadable_batch": 1, "unreadable_request": 1}


async def buried(edge):
    """Everything that is in ``penstock.dead``, or will be."""
    dead = []
    intake = await edge.bus.consume(
        [Source(topology.DEAD)], lambda each: (dead.append(each), intake.ack(each)), prefetch=9
    )
    return dead


async def fill(edge):
    """Leave no room in ``penstock.dead``."""
    quarter = bytes(topology.DEAD_BYTES // 4)
    for _ in range(4):
        await edge.bus.publish(topology.DEAD, "x", Message(quarter))


async def test_dead_letters_that_nobody_takes_stay_with_the_broker_and_stop_nobody():
    async with routed() as (router, edge):
        await fill(edge)
        for body in (b"1", b'{"broken":', b"2"):
            await edge.emit("orders.1", body)
        await edge.send(msgspec.msgpack.encode([1, edge.name, [], [[99], [4, 1, 2]]]))
        await eventually(lambda: edge.payloads == [b"1", b"2"] and len(edge.replies) == 1)
        await idle(router, edge)
        assert (router.counters.dead_rejected, router.counters.dead_lost) == (1, 1)
        dead = []
        intake = await edge.bus.consume(
            [Source(topology.DEAD)], lambda each: (dead.append(each.body), intake.ack(each)), prefetch=9
        )
        await eventually(lambda: b'{"broken":' in dead)


NOT_TEXT = "\ufffd" * 200
"""What 200 bytes become that are no UTF-8: 600 bytes, more than any property may have."""


async def emit_at_once(edge, store, *events, first="first"):
    """Let `events` come in one turn, whatever is in their properties."""
    store.gate.clear()
    await edge.emit(first)
    await eventually(lambda: store.asked == 1)
    for topic, message in events:
        edge.broker.core.publish(topology.EVENTS, topic, message, False)
    edge.broker.wake()


@pytest.mark.parametrize(
    "odd", [Message(b"2", content_type=NOT_TEXT), Message(b"{", message_id=NOT_TEXT)], ids=["type", "id"]
)
async def test_an_event_with_properties_that_no_letter_can_have_is_dead_and_its_neighbours_are_delivered_once(odd):
    store = GatedStore()
    async with routed(store) as (router, edge):
        dead = await buried(edge)
        await emit_at_once(edge, store, ("a", Message(b"1")), ("a", odd), ("a", Message(b"3")))
        store.gate.set()
        await eventually(lambda: len(edge.entries) == 3 and len(dead) == 1)
        await idle(router, edge)
        assert edge.payloads[1:] == [b"1", b"3"]
        assert dead[0].body == odd.body
        assert (router.counters.faults, router.counters.redelivered, router.counters.dead_rejected) == (0, 0, 0)


async def test_an_event_of_which_no_letter_can_be_made_is_left_to_the_broker_and_to_nobody_else(monkeypatch):
    monkeypatch.setattr(outlet.deadletters, "outgoing", None)
    store = GatedStore()
    async with routed(store) as (router, edge):
        dead = await buried(edge)
        await emit_at_once(edge, store, ("a", Message(b"1")), ("a", Message(b"{")), ("a", Message(b"3")))
        store.gate.set()
        await eventually(lambda: len(edge.entries) == 3 and len(dead) == 1)
        await idle(router, edge)
        assert edge.payloads[1:] == [b"1", b"3"]
        assert dead[0].body == b"{"
        assert (router.counters.dead_rejected, router.counters.redelivered) == (1, 0)


async def test_an_answer_that_no_bus_can_carry_is_lost_alone():
    async with routed() as (router, edge):
        odd = FrameBatch(VERSION, "g" * 300, [], [ProbeRequest(1, 1)])
        await edge.send(pack(odd))
        await edge.ask(ProbeRequest(1, 2))
        await edge.emit("a", b"1")
        await eventually(lambda: len(edge.replies) == 1 and edge.payloads == [b"1"])
        await idle(router, edge)
        assert (router.counters.unsendable, router.counters.redelivered) == (1, 0)


@pytest.mark.parametrize("ids", [True, False], ids=["with message ids", "without"])
async def test_a_message_that_the_router_fails_on_is_dead_and_its_neighbours_are_delivered_once_in_order(
    monkeypatch, ids
):
    conclude = Pipeline.conclude

    def fails(self, plan, admissions, logs):
        if any(publication.entry.payload == b"2" for publication in plan.publications):
            raise RuntimeError("surprise")
        return conclude(self, plan, admissions, logs)

    monkeypatch.setattr(Pipeline, "conclude", fails)
    store = GatedStore()
    async with routed(store) as (router, edge):
        dead = await buried(edge)
        events = [("a", Message(str(number).encode(), message_id=f"m{number}" if ids else None)) for number in range(5)]
        await emit_at_once(edge, store, *events)
        store.gate.set()
        await eventually(lambda: len(edge.entries) == 5 and len(dead) == 1)
        await idle(router, edge)
        assert edge.payloads[1:] == [b"0", b"1", b"3", b"4"]
        assert (dead[0].body, dead[0].headers["x-penstock-reason"]) == (b"2", "internal")
        assert (router.counters.faults, router.counters.redelivered) == (2, 0)
        assert router.counters.dead == {"internal": 1}
        assert store.heads["a"] == 5
        assert router.healthy


async def test_what_is_held_stays_in_hand_and_in_order_when_its_turn_fails(monkeypatch):
    conclude = Pipeline.conclude

    def fails(self, plan, admissions, logs):
        if len(plan.publications) > 1:
            raise RuntimeError("surprise")
        return conclude(self, plan, admissions, logs)

    monkeypatch.setattr(Pipeline, "conclude", fails)
    store = GatedStore()
    async with routed(store, topics=[{"match": "live", "history": 0}]) as (router, edge):
        topics = ("a", "live", "b", "live", "c")
        await emit_at_once(edge, store, *((topic, Message(b"1")) for topic in topics), first="live")
        store.away = True
        store.gate.set()
        await eventually(lambda: router.counters.held == 3 and len(edge.entries) == 3)
        store.away = False
        await eventually(lambda: [entry.topic for entry in edge.entries[3:]] == ["a", "b", "c"])
        await idle(router, edge)
        assert (router.counters.redelivered, router_bus(router).counters.stale_acks) == (0, 0)


async def test_tokens_wait_for_the_issuers_keys_while_others_go_on(issuer):
    issuer.hold.clear()
    async with routed(auth={"jwks_url": issuer.url}, max_parked=2) as (router, edge):
        text = fresh_token(secret=private("RS256"), algorithm="RS256", headers={"kid": "k"})
        await edge.ask(*(ConnectRequest(session, 1, text, "::1") for session in (1, 2, 3)))
        await edge.emit("a", b"1")
        await eventually(lambda: edge.payloads == [b"1"])
        await eventually(lambda: [reply.code for reply in edge.replies] == ["unavailable"])
        assert router.counters.parked == 2
        await idle(router, edge)
        issuer.hold.set()
        await eventually(lambda: [reply.session for reply in edge.replies[1:]] == [1, 2])
        assert {reply.user for reply in edge.replies[1:]} == {"ada"}
        assert (router.counters.parked, router.counters.parked_refused) == (0, 1)


async def test_tokens_whose_issuer_does_not_answer_are_told_to_come_again(issuer):
    issuer.hold.clear()
    async with routed(auth={"jwks_url": issuer.url, "jwks_timeout": 0.1}) as (_, edge):
        text = fresh_token(secret=private("RS256"), algorithm="RS256", headers={"kid": "k"})
        await edge.ask(ConnectRequest(1, 1, text, "::1"))
        await eventually(lambda: len(edge.replies) == 1)
        assert edge.replies[0].code == "unavailable"
        assert edge.replies[0].retry_after > 0


async def test_a_token_of_an_unknown_key_is_bad_once_the_issuer_was_asked(issuer):
    issuer.body = jwks(jwk("ES256", kid="other"))
    issuer.hold.clear()
    async with routed(auth={"jwks_url": issuer.url}) as (_, edge):
        text = fresh_token(secret=private("RS256"), algorithm="RS256", headers={"kid": "k"})
        await eventually(lambda: issuer.requests == 1)
        await edge.ask(ConnectRequest(1, 1, text, "::1"), ConnectRequest(2, 1, "a.b.c", "::1"))
        await eventually(lambda: len(edge.replies) == 1)
        issuer.hold.set()
        await eventually(lambda: len(edge.replies) == 2)
        assert [reply.close for reply in edge.replies] == [4101, 4101]


async def test_a_fault_in_answering_those_who_waited_for_keys_costs_them_and_nobody_else(issuer, monkeypatch):
    issuer.hold.clear()
    async with routed(auth={"jwks_url": issuer.url}) as (router, edge):
        text = fresh_token(secret=private("RS256"), algorithm="RS256", headers={"kid": "k"})
        await edge.ask(ConnectRequest(1, 1, text, "::1"))
        await eventually(lambda: router.counters.parked == 1)
        monkeypatch.setattr(Pipeline, "unpark", None)
        issuer.hold.set()
        await eventually(lambda: router.counters.faults == 1)
        await edge.emit("a", b"1")
        await eventually(lambda: edge.payloads == [b"1"])


async def test_a_stop_answers_who_still_waits_for_keys(issuer):
    issuer.hold.clear()
    async with routed(auth={"jwks_url": issuer.url}) as (router, edge):
        text = fresh_token(secret=private("RS256"), algorithm="RS256", headers={"kid": "k"})
        await edge.ask(ConnectRequest(1, 1, text, "::1"))
        await eventually(lambda: router.counters.parked == 1)
        await router.stop()
        await eventually(lambda: [reply.code for reply in edge.replies] == ["unavailable"])


async def test_a_stop_finishes_its_turn_and_gives_back_what_has_not_begun_so_that_all_is_done_once_and_in_order():
    store = GatedStore()
    async with routed(store) as (router, edge):
        store.gate.clear()
        for number in range(100):
            await edge.emit("a", str(number).encode())
            await edge.emit("b", str(number).encode())
        await eventually(lambda: router.counters.received == 200)
        begun = len(router._intake._in_turn)
        successor = made(await opened(edge.broker))
        await successor.start()
        stopping = asyncio.create_task(router.stop())
        await asyncio.sleep(0)
        for topic in ("a", "b"):
            await edge.emit(topic, b"100")
        store.gate.set()
        await stopping
        await router_bus(router).close()
        assert not router.healthy
        await eventually(lambda: len(edge.entries) >= 202)
        for topic in ("a", "b"):
            heard = [entry.payload for entry in edge.entries if entry.topic == topic]
            assert heard == [str(number).encode() for number in range(101)]
        assert 0 < begun < 200
        assert successor.counters.received == 202 - begun
        await successor.stop()


async def test_a_stop_that_cannot_finish_leaves_the_rest_to_another_router(monkeypatch):
    store = GatedStore()
    async with routed(store) as (router, edge):
        store.gate.clear()
        await edge.ask(publish("a", b"1"), grants=ADA)
        await eventually(lambda: store.asked == 1)
        await router._intake.stop(within=0.01)
        await router_bus(router).close()
        successor = made(await opened(edge.broker))
        await successor.start()
        await eventually(lambda: edge.payloads == [b"1"])
        assert successor.counters.redelivered == 1
        await successor.stop()


async def test_two_routers_share_the_partitions_and_keep_the_order_of_each_topic():
    async with routed() as (router, edge):
        other = made(await opened(edge.broker))
        await other.start()
        topics = [f"topic-{number}" for number in range(40)]
        for number in range(20):
            for topic in topics:
                await edge.emit(topic, str(number).encode())
        await eventually(lambda: len(edge.entries) == 800)
        for topic in topics:
            heard = [entry.payload for entry in edge.entries if entry.topic == topic]
            assert heard == [str(number).encode() for number in range(20)]
        assert router.counters.events > 0
        assert other.counters.events > 0
        await other.stop()


async def test_log_lines_tell_what_was_refused_without_tokens_and_payloads(caplog):
    caplog.set_level(logging.DEBUG)
    canary = "hunter2canary"
    async with routed() as (_, edge):
        bad = fresh_token(sub=canary, secret="another secret of more than thirty-two bytes")
        await edge.ask(ConnectRequest(1, 1, bad, "::1"), publish("a", canary.encode()), grants=ADA)
        await edge.emit("a", canary.encode())
        await eventually(lambda: len(edge.replies) == 2)
        await eventually(lambda: "penstock.dead" in caplog.text)
    events = {getattr(record, "event", None) for record in caplog.records}
    assert {"request.unauthenticated", "request.bad_request", "dead.bad_payload"} <= events
    everything = caplog.text + "".join(str(vars(record)) for record in caplog.records)
    assert canary not in everything
    assert bad not in everything


async def test_a_stop_waits_neither_for_a_bus_that_is_silent_nor_long_for_what_is_in_hand(monkeypatch):
    monkeypatch.setattr(intake_room, "STOP_PATIENCE", 0.01)
    store = GatedStore()
    async with routed(store) as (router, edge):
        store.gate.clear()
        await edge.ask(publish("a", b"1"), grants=ADA)
        await eventually(lambda: store.asked == 1)
        monkeypatch.setattr(router._intake._bus, "depth", lambda queue: asyncio.Event().wait())
        monkeypatch.setattr(router._intake._consumption, "leave", asyncio.Event().wait)
        async with asyncio.timeout(10):
            await router._intake.stop(within=3600)
        assert not router._intake.running
        store.gate.set()
