"""What a listener remembers, asks for and tells, over its connections."""

import json

import pytest

from penstock.listening import memory as room
from penstock.listening.heard import Heard
from penstock.listening.memory import Memory
from penstock.listening.session import Listening, ListeningSession, Notice, Send


class Listener:
    """Listens to patterns, over one connection after the other."""

    def __init__(self, *patterns):
        self.memory = Memory(patterns)

    def connect(self):
        """Come, and return what it subscribes to."""
        self.session = ListeningSession("token", self.memory)
        self.session.opening()
        [sent] = self.hear({"type": "connected", "user": "ada"})
        assert isinstance(sent, Send)
        return json.loads(sent.text)

    def hear(self, *frames):
        return self.session.receive(json.dumps(list(frames)))

    def subscribed(self, **fields):
        """Let the gateway agree to the first pattern; return what is told of it."""
        outcomes = self.hear({"type": "subscribed", "id": 1, "topic": "any", **fields})
        return [each.text for each in outcomes if not isinstance(each, Listening)]

    def gets(self, *frames):
        """Return offsets of what is heard, and texts of what is told."""
        return [each.offset if isinstance(each, Heard) else each.text for each in self.hear(*frames)]


def message(offset, topic="a", epoch="e", at=100):
    return {"type": "message", "topic": topic, "offset": offset, "epoch": epoch, "at": at, "data": 1}


def gap(offset, cause="trimmed", epoch="e"):
    return {"type": "gap", "topic": "a", "epoch": epoch, "offset": offset, "cause": cause}


def listening(pattern, **fields):
    listener = Listener(pattern)
    [frame] = listener.connect()
    assert "from" not in frame
    assert listener.subscribed(**fields) == []
    return listener


def back(listener):
    """Come again; return where it says that it left off."""
    [frame] = listener.connect()
    return frame.get("from")


def test_a_topic_goes_on_from_its_last_message_or_from_where_it_began():
    listener = listening("a", epoch="e", offset=3)
    assert back(listener) == {"epoch": "e", "offset": 3}
    assert listener.subscribed(epoch="e", offset=3, recovered=True) == []
    assert listener.gets(message(4), message(4), message(5)) == [4, 5]
    assert back(listener) == {"epoch": "e", "offset": 5}


def test_a_pattern_goes_on_from_its_time_and_the_places_of_its_topics():
    listener = listening("a.*", at=50)
    listener.hear(message(4, "a.x", at=90), message(1, "a.y", at=70))
    places = {"a.y": {"epoch": "e", "offset": 1}, "a.x": {"epoch": "e", "offset": 4}}
    assert back(listener) == {"at": 90, "topics": places}


def test_a_pattern_goes_on_from_a_newer_time_only_when_all_that_was_missed_has_come():
    listener = listening("#", at=50)
    back(listener)
    listener.subscribed(recovered=True, at=300)
    listener.hear(message(1, at=200))
    assert back(listener)["at"] == 50
    listener.subscribed(recovered=True, at=400)
    listener.hear({"type": "caught_up", "topic": "#", "at": 400})
    assert back(listener)["at"] == 400


def test_what_cannot_be_had_any_more_is_told_where_it_may_be_missing():
    listener = listening("a", epoch="e", offset=3)
    back(listener)
    assert listener.subscribed(epoch="e", offset=6, recovered=False) == []
    told = "messages of a may be missing here: trimmed"
    assert listener.gets(gap(7), gap(7), message(7)) == [told, 7]


def test_a_gap_before_what_was_heard_already_is_none():
    listener = listening("a", epoch="e", offset=3)
    listener.hear(message(4))
    assert listener.gets(gap(5), message(5)) == [5]


@pytest.mark.parametrize(
    ("frame", "cause"), [(message(7), "3 did not come"), (message(1, epoch="f"), "epoch_changed")]
)
def test_a_hole_that_nobody_tells_of_is_told(frame, cause):
    listener = listening("a", epoch="e", offset=3)
    assert listener.gets(frame) == [f"messages of a may be missing here: {cause}", frame["offset"]]


@pytest.mark.parametrize("pattern", ["a", "a.#"])
def test_that_nothing_is_known_of_what_was_missed_is_told(pattern):
    listener = listening(pattern, epoch="e", offset=3, at=5)
    back(listener)
    told = f"messages of {pattern} may be missing here: not all that was sent meanwhile can be had"
    assert listener.subscribed(recovered=False, at=9) == [told]


def test_a_topic_without_a_log_may_have_missed_something_whenever_the_connection_was_away():
    listener = listening("a")
    assert back(listener) is None
    assert len(listener.subscribed()) == 1
    listener = listening("#", at=5)
    listener.hear({"type": "message", "topic": "a", "at": 7, "data": 1})
    back(listener)
    told = "messages of # may be missing here: what was sent meanwhile is not kept on all of its topics"
    assert listener.subscribed(recovered=True, at=9) == [told]


def test_what_is_told_comes_behind_that_it_listens():
    listener = listening("#", at=5)
    back(listener)
    outcomes = listener.hear({"type": "subscribed", "id": 1, "topic": "#", "recovered": False, "at": 9})
    assert [type(each) for each in outcomes] == [Listening, Notice]


def test_what_two_patterns_bring_is_heard_once_and_either_may_begin_first():
    listener = Listener("a.*", "a.x")
    listener.connect()
    listener.hear({"type": "subscribed", "id": 1, "topic": "a.*", "at": 5})
    assert listener.gets(message(8, "a.x")) == [8]
    listener.hear({"type": "subscribed", "id": 2, "topic": "a.x", "epoch": "e", "offset": 7})
    assert listener.gets(message(8, "a.x"), message(9, "a.x")) == [9]


def test_places_are_bounded_in_number_and_in_bytes(monkeypatch):
    monkeypatch.setattr(room, "MAX_TOPICS", 1_200)
    listener = listening("#", at=5)
    listener.hear(*(message(1, f"t.{number}") for number in range(1_500)))
    assert len(listener.memory._places) == 1_200
    places = back(listener)["topics"]
    assert next(iter(places)) == "t.1499"
    assert 300 < len(places) <= room.MAX_PLACES
    assert len(json.dumps(places)) < room.ROOM
