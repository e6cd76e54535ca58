"""Joining a subscription that others have already, with a place of one's own."""

import pytest

from penstock_client import Gap, Message, Position, errors
from penstock_client.effects import Deliver, End, Subscribed


def entry(offset, epoch="e"):
    return {"type": "message", "topic": "a", "data": offset, "at": 1, "offset": offset, "epoch": epoch}


def handed(effects, subscriber=2):
    items = [each.item for each in effects if isinstance(each, Deliver) and each.subscriber == subscriber]
    return [item.offset if isinstance(item, Message) else item for item in items]


def joined(bench, **beginning):
    """The second of two subscribers has joined with a beginning; return what it asks."""
    b = bench()
    b.online()
    b.subscribe(1, "a", epoch="e", offset=10)
    b.hear(entry(11))
    [ask] = b.sent(b.session.subscribe(2, "a", b.now, **beginning))
    return b, ask


def read(b, ask, offsets, head, epoch="e"):
    messages = [entry(offset, epoch) for offset in offsets]
    return b.hear(
        {"type": "result", "id": ask["id"], "topic": "a", "messages": messages, "epoch": epoch, "offset": head}
    )


def test_without_a_beginning_it_is_live_at_once(bench):
    b = bench()
    b.online()
    b.subscribe(1, "a", epoch="e", offset=10)
    [served] = b.session.subscribe(2, "a", b.now)
    assert (served, served.start) == (Subscribed(2), Position("e", 10))


def test_a_tail_is_read_from_the_history_and_joined_to_what_came_meanwhile(bench):
    b, ask = joined(bench, tail=3)
    assert (ask["type"], ask["topic"], ask["limit"]) == ("history", "a", 3)
    live = [b.hear(entry(12)), b.hear(entry(13))]
    assert [handed(effects, 1) for effects in live] == [[12], [13]]
    assert [handed(effects) for effects in live] == [[], []]
    effects = read(b, ask, [10, 11, 12], 12)
    assert (effects[0], effects[0].start) == (Subscribed(2), Position("e", 9))
    assert handed(effects) == [10, 11, 12, 13]
    assert handed(b.hear(entry(14))) == [14]


def test_a_history_that_is_ahead_of_what_is_live_makes_no_doubles(bench):
    b, ask = joined(bench, tail=2)
    assert handed(read(b, ask, [12, 13], 13)) == [12, 13]
    live = [b.hear(entry(offset)) for offset in (12, 13, 14)]
    assert [handed(effects, 1) for effects in live] == [[12], [13], [14]]
    assert [handed(effects) for effects in live] == [[], [], [14]]


def test_a_long_past_is_read_page_by_page(bench):
    b, ask = joined(bench, since=Position("e", 4))
    assert ask["after"] == 4
    first = read(b, ask, [5, 6, 7], 11)
    [ask] = b.sent(first)
    assert handed(first) == [5, 6, 7]
    assert ask["after"] == 7
    assert Subscribed(2) not in first
    effects = read(b, ask, [8, 9, 10, 11], 11)
    assert effects[0] == Subscribed(2)
    assert handed(effects) == [8, 9, 10, 11]
    assert b.sent(effects) == []


@pytest.mark.parametrize(
    ("offsets", "expected"),
    [
        ([7, 8, 9, 10, 11], [Gap("a", "trimmed", 7, "e", 2), 7, 8, 9, 10, 11]),
        ([], [Gap("a", "trimmed", 12, "e")]),
    ],
)
def test_what_the_log_no_longer_has_is_a_gap(bench, offsets, expected):
    b, ask = joined(bench, since=Position("e", 4))
    assert handed(read(b, ask, offsets, 11)) == expected
    assert handed(b.hear(entry(12))) == [12]


def test_a_log_of_another_epoch_is_a_gap(bench):
    b, ask = joined(bench, since=Position("old", 4))
    assert handed(read(b, ask, [5, 6], 11)) == [Gap("a", "epoch_changed", 12, "e")]
    assert handed(b.hear(entry(12))) == [12]


def test_a_log_that_was_lost_meanwhile_makes_no_doubles_whoever_hears_of_it_first(bench):
    b, ask = joined(bench, tail=3)
    b.hear(entry(12))
    lost = {"type": "gap", "topic": "a", "epoch": "f", "offset": 1, "cause": "epoch_changed"}
    assert handed(read(b, ask, [1, 2], 2, "f")) == [1, 2]
    assert handed(b.hear(entry(13))) == []
    assert [handed(b.hear(frame)) for frame in (lost, entry(1, "f"), entry(2, "f"), entry(3, "f"))] == [[], [], [], [3]]
    b, ask = joined(bench, tail=3)
    for frame in (entry(12), lost, entry(1, "f"), entry(2, "f")):
        b.hear(frame)
    assert handed(read(b, ask, [1], 1, "f")) == [1, 2]
    b, ask = joined(bench, tail=3)
    for frame in (entry(12), lost, entry(1, "f")):
        b.hear(frame)
    assert handed(read(b, ask, [11, 12], 12)) == [11, 12, Gap("a", "epoch_changed", 1, "f"), 1]


def test_a_log_that_was_lost_twice_is_read_once_more(bench):
    b, ask = joined(bench, tail=3)
    for frame in (entry(12), entry(1, "g")):
        b.hear(frame)
    effects = read(b, ask, [1], 1, "f")
    [ask] = b.sent(effects)
    assert handed(effects) == []
    assert handed(read(b, ask, [1, 2], 2, "g")) == [1, 2]


def test_a_place_at_the_end_of_the_log_has_missed_nothing(bench):
    b, ask = joined(bench, since=Position("e", 11))
    assert handed(read(b, ask, [], 11)) == []
    assert handed(b.hear(entry(12))) == [12]


def test_a_gateway_that_gives_nothing_new_is_not_asked_for_ever(bench):
    b, ask = joined(bench, since=Position("e", 4))
    effects = read(b, ask, [3, 4], 11)
    assert b.sent(effects) == []
    assert handed(effects) == [Gap("a", "trimmed", 12, "e")]


def test_more_than_can_be_held_meanwhile_is_a_gap(bench):
    b, ask = joined(bench, tail=1)
    for offset in range(12, 1020):
        b.hear(entry(offset))
    effects = handed(read(b, ask, [11], 11))
    assert effects[:3] == [11, Gap("a", "dropped", 20, "e", 8), 20]
    assert effects[-1] == 1019


def test_a_lost_connection_begins_the_reading_again(bench):
    b, _ = joined(bench, since=Position("e", 9))
    b.lose()
    [frame] = b.sent(b.online())
    answer = {"type": "subscribed", "id": frame["id"], "topic": "a", "epoch": "e", "offset": 11, "recovered": True}
    [ask] = b.sent(b.hear(answer))
    assert (ask["type"], ask["after"]) == ("history", 9)
    assert handed(b.hear(entry(12))) == []
    assert handed(read(b, ask, [10, 11, 12], 12)) == [10, 11, 12]


def test_a_refusal_for_a_while_is_waited_out(bench):
    b, ask = joined(bench, tail=1)
    refusal = {"type": "error", "id": ask["id"], "code": "unavailable", "reason": "busy", "retry_after": 2}
    assert b.hear(refusal) == []
    assert b.session.deadline == b.now + 2
    [ask] = b.sent(b.wait(2))
    assert ask["type"] == "history"
    assert handed(read(b, ask, [11], 11)) == [11]


def test_a_topic_without_history_is_followed_live(bench):
    b, ask = joined(bench, tail=1)
    refusal = {"type": "error", "id": ask["id"], "code": "not_found", "reason": "keeps none"}
    assert b.hear(refusal) == [Subscribed(2)]
    assert handed(b.hear({"type": "message", "topic": "a", "data": 1, "at": 1})) == [None]


def test_a_refusal_for_good_ends_this_one_and_not_the_others(bench):
    b, ask = joined(bench, tail=1)
    [end] = b.hear({"type": "error", "id": ask["id"], "code": "forbidden", "reason": "no right"})
    assert isinstance(end, End)
    assert isinstance(end.error, errors.SubscribeError)
    assert handed(b.hear(entry(12)), 1) == [12]


def test_who_leaves_while_reading_waits_for_nothing(bench):
    b, ask = joined(bench, tail=1)
    assert b.session.unsubscribe(2) == []
    assert read(b, ask, [11], 11) == []
    assert handed(b.hear(entry(12)), 1) == [12]


def test_a_pattern_that_is_followed_already_has_no_tail_to_read(bench):
    b = bench()
    b.online()
    b.subscribe(1, "a.*")
    with pytest.raises(errors.InvalidArgument, match="followed already"):
        b.session.subscribe(2, "a.*", b.now, tail=1)
