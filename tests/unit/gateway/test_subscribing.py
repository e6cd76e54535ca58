"""From a router's yes to a subscription that is live."""

from __future__ import annotations

from typing import Any

from msgspec import to_builtins

from gateway.catchup import MAX_HELD_ENTRIES, Beginning, Joining, Place
from gateway.effects import CatchUp, CatchUpAll, Effect, End, GoLive, Leave, Replay, Send
from gateway.logs import TRIMMED, Missed
from gateway.pending import Asked, Pending
from gateway.subscribing import Topics, all_caught_up, allowed, caught_up, live, not_caught_up
from gateway.window import Kept
from shared.codes import CloseCode
from shared.envelopes import Encoding, Entry, Head, SubscribeAllowed
from shared.frames import Since

PLACE = Place("e", 7)


def entry(offset: int, topic: str = "a") -> Entry:
    return Entry(topic, b"1", Encoding.JSON, 0, epoch="e", offset=offset)


def joined(pattern: str = "a", since: Since | None = None, tail: int = 0) -> tuple[Topics, Joining, Pending]:
    joining = Joining()
    return {pattern: joining}, joining, Pending(Asked.SUBSCRIBE, 9, pattern, joining, since, tail)


def sent(effects: list[Effect]) -> list[dict[str, Any]]:
    return [to_builtins(effect.frame) for effect in effects if isinstance(effect, Send)]


def test_a_topic_with_a_log_is_caught_up_with_first() -> None:
    topics, joining, pending = joined(since=Since("e", 4), tail=2)
    effects = allowed(topics, SubscribeAllowed(5, 1, "a", "e", 7), pending)
    assert effects == [CatchUp(9, "a", joining, PLACE, Since("e", 4), 2)]


def test_a_pattern_is_caught_up_with_where_it_is_known_what_grew() -> None:
    heads = (Head("a.b", "e", 7),)
    topics, joining, pending = joined("a.*", Since(at=5))
    effects = allowed(topics, SubscribeAllowed(5, 1, "a.*", heads=heads, at=9), pending)
    assert effects == [CatchUpAll(9, "a.*", joining, heads, Since(at=5), 9)]
    effects = allowed(topics, SubscribeAllowed(5, 1, "a.*", heads=heads, at=9, recovered=False), pending)
    assert effects == [CatchUpAll(9, "a.*", joining, heads, Since(at=5), 9, lost=True)]


def test_a_pattern_of_which_that_is_not_known_is_not_recovered() -> None:
    topics, joining, pending = joined("a.*", Since(at=5))
    effects = allowed(topics, SubscribeAllowed(5, 1, "a.*", recovered=False, at=7), pending)
    assert sent(effects) == [
        {"type": "subscribed", "id": 9, "topic": "a.*", "recovered": False, "at": 7},
    ]
    assert effects[1:] == [Replay("a.*", joining, ())]
    assert sent(live(topics, "a.*", joining)) == [{"type": "caught_up", "topic": "a.*", "at": 7}]


def test_who_resumed_a_pattern_is_told_when_all_that_was_missed_is_sent() -> None:
    topics, joining, pending = joined("a.*", Since(at=5))
    allowed(topics, SubscribeAllowed(5, 1, "a.*", heads=(Head("a.b", "e", 7),), at=9), pending)
    assert not any(frame["type"] == "caught_up" for frame in sent(all_caught_up(topics, 9, "a.*", joining, [], 9)))
    effects = live(topics, "a.*", joining)
    assert sent(effects) == [{"type": "caught_up", "topic": "a.*", "at": 9}]
    assert effects[1:] == [GoLive("a.*", joining)]


def test_who_is_new_to_a_pattern_has_missed_nothing_that_could_have_come() -> None:
    topics, _, pending = joined("a.*")
    effects = allowed(topics, SubscribeAllowed(5, 1, "a.*", at=7), pending)
    assert sent(effects) == [{"type": "subscribed", "id": 9, "topic": "a.*", "at": 7}]


def test_subscribed_comes_first_then_the_gap_then_the_past() -> None:
    topics, joining, _ = joined()
    past = [Kept(entry(7))]
    beginning = Beginning("a", Place("e", 6), False, Missed("a", "e", 7, TRIMMED), past)
    effects = caught_up(topics, 9, "a", joining, beginning)
    assert sent(effects) == [
        {"type": "subscribed", "id": 9, "topic": "a", "epoch": "e", "offset": 6, "recovered": False},
        {"type": "gap", "topic": "a", "epoch": "e", "offset": 7, "cause": "trimmed"},
    ]
    assert effects[-1] == Replay("a", joining, past)
    assert topics == {"a": joining}, "live only when the past is sent"


def test_what_a_client_has_already_is_not_sent_again_when_it_goes_live() -> None:
    topics, joining, _ = joined()
    for offset in (8, 9, 10):
        joining.hold(entry(offset))
    caught_up(topics, 9, "a", joining, Beginning("a", Place("e", 9), True))
    assert [step.offset for step in joining.matching("a")] == [10]
    assert live(topics, "a", joining) == [GoLive("a", joining)]
    assert topics == {"a": None}


def test_a_pattern_is_recovered_if_all_its_topics_are() -> None:
    topics, joining, _ = joined("#")
    one = Beginning("a", Place("e", 6), True, None, [Kept(entry(7))])
    other = Beginning("b", PLACE, False, Missed("b", "e", 8, TRIMMED))
    effects = all_caught_up(topics, 9, "#", joining, [one, other], 5)
    assert sent(effects) == [
        {"type": "subscribed", "id": 9, "topic": "#", "recovered": False, "at": 5},
        {"type": "gap", "topic": "b", "epoch": "e", "offset": 8, "cause": "trimmed"},
    ]
    assert effects[-1] == Replay("#", joining, one.past)
    assert sent(all_caught_up(topics, 9, "#", joining, [one], 5))[0]["recovered"] is True
    assert sent(all_caught_up(topics, 9, "#", joining, [one], 5, lost=True))[0]["recovered"] is False


def test_the_past_of_a_pattern_is_sent_by_time_and_each_topic_in_its_order() -> None:
    topics, joining, _ = joined("#")
    past = {
        topic: [Kept(Entry(topic, b"1", Encoding.JSON, at, epoch="e", offset=place)) for place, at in enumerate(times)]
        for topic, times in {"a": [1, 5, 4], "b": [2, 3, 9]}.items()
    }
    beginnings = [Beginning(topic, PLACE, True, None, kept) for topic, kept in past.items()]
    replay = all_caught_up(topics, 9, "#", joining, beginnings, 5)[-1]
    assert isinstance(replay, Replay)
    assert [(kept.entry.topic, kept.entry.at) for kept in replay.past] == [
        ("a", 1), ("b", 2), ("b", 3), ("a", 5), ("a", 4), ("b", 9),
    ]  # fmt: skip


def test_what_cannot_be_looked_for_is_refused_for_a_while() -> None:
    topics, joining, _ = joined()
    effects = not_caught_up(topics, 9, "a", joining)
    assert (sent(effects)[0]["code"], sent(effects)[0]["retry_after"]) == ("unavailable", 1.0)
    assert effects[-1] == Leave("a", joining)
    assert topics == {}


def test_a_subscription_that_was_taken_back_meanwhile_is_told_so() -> None:
    _, joining, pending = joined()
    beginning = Beginning("a", PLACE, True)
    for effects in (
        allowed({}, SubscribeAllowed(5, 1, "a", "e", 7), pending),
        caught_up({}, 9, "a", joining, beginning),
        all_caught_up({}, 9, "a", joining, [beginning], 5),
        not_caught_up({}, 9, "a", joining),
    ):
        assert [(frame["id"], frame["code"]) for frame in sent(effects)] == [(9, "conflict")]


def test_a_client_for_which_too_much_came_meanwhile_is_sent_away_to_come_back() -> None:
    topics, joining, pending = joined()
    for offset in range(MAX_HELD_ENTRIES + 1):
        joining.hold(entry(offset))
    for effects in (
        allowed(topics, SubscribeAllowed(5, 1, "a"), pending),
        caught_up(topics, 9, "a", joining, Beginning("a", PLACE, True)),
        all_caught_up(topics, 9, "a", joining, [], 5),
        live(topics, "a", joining),
    ):
        assert [effect.code for effect in effects if isinstance(effect, End)] == [CloseCode.SLOW]
