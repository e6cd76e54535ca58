"""From one message to all who hear it."""

import asyncio
from typing import Any

import msgspec
import pytest

from gateway import fanout as room
from gateway.backlog import Sheddable
from gateway.catchup import Joining
from gateway.codecs import DIALECTS, Dialect
from gateway.counters import Counters
from gateway.fanout import Fanout, Holder
from shared.envelopes import Encoding, Entry, Slow
from tests.support.eventually import eventually

JSON, MSGPACK = DIALECTS


class Receiver:
    """A connection that keeps what is pushed and what is flushed."""

    def __init__(self, dialect: Dialect = JSON) -> None:
        self.dialect = dialect
        self.waiting: list[bytes] = []
        self.writes: list[list[bytes]] = []

    def push(self, chunk: bytes) -> bool:
        self.waiting.append(chunk)
        return len(self.waiting) == 1

    def flush(self) -> None:
        self.writes.append(self.waiting)
        self.waiting = []

    @property
    def heard(self) -> list[Any]:
        """The data of every message, written or not."""
        chunks = [*(chunk for write in self.writes for chunk in write), *self.waiting]
        return [msgspec.json.decode(chunk[chunk.index(b"{") :])["data"] for chunk in chunks]


class CountingDialect:
    """A dialect that counts what it encodes."""

    def __init__(self, dialect: Dialect) -> None:
        self.index = dialect.index
        self.message_of = dialect.message
        self.encoded = 0

    def message(self, entry: Entry) -> bytes:
        self.encoded += 1
        return self.message_of(entry)


def made(max_interval: float = 0.0) -> tuple[Fanout, Counters]:
    counters = Counters()
    return Fanout(DIALECTS, counters, max_interval=max_interval), counters


def entry(data: int, topic: str = "a.b", slow: Slow = Slow.DISCONNECT) -> Entry:
    return Entry(topic, str(data).encode(), Encoding.JSON, 0, slow)


async def turn() -> None:
    for _ in range(3):
        await asyncio.sleep(0)


async def test_a_message_reaches_all_who_are_subscribed_to_its_topic_once_and_nobody_else() -> None:
    fanout, counters = made()
    exact, wild, both, other = (Receiver() for _ in range(4))
    fanout.live.add("a.b", exact)
    fanout.live.add("a.*", wild)
    for pattern in ("a.b", "#", "a.#"):
        fanout.live.add(pattern, both)
    fanout.live.add("a", other)
    fanout.deliver(entry(1))
    assert [one.heard for one in (exact, wild, both, other)] == [[1], [1], [1], []]
    assert (counters.messages, counters.deliveries, counters.messages_unheard) == (1, 3, 0)


async def test_a_message_that_nobody_hears_is_counted_and_wakes_nobody() -> None:
    fanout, counters = made()
    fanout.deliver(entry(1))
    await turn()
    assert (counters.messages, counters.messages_unheard, counters.flushes) == (0, 1, 0)


async def test_a_message_is_encoded_once_for_each_dialect_and_shared() -> None:
    fanout, _ = made()
    json, msgpack = CountingDialect(JSON), CountingDialect(MSGPACK)
    receivers = [Receiver(dialect) for dialect in (json, msgpack, json, json)]  # type: ignore[arg-type]
    for receiver in receivers:
        fanout.live.add("a.b", receiver)
    fanout.deliver(entry(1))
    assert (json.encoded, msgpack.encoded) == (1, 1)
    assert receivers[0].waiting[0] is receivers[2].waiting[0] is receivers[3].waiting[0]
    assert receivers[0].waiting[0] != receivers[1].waiting[0]


async def test_a_dialect_that_nobody_speaks_is_not_encoded() -> None:
    fanout, _ = made()
    msgpack = CountingDialect(MSGPACK)
    fanout._dialects = (JSON, msgpack)  # type: ignore[assignment]
    fanout.live.add("a.b", Receiver())
    fanout.deliver(entry(1))
    assert msgpack.encoded == 0


@pytest.mark.parametrize(("slow", "sheddable"), [(Slow.DISCONNECT, False), (Slow.DROP, True), (Slow.LATEST, True)])
async def test_only_messages_that_may_be_left_out_carry_what_that_takes(slow: Slow, sheddable: bool) -> None:
    fanout, _ = made()
    receiver = Receiver()
    fanout.live.add("a.b", receiver)
    fanout.deliver(entry(1, slow=slow))
    (chunk,) = receiver.waiting
    assert isinstance(chunk, Sheddable) is sheddable
    if isinstance(chunk, Sheddable):
        assert (chunk.topic, chunk.slow) == ("a.b", slow)


async def test_what_comes_in_one_turn_of_the_loop_is_written_once() -> None:
    fanout, counters = made()
    receiver = Receiver()
    fanout.live.add("#", receiver)
    for data in range(5):
        fanout.deliver(entry(data))
    fanout.send(receiver, b'x{"data":5}')
    assert receiver.writes == []
    await turn()
    assert [len(write) for write in receiver.writes] == [6]
    assert receiver.heard == [0, 1, 2, 3, 4, 5]
    assert counters.flushes == 1


async def test_when_idle_nothing_waits_and_under_load_a_flush_waits_for_company(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock = [100.0]
    monkeypatch.setattr(room, "monotonic", lambda: clock[0])
    fanout, _ = made(max_interval=0.02)
    receiver = Receiver()
    fanout.live.add("#", receiver)
    write = receiver.flush

    def slow_flush() -> None:
        clock[0] += 1.0
        write()

    receiver.flush = slow_flush  # type: ignore[method-assign]
    fanout.deliver(entry(1))
    await turn()
    assert len(receiver.writes) == 1, "at once"
    fanout.deliver(entry(2))
    await turn()
    assert len(receiver.writes) == 1, "the last flush took long: this one rests"
    fanout.deliver(entry(3))
    await eventually(lambda: len(receiver.writes) == 2)
    assert receiver.heard == [1, 2, 3]
    clock[0] += 1.0
    fanout.deliver(entry(4))
    await turn()
    assert len(receiver.writes) == 3, "it has been quiet long enough"


async def test_a_crowd_is_written_to_in_several_turns_and_each_of_it_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "WRITES_PER_TURN", 10)
    fanout, counters = made()
    receivers = [Receiver() for _ in range(25)]
    for receiver in receivers:
        fanout.live.add("#", receiver)
    fanout.deliver(entry(1))
    await asyncio.sleep(0)
    assert sum(len(receiver.writes) for receiver in receivers) == 10
    fanout.deliver(entry(2))
    await eventually(lambda: all(receiver.heard == [1, 2] and not receiver.waiting for receiver in receivers))
    assert all(sum(map(len, receiver.writes)) == 2 for receiver in receivers)
    assert counters.flushes >= 3


async def test_what_comes_for_a_subscription_that_is_joining_is_held() -> None:
    fanout, counters = made()
    receiver, joining = Receiver(), Joining()
    fanout.joining.add("a.*", Holder(receiver, joining))
    one, other = entry(1), entry(2, "b")
    fanout.deliver(one)
    fanout.deliver(other)
    assert (receiver.heard, joining.entries) == ([], [one])
    assert counters.deliveries == 0


async def test_held_messages_are_delivered_to_the_one_they_were_held_for() -> None:
    fanout, counters = made()
    receiver, other = Receiver(), Receiver()
    fanout.live.add("a.b", other)
    for offset in (1, 2):
        fanout.deliver_held(receiver, entry(offset))
    await turn()
    assert (receiver.heard, other.heard) == ([1, 2], [])
    assert receiver.writes
    assert counters.deliveries == 2


async def test_who_hears_a_topic_already_does_not_have_it_held_as_well() -> None:
    fanout, _ = made()
    receiver, joining = Receiver(), Joining()
    fanout.live.add("a.b", receiver)
    fanout.joining.add("#", Holder(receiver, joining))
    fanout.deliver(entry(1))
    fanout.deliver(entry(2, "b"))
    assert receiver.heard == [1]
    assert [one.topic for one in joining.entries] == ["b"]


async def test_what_was_held_of_a_topic_comes_before_what_another_subscription_hears_live() -> None:
    fanout, _ = made()
    receiver, joining = Receiver(), Joining()
    fanout.joining.add("#", Holder(receiver, joining))
    fanout.deliver(entry(1))
    fanout.deliver(entry(2, "b"))
    fanout.live.add("a.b", receiver)
    fanout.deliver(entry(3))
    assert receiver.heard == [1, 3]
    assert [one.topic for one in joining.entries] == ["b"]


async def test_a_subscription_of_somebody_else_that_is_joining_holds_its_own() -> None:
    fanout, _ = made()
    live, other, joining = Receiver(), Receiver(), Joining()
    fanout.live.add("a.b", live)
    fanout.joining.add("a.b", Holder(other, joining))
    fanout.deliver(entry(1))
    assert (live.heard, other.heard, len(joining.entries)) == ([1], [], 1)
