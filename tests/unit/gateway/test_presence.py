"""A gateway's lease, its reports, and who is told of joining and leaving."""

from __future__ import annotations

import json
from typing import Any

import msgpack
import pytest
from msgspec import Raw

from gateway import members
from gateway.codecs import DIALECTS
from gateway.counters import Counters
from gateway.effects import Ask
from gateway.presence import ROUNDS, Presence
from gateway.reports import SESSION
from shared import frames
from shared.attending import Attended, AttendRequest, Change, Member, Notice, PresenceRead, Renewed, RenewRequest
from shared.envelopes import Refused
from shared.topics import PARTITIONS, partition
from tests.support.eventually import eventually

INFO = msgpack.packb({"name": "Ann"})


class Watcher:
    """A connection, as far as presence knows it."""

    def __init__(self, number: int, user: str = "ann", dialect: Any = DIALECTS[0]) -> None:
        self.dialect = dialect
        self.session = self
        self.number, self.name, self.user, self.address = number, f"g.{number}", user, "::1"
        self.got: list[bytes] = []


class Edge:
    """Presence, and what it asks and sends."""

    def __init__(self) -> None:
        self.asks: list[Ask] = []
        self.counters = Counters()
        self.presence: Any = Presence("g", self, self.asks.append, self.counters)  # type: ignore[arg-type]

    def send(self, watcher: Any, chunk: bytes) -> None:
        watcher.got.append(chunk)

    def of(self, kind: type[Any]) -> list[Any]:
        return [ask.request for ask in self.asks if isinstance(ask.request, kind)]

    async def reports(self, count: int) -> list[AttendRequest]:
        await eventually(lambda: self._are(count))
        return self.of(AttendRequest)

    async def _are(self, count: int) -> bool:
        assert len(self.of(AttendRequest)) <= count
        return len(self.of(AttendRequest)) == count

    def take_in(self) -> None:
        """Have every report taken in."""
        for request in self.of(AttendRequest):
            self.presence.answer(Attended(SESSION, request.id))
        self.asks.clear()


@pytest.fixture
async def edge() -> Edge:
    return Edge()


def notice(change: Change = Change.JOINED, topic: str = "a") -> Notice:
    return Notice(topic, change, Member("bob", "h.1", Raw(INFO)))


async def test_a_session_is_reported_with_what_the_router_gave_of_it(edge: Edge) -> None:
    edge.presence.appear(Watcher(1), "a", INFO, watches=False)
    edge.presence.connect(Watcher(2))
    here, own = await edge.reports(2)
    assert (here.topic, here.came) == ("a", [Member("ann", "g.1", Raw(INFO))])
    assert (own.topic, own.came[0].session) == ("/g", "g.2")
    address, since = msgpack.unpackb(bytes(own.came[0].info))
    assert (address, since > 1_700_000_000_000) == ("::1", True)
    assert [ask.key for ask in edge.asks] == ["a", "/g"], "all of a topic goes by its partition"


async def test_reports_of_one_turn_travel_together(edge: Edge) -> None:
    for number in range(50):
        edge.presence.appear(Watcher(number), "a", INFO, watches=False)
    [report] = await edge.reports(1)
    assert len(report.came) == 50


async def test_who_was_never_there_does_not_leave(edge: Edge) -> None:
    edge.presence.leave(Watcher(1), "a")
    edge.presence.disconnect(Watcher(1))
    assert not edge.presence._armed


async def test_a_lease_is_renewed_by_way_of_every_partition_in_turn(edge: Edge) -> None:
    for _ in range(PARTITIONS):
        edge.presence._tick()
    renewals = [(ask.key, ask.request.partition) for ask in edge.asks if isinstance(ask.request, RenewRequest)]
    assert [number for _, number in renewals] == list(range(PARTITIONS))
    assert all(partition(key) == number for key, number in renewals)
    edge.presence.answer(Renewed(SESSION, -1, "lease", 32.0))
    assert edge.presence._pause == 32.0 / ROUNDS / PARTITIONS
    edge.presence._timer.cancel()


async def test_everyone_is_reported_when_the_lease_is_another_one_and_only_then(edge: Edge) -> None:
    for number in range(100):
        edge.presence.appear(Watcher(number), f"t.{number % 10}", INFO, watches=False)
    await edge.reports(10)
    edge.take_in()
    edge.presence.answer(Renewed(SESSION, -1, "first", 20.0))
    assert sum(len(report.came) for report in await edge.reports(10)) == 100
    edge.take_in()
    edge.presence.answer(Renewed(SESSION, -1, "first", 20.0))
    assert edge.presence._reports.is_done
    assert edge.counters.leases_lost == 0
    edge.presence.answer(Renewed(SESSION, -1, "second", 20.0))
    assert sum(len(report.came) for report in await edge.reports(10)) == 100
    assert edge.counters.leases_lost == 1


async def test_where_there_is_more_to_look_at_in_a_partition_it_is_asked_again_at_once(edge: Edge) -> None:
    edge.presence._tick()
    edge.presence._timer.cancel()
    [first] = edge.of(RenewRequest)
    edge.presence.answer(Renewed(SESSION, first.id, "lease", 20.0, more=True))
    assert [request.partition for request in edge.of(RenewRequest)] == [first.partition] * 2
    edge.presence.answer(Renewed(SESSION, first.id, "lease", 20.0, more=True))
    assert len(edge.of(RenewRequest)) == 2, "an answer counts once"


@pytest.mark.parametrize(("code", "again"), [("unavailable", True), ("overloaded", True), ("not_found", False)])
async def test_a_report_that_is_refused_for_a_while_waits_and_one_that_is_refused_is_forgotten(
    edge: Edge, code: str, again: bool
) -> None:
    edge.presence.appear(Watcher(1), "a", INFO, watches=False)
    [report] = await edge.reports(1)
    edge.presence.answer(Refused(SESSION, report.id, code, "no"))
    assert edge.presence._reports.is_done is not again
    assert edge.counters.presence_refused == 1


async def test_who_watches_is_told_in_the_dialect_of_each_until_they_leave(edge: Edge) -> None:
    watchers = [Watcher(1), Watcher(2), Watcher(3, dialect=DIALECTS[1])]
    for watcher in watchers:
        edge.presence.appear(watcher, "a", INFO, watches=True)
    deaf = Watcher(4)
    edge.presence.appear(deaf, "a", INFO, watches=False)
    edge.presence.notice(notice())
    frame = frames.Joined("a", frames.Member("bob", "h.1", {"name": "Ann"}))
    assert watchers[0].got == [DIALECTS[0].encode(frame)]
    assert watchers[0].got[0] is watchers[1].got[0], "encoded once"
    assert watchers[2].got == [DIALECTS[1].encode(frame)]
    edge.presence.leave(watchers[0], "a")
    edge.presence.notice(notice(Change.LEFT))
    edge.presence.notice(notice(topic="b"))
    assert [len(each.got) for each in (*watchers, deaf)] == [1, 2, 2, 0]
    assert edge.counters.presence_pushed == 5
    for watcher in watchers[1:]:
        edge.presence.leave(watcher, "a")
    assert edge.presence._watchers == {}


@pytest.mark.parametrize(
    ("packed", "info"), [(INFO, {"name": "Ann"}), (b"\xc0", None), (b"\x80", None), (b"\xc1", None), (b"\x07", 7)]
)
def test_a_member_is_told_with_its_info_where_there_is_any(packed: bytes, info: Any) -> None:
    read = PresenceRead(1, 2, "a", [Member("bob", "h.1", Raw(packed))], 9)
    told = DIALECTS[0].encode(members.result(5, read))
    member = {"user": "bob", "session": "h.1", **({} if info is None else {"info": info})}
    assert frames_of(told) == {"type": "result", "id": 5, "topic": "a", "members": [member], "count": 9}


def frames_of(chunk: bytes) -> Any:
    return json.loads(chunk[chunk.index(b"{") :])
