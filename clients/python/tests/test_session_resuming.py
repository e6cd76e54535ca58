"""Coming back where one left off: what is asked for, what is dropped, what is announced."""

import pytest

from penstock_client import Gap, Message, Position, Settings, errors
from penstock_client.codec import CODECS
from penstock_client.effects import Deliver, Subscribed


def message(offset, topic="a", epoch=None, at=1700000000000):
    frame = {"type": "message", "topic": topic, "data": offset, "at": at, "offset": offset}
    return frame if epoch is None else {**frame, "epoch": epoch}


def handed(effects, subscriber=1):
    """What a subscriber gets: offsets of messages, and gaps."""
    items = [each.item for each in effects if isinstance(each, Deliver) and each.subscriber == subscriber]
    return [item.offset if isinstance(item, Message) else item for item in items]


def following(bench, pattern="a", **answer):
    b = bench()
    b.online()
    b.subscribe(1, pattern, **(answer or {"epoch": "e", "offset": 3}))
    return b


def back(b, **answer):
    """Lose the connection, come back, and let the gateway agree; return what was asked and what it led to."""
    b.lose()
    [frame] = b.sent(b.online())
    return frame, b.hear({"type": "subscribed", "id": frame["id"], "topic": frame["topic"], **answer})


def test_a_topic_is_resumed_from_the_last_message_seen(bench):
    b = following(bench)
    b.hear(message(4, epoch="e"))
    frame, effects = back(b, epoch="e", offset=4, recovered=True)
    assert frame["from"] == {"epoch": "e", "offset": 4}
    assert effects == [Subscribed(1)]
    assert handed([*b.hear(message(5, epoch="e")), *b.hear(message(6))]) == [5, 6]
    assert b.session.counters.resumes == 1
    assert b.session.counters.gaps == 0


def test_a_topic_on_which_no_message_came_is_resumed_from_where_it_began(bench):
    assert back(following(bench), epoch="e", offset=3, recovered=True)[0]["from"] == {"epoch": "e", "offset": 3}


def test_a_pattern_is_resumed_from_the_time_of_its_last_message_and_the_places_that_it_knows(bench):
    b = following(bench, "a.*", recovered=None)
    for offset, topic, at in ((1, "a.x", 10), (7, "a.y", 20), (2, "a.x", 30)):
        b.hear(message(offset, topic, "e", at))
    frame, effects = back(b, recovered=True)
    places = {"a.x": {"epoch": "e", "offset": 2}, "a.y": {"epoch": "e", "offset": 7}}
    assert frame["from"] == {"at": 30, "topics": places}
    assert list(frame["from"]["topics"]) == ["a.x", "a.y"], "the latest first"
    assert effects == [Subscribed(1)]


def test_a_pattern_knows_when_it_began_where_the_gateway_says_it(bench):
    b = following(bench, "a.*", at=12)
    assert back(b, recovered=True)[0]["from"] == {"at": 12, "topics": {}}


def test_the_places_of_a_pattern_are_at_most_1000_and_fit_into_one_message(bench):
    b = following(bench, "#", at=1)
    for number in range(1500):
        b.hear(message(1, f"t.{number}", "e"))
    frame, _ = back(b, recovered=True)
    places = frame["from"]["topics"]
    assert 500 < len(places) <= 1000
    assert "t.1499" in places
    assert "t.0" not in places
    settings = Settings(max_send_size=1 << 20)
    b = bench(settings)
    b.online()
    b.subscribe(1, "#")
    for number in range(1500):
        b.hear(message(1, f"{number}." + "x" * 190, "e"))
    assert len(back(b, recovered=True)[0]["from"]["topics"]) == 1000


@pytest.mark.parametrize("size", [1 << 13, 1 << 16])
def test_a_from_is_no_larger_than_what_may_be_sent(bench, size):
    b = bench(Settings(max_send_size=size))
    b.online()
    b.subscribe(1, "#")
    for number in range(1200):
        b.hear({**message(2**53 - 1, f"{number}." + "x" * 150, "e" * 64)})
    frame, _ = back(b, recovered=True)
    assert size // 2 < len(CODECS["json"].encode(frame)) < size


def test_a_pattern_lost_again_before_all_can_have_come_is_resumed_from_the_older_time(bench):
    b = following(bench, "#")
    b.hear(message(1, "a", "e", at=10))
    back(b, recovered=True)
    b.hear(message(2, "a", "e", at=500))
    frame, _ = back(b, recovered=True)
    assert frame["from"] == {"at": 10, "topics": {"a": {"epoch": "e", "offset": 2}}}
    b.hear(message(3, "a", "e", at=510))
    b.wait(30)
    b.hear({"type": "ping"})
    b.wait(30)
    assert back(b, recovered=True)[0]["from"]["at"] == 510


def caught_up(at, pattern="#"):
    return {"type": "caught_up", "topic": pattern, "at": at}


def test_a_pattern_that_has_caught_up_is_resumed_from_when_it_did_however_soon_it_is_lost_again(bench):
    b = following(bench, "#", at=5)
    b.hear(message(1, "a", "e", at=10))
    frame, _ = back(b, recovered=True, at=700)
    assert frame["from"]["at"] == 10
    b.hear(message(2, "a", "e", at=500))
    assert b.hear(caught_up(700)) == []
    frame, _ = back(b, recovered=True, at=800)
    assert frame["from"] == {"at": 700, "topics": {"a": {"epoch": "e", "offset": 2}}}
    b.hear(caught_up(800))
    b.hear(message(3, "a", "e", at=900))
    assert back(b, recovered=True, at=950)[0]["from"]["at"] == 900


def test_a_pattern_of_which_nobody_knows_what_was_missed_is_a_gap_once(bench):
    b = following(bench, "#", at=5)
    _, effects = back(b, recovered=False, at=700)
    assert handed(effects) == [Gap("#", "reconnected")]
    b.hear(caught_up(700))
    frame, effects = back(b, recovered=True, at=800)
    assert frame["from"]["at"] == 700
    assert handed(effects) == []


def test_a_pattern_that_was_lost_before_it_had_caught_up_is_resumed_from_the_older_time(bench):
    b = following(bench, "#", at=5)
    b.hear(message(1, "a", "e", at=10))
    back(b, recovered=False, at=700)
    b.hear({"type": "gap", "topic": "b", "epoch": "e", "offset": 7, "cause": "trimmed"})
    b.hear(message(2, "a", "e", at=500))
    assert back(b, recovered=True)[0]["from"]["at"] == 10


def test_what_is_said_of_a_subscription_that_is_not_live_or_not_there_changes_nothing(bench):
    b = following(bench, "#", at=5)
    b.lose()
    [frame] = b.sent(b.online())
    b.hear(caught_up(700))
    b.hear(caught_up(700, "other.*"))
    b.hear({"type": "subscribed", "id": frame["id"], "topic": "#", "recovered": True, "at": 800})
    b.wait(30)
    b.hear({"type": "ping"})
    b.wait(30)
    assert back(b, recovered=True)[0]["from"]["at"] == 5


def test_an_event_that_happened_earlier_takes_nothing_back_of_the_time_that_a_pattern_is_resumed_from(bench):
    b = following(bench, "#", at=500)
    b.hear(message(1, "a", "e", at=700))
    b.hear(message(2, "a", "e", at=20))
    assert back(b, recovered=True)[0]["from"]["at"] == 700


def test_what_is_there_already_is_dropped_and_counted(bench):
    b = following(bench)
    frames = [message(4, epoch="e"), message(4), message(3), message(5), message(4, epoch="e")]
    assert [handed(b.hear(frame)) for frame in frames] == [[4], [], [], [5], []]
    assert b.session.counters.duplicates == 3
    assert b.session.counters.unrouted == 0


def test_a_hole_that_nobody_announced_is_handed_out_as_a_gap_and_counted(bench):
    b = following(bench)
    hole = Gap("a", "dropped", offset=7, epoch="e", missed=3)
    assert handed(b.hear(message(7, epoch="e"))) == [hole, 7]
    assert (b.session.counters.holes, b.session.counters.gaps) == (1, 1)


def test_a_new_epoch_that_nobody_announced_is_handed_out_as_a_gap(bench):
    b = following(bench)
    assert handed(b.hear(message(1, epoch="f"))) == [Gap("a", "epoch_changed", offset=1, epoch="f"), 1]


def test_an_announced_gap_is_handed_out_once_and_nothing_more_is_missing(bench):
    b = following(bench)
    _, effects = back(b, epoch="e", offset=8, recovered=False)
    assert effects == [Subscribed(1)]
    gap = {"type": "gap", "topic": "a", "epoch": "e", "offset": 7, "cause": "trimmed"}
    assert handed(b.hear(gap)) == [Gap("a", "trimmed", 7, "e")]
    assert b.hear(gap) == []
    assert handed([*b.hear(message(7, epoch="e")), *b.hear(message(8))]) == [7, 8]


def test_a_gap_that_was_lost_with_the_connection_is_not_forgotten(bench):
    b = following(bench)
    back(b, epoch="e", offset=8, recovered=False)
    frame, _ = back(b, epoch="e", offset=8, recovered=False)
    assert frame["from"] == {"epoch": "e", "offset": 3}


def test_a_place_in_a_log_that_is_no_more_is_a_gap_to_who_begins_there(bench):
    b = bench()
    b.online()
    [frame] = b.sent(b.session.subscribe(1, "a", b.now, since=Position("e", 5)))
    effects = b.hear({"type": "subscribed", "id": frame["id"], "topic": "a", "recovered": False})
    assert handed(effects) == [Gap("a", "reconnected")]


@pytest.mark.parametrize("pattern", ["a", "a.*"])
def test_what_cannot_be_resumed_and_comes_without_a_place_is_a_gap(bench, pattern):
    b = following(bench, pattern, epoch="e", offset=3, at=1)
    _, effects = back(b, recovered=False)
    assert handed(effects) == [Gap(pattern, "reconnected")]


def test_what_is_resumed_for_one_is_no_double_for_the_other_who_has_not_had_it(bench):
    b = following(bench)
    b.subscribe(2, "#")
    b.hear(message(4, epoch="e"))
    b.lose()
    exact, wild = b.sent(b.online())
    b.hear({"type": "subscribed", "id": exact["id"], "topic": "a", "epoch": "e", "offset": 4, "recovered": True})
    effects = b.hear(message(5, epoch="e"))
    assert handed(effects, 1) == handed(effects, 2) == [5]
    b.hear({"type": "subscribed", "id": wild["id"], "topic": "#", "recovered": True})
    assert b.hear(message(5)) == []


def test_what_comes_for_another_while_a_pattern_is_resumed_does_not_hide_what_it_missed(bench):
    b = following(bench, "#")
    b.hear(message(1, "x", "e"))
    b.lose()
    b.session.subscribe(2, "a", b.now)
    exact, wild = b.sent(b.online())
    b.hear({"type": "subscribed", "id": exact["id"], "topic": "a", "epoch": "e", "offset": 2})
    assert handed(b.hear(message(3, epoch="e")), 1) == []
    b.hear({"type": "subscribed", "id": wild["id"], "topic": "#", "recovered": True})
    assert [offset for n in (1, 2, 3) for offset in handed(b.hear(message(n)), 1)] == [1, 2, 3]


def test_the_epoch_of_a_message_that_nobody_wants_any_more_counts(bench):
    b = following(bench, "a.*")
    b.session.subscribe(2, "b", b.now)
    assert b.hear(message(1, "b", "f")) == []
    b.subscribe(3, "#")
    [deliver] = b.hear(message(2, "b"))
    assert deliver.item.epoch == "f"


def test_since_begins_behind_a_place_and_tail_with_the_last_that_are_kept(bench):
    b = bench()
    b.online()
    [frame] = b.sent(b.session.subscribe(1, "a", b.now, since=Position("e", 5)))
    assert frame["from"] == {"epoch": "e", "offset": 5}
    [frame] = b.sent(b.session.subscribe(2, "b", b.now, tail=7))
    assert frame["tail"] == 7
    assert "from" not in frame


def test_a_tail_is_asked_for_until_it_begins_and_then_resumed(bench):
    b = bench()
    b.online()
    b.session.subscribe(1, "a", b.now, tail=7)
    b.lose()
    [frame] = b.sent(b.online())
    assert frame["tail"] == 7
    answer = {"type": "subscribed", "id": frame["id"], "topic": "a", "epoch": "e", "offset": 2}
    [served] = b.hear(answer)
    assert served.start == Position("e", 2)
    frame, _ = back(b, epoch="e", offset=2, recovered=True)
    assert frame["from"] == {"epoch": "e", "offset": 2}
    assert "tail" not in frame


@pytest.mark.parametrize(
    "beginning",
    [
        {"since": Position("e", 1), "tail": 1},
        {"tail": -1},
        {"tail": 1001},
        {"since": Position("", 1)},
        {"since": Position("e", -1)},
        {"since": ("e", 1)},
        {"since": Position("e", 1), "pattern": "a.*"},
    ],
)
def test_a_beginning_that_cannot_be_is_refused(bench, beginning):
    b = bench()
    b.online()
    with pytest.raises(errors.InvalidArgument):
        b.session.subscribe(1, beginning.pop("pattern", "a"), b.now, **beginning)
