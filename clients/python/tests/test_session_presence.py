"""Who is at a topic, and who joins and leaves it."""

import pytest

from penstock_client import Gap, Joined, Left, Member, Presence, errors
from penstock_client.effects import Close, Deliver, End, Fail, Resolve

ANN = {"user": "ann", "session": "s.1", "info": {"name": "Ann"}}
MEMBER = Member("ann", "s.1", {"name": "Ann"})


def follow(b, subscriber, topic="room", **options):
    """Follow a topic with presence, and have it confirmed."""
    [frame] = b.sent(b.session.subscribe(subscriber, topic, b.now, presence=True))
    b.hear({"type": "subscribed", "id": frame["id"], "topic": topic, **options})
    return frame


def news(kind="joined", topic="room", **member):
    return {"type": kind, "topic": topic, "member": {**ANN, **member}}


@pytest.fixture
def b(bench):
    bench = bench()
    bench.online()
    return bench


def test_who_wants_it_asks_for_it_and_is_told_who_joins_and_leaves(b):
    assert follow(b, 1)["presence"] is True
    assert b.hear(news()) == [Deliver(1, Joined("room", MEMBER))]
    assert b.hear(news("left")) == [Deliver(1, Left("room", MEMBER))]
    without = {"user": "ann", "session": "s.1"}
    assert b.hear({**news(), "member": without}) == [Deliver(1, Joined("room", Member("ann", "s.1")))]


def test_who_does_not_want_it_is_not_told_and_does_not_ask(b):
    [frame] = b.sent(b.session.subscribe(1, "hall", b.now))
    assert "presence" not in frame
    b.hear({"type": "subscribed", "id": frame["id"], "topic": "hall"})
    follow(b, 2)
    assert b.session.subscribe(3, "room", b.now), "it is served by the same subscription"
    assert b.hear(news(topic="hall")) == []
    assert b.hear(news()) == [Deliver(2, Joined("room", MEMBER))]
    assert b.hear(news(topic="elsewhere")) == []


def test_it_is_too_late_to_want_it_where_the_topic_is_followed_without(b):
    b.subscribe(1, "room")
    with pytest.raises(errors.InvalidArgument, match="without presence"):
        b.session.subscribe(2, "room", b.now, presence=True)
    assert b.session.unsubscribe(2) == []


def test_it_is_of_one_topic(b):
    with pytest.raises(errors.InvalidArgument, match="pattern"):
        b.session.subscribe(1, "room.*", b.now, presence=True)


def test_who_comes_back_is_told_that_something_may_have_been_missed(b):
    follow(b, 1, epoch="e", offset=3)
    b.lose()
    sent = b.sent(b.online())
    [frame] = [frame for frame in sent if frame["type"] == "subscribe"]
    assert (frame["presence"], frame["from"]) == (True, {"epoch": "e", "offset": 3})
    answer = {"type": "subscribed", "id": frame["id"], "topic": "room", "epoch": "e", "offset": 3, "recovered": True}
    assert Deliver(1, Gap("room", "presence")) in b.hear(answer)


def test_a_topic_without_presence_ends_who_wants_it(b):
    [frame] = b.sent(b.session.subscribe(1, "plain", b.now, presence=True))
    error = {"type": "error", "id": frame["id"], "code": "not_found", "reason": "plain has no presence"}
    [end] = [effect for effect in b.hear(error) if isinstance(effect, End)]
    assert isinstance(end.error, errors.SubscribeError)
    assert end.error.code == "not_found"


def test_it_is_asked_who_is_there(b):
    [frame] = b.sent(b.session.presence(7, "room", b.now, 10.0))
    assert (frame["type"], frame["topic"]) == ("presence", "room")
    answer = {"type": "result", "id": frame["id"], "topic": "room", "members": [ANN], "count": 12}
    assert b.hear(answer) == [Resolve(7, Presence((MEMBER,), 12))]


def test_it_is_asked_again_after_a_loss(b):
    b.sent(b.session.presence(7, "room", b.now, 60.0))
    b.lose()
    b.online()
    asked = [frame for frame in b.sent(b.did) if frame["type"] == "presence"]
    assert len(asked) == 1


@pytest.mark.parametrize("code", ["not_found", "forbidden", "bad_request"])
def test_a_refusal_says_of_what(b, code):
    [frame] = b.sent(b.session.presence(7, "room", b.now, 10.0))
    [fail] = b.hear({"type": "error", "id": frame["id"], "code": code, "reason": "no"})
    assert isinstance(fail, Fail)
    assert isinstance(fail.error, errors.PresenceError)
    assert (fail.error.code, "room" in str(fail.error)) == (code, True)


@pytest.mark.parametrize("member", [None, 7, {}, {"user": "ann"}, {"user": 7, "session": "s"}])
def test_a_member_that_is_none_breaks_the_connection(b, member):
    follow(b, 1)
    assert any(isinstance(effect, Close) for effect in b.hear({"type": "joined", "topic": "room", "member": member}))
