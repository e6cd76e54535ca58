"""Who comes back to a topic whose place here was not known."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest

from gateway.catchup import Joining, Place
from gateway.codecs import DIALECTS
from gateway.counters import Counters
from gateway.effects import Ask, CatchUp, CatchUpAll, Effect, Replay, Send
from gateway.fanout import Fanout, Holder
from gateway.healing import SESSION, Healer
from gateway.reading import AT_ONCE
from gateway.resuming import Resuming
from shared.envelopes import Encoding, Entry, Fetched, FetchRequest, Head
from shared.frames import Gap, Position, Since


class Session:
    has_ended = False

    def __init__(self, joining: Joining) -> None:
        self.topics: dict[str, Joining | None] = {"a": joining}


class Connection:
    dialect = DIALECTS[0]

    def __init__(self, joining: Joining) -> None:
        self.session = Session(joining)

    def push(self, chunk: bytes) -> bool:
        return False

    def flush(self) -> None: ...


def entry(offset: int) -> Entry:
    return Entry("a", b"", Encoding.JSON, 0, epoch="e", offset=offset, taken=offset)


@pytest.mark.parametrize(("head", "place"), [(4, 3), (2, 3)])
async def test_who_has_more_than_came_here_is_told_nothing_twice(head: int, place: int) -> None:
    """It comes from a gateway that was faster: it has 3, and here the first two are known, while a router knows 4."""
    done: list[Effect] = []

    def perform(_: Any, effects: Iterable[Effect]) -> None:
        done.extend(effects)

    counters = Counters()
    fanout = Fanout(DIALECTS, counters, max_interval=0.0)
    healer = Healer(fanout, lambda ask: None, counters)
    joining = Joining()
    comes, stays = Connection(joining), Connection(Joining())
    healer.discoverer.listening.add("#", 0.0)
    fanout.live.add("#", stays)  # type: ignore[arg-type]
    fanout.joining.add("a", Holder(comes, joining))  # type: ignore[arg-type]
    healer.take(entry(2))
    healer.discoverer.discovery.due(float("inf"), 1)
    resuming = Resuming(healer, perform, counters)
    resuming.catch_up(comes, CatchUp(1, "a", joining, Place("e", head), Since("e", 3), 0))  # type: ignore[arg-type]
    assert done == [], "where the topic began is not known yet"
    healer.answer(Fetched(SESSION, 1, "a", "e", 2, 1, [entry(1), entry(2)]))
    assert joining.base == Place("e", 2)
    assert joining.known == {"a": Place("e", place)}, "it goes live when deliveries have come as far"
    subscribed, replay = [effect for effect in done if isinstance(effect, Send | Replay)]
    assert isinstance(subscribed, Send)
    assert (subscribed.frame.offset, subscribed.frame.recovered) == (3, True)  # type: ignore[union-attr]
    assert isinstance(replay, Replay)
    assert list(replay.past) == []
    healer.stop()


async def test_the_past_of_a_pattern_is_asked_for_some_topics_at_a_time() -> None:
    done: list[Effect] = []
    asked: list[str] = []

    def ask(ask: Ask) -> None:
        assert isinstance(ask.request, FetchRequest)
        asked.append(ask.request.topic)

    counters = Counters()
    healer = Healer(Fanout(DIALECTS, counters, max_interval=0.0), ask, counters)
    joining = Joining()
    comes = Connection(joining)
    comes.session.topics = {"#": joining}
    heads = tuple(Head(f"t{number}", "e", 1) for number in range(AT_ONCE + 5))
    resuming = Resuming(healer, lambda _, effects: done.extend(effects), counters)
    resuming.catch_up_all(comes, CatchUpAll(1, "#", joining, heads, Since(at=0), 9))  # type: ignore[arg-type]
    assert len(asked) == AT_ONCE
    healer.logs.begin("t34", "f", 0, 0.0)
    for topic in asked:
        assert done == []
        healer.answer(Fetched(SESSION, 1, topic, "e", 1, 1, [Entry(topic, b"", Encoding.JSON, 0, epoch="e", offset=1)]))
    assert len(asked) == len(heads) - 1, "the log of one is another now"
    assert [effect.frame.topic for effect in done if isinstance(effect, Send) and isinstance(effect.frame, Gap)] == [
        "t34"
    ]
    [replay] = [effect for effect in done if isinstance(effect, Replay)]
    assert len(replay.past) == len(heads) - 1
    healer.stop()


@pytest.mark.parametrize(("head", "told"), [(2, 9), (4, None)])
async def test_a_time_to_come_back_with_is_told_where_deliveries_have_come_as_far_as_the_logs(
    head: int, told: int | None
) -> None:
    """Here 2 is known; what a router knows beyond that is late, and may be later than anybody reckons with."""
    done: list[Effect] = []

    def perform(_: Any, effects: Iterable[Effect]) -> None:
        done.extend(effects)

    counters = Counters()
    fanout = Fanout(DIALECTS, counters, max_interval=0.0)
    healer = Healer(fanout, lambda ask: None, counters)
    joining = Joining()
    joining.at = 9
    comes, stays = Connection(joining), Connection(Joining())
    comes.session.topics = {"#": joining}
    fanout.live.add("a", stays)  # type: ignore[arg-type]
    healer.join("a", Joining(), Place("e", 1))
    healer.take(entry(2))
    since = Since(at=5, topics={"a": Position("e", 2)})
    resuming = Resuming(healer, perform, counters)
    resuming.catch_up_all(comes, CatchUpAll(1, "#", joining, (Head("a", "e", head),), since, 9))  # type: ignore[arg-type]
    assert isinstance(done[0], Send)
    assert (done[0].frame.recovered, joining.at) == (True, told)  # type: ignore[union-attr]
    healer.stop()
