"""Keeps every topic whole: holes, what was lost while the broker was away, and crowds that come back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
import pytest

from gateway import healing as room
from gateway.catchup import Joining, Place
from gateway.codecs import DIALECTS
from gateway.counters import Counters
from gateway.effects import Ask
from gateway.fanout import Fanout, Holder
from gateway.healing import SESSION, Healer
from gateway.window import MAX_ENTRIES, Kept
from gateway.windows import OVERHEAD
from shared.envelopes import Encoding, Entry, Fetched, FetchRequest, Refused
from tests.support.eventually import eventually

JSON = DIALECTS[0]


class Receiver:
    """A connection that keeps what it is told."""

    dialect = JSON

    def __init__(self) -> None:
        self.chunks: list[bytes] = []

    def push(self, chunk: bytes) -> bool:
        self.chunks.append(chunk)
        return False

    def flush(self) -> None: ...

    @property
    def heard(self) -> list[Any]:
        """The offset of each message, and the cause of each gap."""
        frames = [msgspec.json.decode(chunk[chunk.index(b"{") :]) for chunk in self.chunks]
        return [frame.get("cause", frame["offset"]) for frame in frames]


class House:
    """A healer, its fan-out, and what it asks."""

    def __init__(self, **more: int) -> None:
        self.counters = Counters()
        self.fanout = Fanout(DIALECTS, self.counters, max_interval=0.0)
        self.asked: list[FetchRequest] = []
        self.healer = Healer(self.fanout, self._ask, self.counters, **more)

    def _ask(self, ask: Ask) -> None:
        assert isinstance(ask.request, FetchRequest)
        assert (ask.key, ask.request.session) == (ask.request.topic, SESSION)
        self.asked.append(ask.request)

    def listener(self, pattern: str = "a") -> Receiver:
        receiver = Receiver()
        self.fanout.live.add(pattern, receiver)
        return receiver

    def come(self, *offsets: int, topic: str = "a", epoch: str = "e") -> None:
        for offset in offsets:
            self.healer.take(entry(offset, topic, epoch))

    def answer(self, *offsets: int, head: int, first: int = 1, topic: str = "a", epoch: str = "e") -> None:
        entries = [entry(offset, topic, epoch) for offset in offsets]
        self.healer.answer(Fetched(SESSION, 1, topic, epoch, head, first, entries))

    def fetch(self, after: int, upto: int, topic: str = "a") -> list[tuple[list[int | None] | None, bool]]:
        """What somebody who asks for a range is told, once he is."""
        told: list[tuple[list[int | None] | None, bool]] = []

        def then(found: Sequence[Kept] | None, looked: bool) -> None:
            told.append((None if found is None else [kept.entry.offset for kept in found], looked))

        self.healer.fetch(topic, after, upto, then)
        return told


def entry(offset: int, topic: str = "a", epoch: str = "e") -> Entry:
    return Entry(topic, str(offset).encode(), Encoding.JSON, 0, epoch=epoch, offset=offset)


@pytest.fixture
async def house() -> House:
    return House()


async def test_what_has_no_offset_passes_as_it_comes(house: House) -> None:
    listener = house.listener()
    house.healer.take(Entry("a", b"1", Encoding.JSON, 0))
    assert len(listener.chunks) == 1
    assert len(house.healer.logs) == 0


async def test_duplicates_stay_out_and_order_is_kept(house: House) -> None:
    listener = house.listener()
    house.come(1, 1, 3, 2, 3)
    assert listener.heard == [1, 2, 3]


async def test_a_hole_that_stays_is_asked_for_and_healed(house: House) -> None:
    listener = house.listener()
    house.come(1, 4)
    await eventually(lambda: house.asked)
    assert (house.asked[0].topic, house.asked[0].after) == ("a", 1)
    house.answer(2, 3, 4, head=4)
    assert listener.heard == [1, 2, 3, 4]
    assert house.counters.healed == 3


async def test_a_hole_that_closes_by_itself_is_not_asked_for(house: House) -> None:
    listener = house.listener()
    house.come(1, 3, 2)
    house.come(5)
    await eventually(lambda: house.asked)
    assert [request.after for request in house.asked] == [3]
    assert listener.heard == [1, 2, 3]


async def test_what_no_log_has_any_more_is_announced_and_counted(house: House) -> None:
    listener = house.listener()
    house.come(1, 5)
    house.answer(5, head=5, first=5)
    assert listener.heard == [1, "trimmed", 5]
    assert house.counters.gaps == {"trimmed": 1}


async def test_a_topic_that_nobody_hears_is_not_followed(house: House) -> None:
    house.come(1)
    assert len(house.healer.logs) == 0
    listener = house.listener()
    house.come(5)
    house.fanout.live.remove("a", listener)
    house.come(6)
    assert len(house.healer.logs) == 0


async def test_where_all_is_in_doubt_routers_are_asked_about_every_log(house: House) -> None:
    house.listener("#")
    house.come(3, topic="a")
    house.come(7, topic="b")
    house.healer.doubt_all()
    await eventually(lambda: len(house.asked) == 2)
    assert {(request.topic, request.after) for request in house.asked} == {("a", 3), ("b", 7)}


async def test_a_log_that_is_quiet_is_looked_at_now_and_then(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "LOOK", 0.01)
    listener = house.listener()
    house.come(1)
    house.healer.start()
    await eventually(lambda: house.asked)
    house.answer(2, head=2)
    assert listener.heard == [1, 2], "lost, and nothing came after it"
    house.fanout.live.remove("a", listener)
    await eventually(lambda: len(house.healer.logs) == 0)
    house.healer.stop()


class Crowded:
    """A house with room for one place besides those of topics that are subscribed to by name."""

    def __init__(self, house: House, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("gateway.logs.MAX_LOGS", 1)
        monkeypatch.setattr("gateway.logs.SPARE", 0)
        monkeypatch.setattr("gateway.discovering.monotonic", lambda: self.now)
        monkeypatch.setattr("gateway.healing.monotonic", lambda: self.now)
        monkeypatch.setattr("gateway.discovering.wall", lambda: self.now)
        self.now = 1_000.0
        self.house = house
        self.listener = Receiver()
        self.subscribe("#", self.listener)

    def subscribe(self, pattern: str, receiver: Receiver) -> None:
        self.house.fanout.live.add(pattern, receiver)
        self.house.healer.discoverer.listening.add(pattern, self.now)

    def come(self, offset: int, topic: str = "a", epoch: str = "e", late: float = 0.0) -> None:
        """A message that was taken so many seconds ago comes, a second after the one before."""
        self.now += 1.0
        taken = int((self.now - late) * 1000)
        self.house.healer.take(Entry(topic, b"1", Encoding.JSON, taken, epoch=epoch, offset=offset, taken=taken))


async def test_the_place_of_a_topic_that_is_subscribed_to_by_name_is_kept_however_many_there_are(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    crowded = Crowded(house, monkeypatch)
    named = house.listener("named")
    house.healer.join("named", Joining(), Place("e", 0))
    crowded.come(1, topic="named")
    for number in range(5):
        crowded.come(1, topic=f"t{number}")
    crowded.come(3, topic="named")
    assert named.heard == [1], "2 is missing, and waited for"
    house.answer(2, 3, head=3, topic="named")
    assert named.heard == [1, 2, 3]
    house.healer.stop()


async def test_who_hears_a_topic_whose_place_was_forgotten_is_told_of_a_gap_before_what_comes_next(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    crowded = Crowded(house, monkeypatch)
    crowded.come(1)
    crowded.come(1, topic="b")
    assert house.healer.logs.of("a") is None
    assert house.counters.places_forgotten == 1
    crowded.come(3)
    assert crowded.listener.heard == [1, 1, "trimmed", 3], "2 was lost, and nobody knows"
    crowded.come(4)
    assert crowded.listener.heard[-1] == 4
    house.healer.stop()


async def test_nothing_is_delivered_twice_of_a_topic_whose_place_was_forgotten(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    crowded = Crowded(house, monkeypatch)
    for offset in (1, 2, 3):
        crowded.come(offset)
    crowded.come(1, topic="b")
    assert house.healer.logs.of("a") is None
    heard = [1, 2, 3, 1]
    crowded.come(1, late=8.0)
    assert crowded.listener.heard == heard, "it may be an old one, and a router is asked where the log stands"
    crowded.now += 1.0
    await eventually(lambda: [request.topic for request in house.asked] == ["a"])
    house.answer(1, 2, 3, head=3)
    assert crowded.listener.heard == [*heard, "trimmed"]
    crowded.come(4)
    assert crowded.listener.heard == [*heard, "trimmed", 4]
    house.healer.stop()


async def test_who_subscribes_to_a_topic_whose_place_was_forgotten_has_the_others_told_of_a_gap(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    crowded = Crowded(house, monkeypatch)
    crowded.come(1)
    crowded.come(1, topic="b")
    joining = Joining()
    house.fanout.joining.add("a", Holder(Receiver(), joining))
    house.healer.join("a", joining, Place("e", 5))
    assert crowded.listener.heard == [1, 1, "trimmed"]
    assert joining.entries == [], "who is new to it misses nothing"
    house.healer.stop()


async def test_one_read_serves_a_whole_crowd(house: House) -> None:
    house.listener()
    house.come(8)
    first, second = house.fetch(4, 8), house.fetch(6, 8)
    assert len(house.asked) == 1
    assert (house.asked[0].after, house.asked[0].limit) == (4, MAX_ENTRIES)
    house.come(9)
    house.answer(5, 6, 7, 8, head=8)
    assert (first, second) == ([([5, 6, 7, 8], True)], [([7, 8], True)])
    late = house.fetch(5, 9)
    assert late == [([6, 7, 8, 9], True)], "what came meanwhile is there, too, and nobody is asked"
    assert len(house.asked) == 1


async def test_somebody_who_was_away_longer_has_it_read_anew(house: House) -> None:
    house.listener()
    house.come(8)
    first, longer = house.fetch(6, 8), house.fetch(2, 8)
    assert [request.after for request in house.asked] == [6, 2]
    house.answer(7, 8, head=8)
    assert first == longer == []
    house.answer(3, 4, 5, 6, 7, 8, head=8)
    assert (first, longer) == ([([7, 8], True)], [([3, 4, 5, 6, 7, 8], True)])


async def test_a_past_that_comes_in_parts_is_put_together(house: House) -> None:
    house.listener()
    house.come(8)
    told = house.fetch(2, 8)
    house.answer(3, 4, 5, head=8)
    assert [request.after for request in house.asked] == [2, 5]
    house.answer(6, 7, 8, head=8)
    assert told == [([3, 4, 5, 6, 7, 8], True)]


async def test_a_past_that_was_trimmed_is_given_as_far_as_it_is_there(house: House) -> None:
    house.listener()
    house.come(8)
    part, nothing = house.fetch(2, 8), house.fetch(3, 4)
    house.answer(6, 7, 8, head=8, first=6)
    assert part == [([6, 7, 8], True)]
    assert nothing == [([], True)]


async def test_what_is_read_beyond_the_present_is_delivered(house: House) -> None:
    listener = house.listener()
    house.come(8)
    told = house.fetch(6, 8)
    house.answer(7, 8, 9, head=9)
    assert listener.heard == [8, 9]
    assert told == [([7, 8], True)]
    house.come(9)
    assert listener.heard == [8, 9]


async def test_a_past_in_another_epoch_is_lost(house: House) -> None:
    listener = house.listener()
    house.come(8)
    told = house.fetch(6, 8)
    house.answer(1, head=1, epoch="f")
    assert told == [(None, True)]
    assert listener.heard == [8, "epoch_changed", 1]


async def test_a_past_that_nobody_can_read_is_given_up_in_time(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "LOOK", 0.01)
    monkeypatch.setattr(room, "RANGE_TIMEOUT", 0.05)
    house.listener()
    house.come(8)
    told = house.fetch(6, 8)
    house.healer.answer(Refused(SESSION, 1, "unavailable", "away"))
    house.healer.start()
    await eventually(lambda: told == [(None, False)])
    house.healer.stop()


async def test_a_window_goes_when_it_has_not_been_needed_for_a_while(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(room, "LOOK", 0.01)
    monkeypatch.setattr("gateway.windows.KEPT", 0.05)
    house.listener()
    house.come(8)
    house.fetch(6, 8)
    house.answer(7, 8, head=8)
    log = house.healer.logs.of("a")
    assert log is not None
    assert log.window is not None
    house.healer.start()
    await eventually(lambda: log.window is None)
    house.healer.stop()


async def test_a_window_that_made_room_for_another_is_read_again() -> None:
    house = House(window_bytes=3 * (1 + OVERHEAD))
    house.listener("#")
    for topic in ("a", "b"):
        house.come(8, topic=topic)
        house.fetch(6, 8, topic)
        house.answer(7, 8, head=8, topic=topic)
    assert (house.counters.window_bytes, house.counters.windows_given_up) == (2 * (1 + OVERHEAD), 1)
    asked = len(house.asked)
    told = house.fetch(6, 8)
    assert [request.topic for request in house.asked[asked:]] == ["a"]
    house.answer(7, 8, head=8)
    assert told == [([7, 8], True)]


async def test_what_is_kept_for_a_past_that_cannot_be_read_is_kept_no_more(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    house.listener()
    house.come(8)
    house.fetch(6, 8)
    house.answer(1, head=1, epoch="f")
    house.come(2, epoch="f")
    told = house.fetch(1, 2)
    monkeypatch.setattr(room, "LOOK", 0.01)
    monkeypatch.setattr(room, "RANGE_TIMEOUT", 0.0)
    house.healer.start()
    log = house.healer.logs.of("a")
    assert log is not None
    await eventually(lambda: log.window is None, within=10.0)
    assert told == [(None, False)]
    house.healer.stop()


async def test_a_subscription_begins_where_what_it_holds_begins(house: House) -> None:
    joining = Joining()
    house.fanout.joining.add("a", Holder(Receiver(), joining))
    house.come(6)
    assert house.healer.join("a", joining, Place("e", 6)) == Place("e", 5)


async def test_a_subscription_to_a_log_that_began_anew_is_told_nothing_of_the_one_before(house: House) -> None:
    joining = Joining()
    house.fanout.joining.add("a", Holder(Receiver(), joining))
    house.come(6)
    house.come(1, epoch="f")
    assert house.healer.join("a", joining, Place("f", 0)) == Place("f", 0)
    assert [(step.epoch, step.offset) for step in joining.entries] == [("f", 1)]


async def test_a_subscription_to_what_nobody_follows_begins_at_the_head(house: House) -> None:
    joining = Joining()
    assert house.healer.place_of("a") is None
    assert house.healer.join("a", joining, Place("e", 6)) == Place("e", 6)
    house.fanout.joining.add("a", Holder(Receiver(), joining))
    house.come(7)
    assert [step.offset for step in joining.entries] == [7]


async def test_a_subscription_to_what_others_hear_begins_where_they_are(house: House) -> None:
    listener = house.listener()
    house.come(4)
    joining = Joining()
    joining.base = house.healer.place_of("a")
    assert house.healer.join("a", joining, Place("e", 6)) == Place("e", 4)
    await eventually(lambda: house.asked)
    assert house.asked[0].after == 4, "5 and 6 are there, and may be lost"
    house.answer(5, 6, head=6)
    assert listener.heard == [4, 5, 6]


async def test_who_had_more_elsewhere_is_waited_for_until_that_has_come_here_too(house: House) -> None:
    house.listener()
    house.come(1)
    went_live: list[str] = []
    house.healer.reach({"a": Place("e", 1), "never heard of": Place("e", 9)}, lambda: went_live.append("level"))
    assert went_live == ["level"]
    house.healer.join("a", Joining(), Place("e", 3))
    house.healer.reach({"a": Place("e", 3)}, lambda: went_live.append("ahead"))
    house.come(2)
    assert went_live == ["level"]
    house.come(3)
    assert went_live == ["level", "ahead"]


async def test_who_claims_more_than_there_is_is_waited_for_as_far_as_there_is_something(house: House) -> None:
    house.listener()
    house.come(1)
    went_live: list[str] = []
    house.healer.join("a", Joining(), Place("e", 2))
    house.healer.reach({"a": Place("e", 1_000)}, lambda: went_live.append("liar"))
    assert went_live == []
    house.come(2)
    assert went_live == ["liar"]


async def test_who_waits_for_a_log_that_begins_anew_waits_no_longer(house: House) -> None:
    house.listener()
    house.come(1)
    went_live: list[str] = []
    house.healer.join("a", Joining(), Place("e", 2))
    house.healer.reach({"a": Place("e", 2)}, lambda: went_live.append("now"))
    house.come(1, epoch="f")
    assert went_live == ["now"]


async def test_what_is_known_of_a_topic_that_nobody_heard_for_a_while_is_forgotten(house: House) -> None:
    listener = house.listener()
    house.come(4)
    house.fanout.live.remove("a", listener)
    assert house.healer.place_of("a") is None
    assert len(house.healer.logs) == 0
