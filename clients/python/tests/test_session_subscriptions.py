"""Subscribing, sharing, routing, resubscribing, and the holes between."""

import pytest

from penstock_client import Gap, Message, Settings, State, errors
from penstock_client.effects import Close, Deliver, End, StateChanged, Subscribed, Warn


def message(topic="orders.1", **fields):
    return {"type": "message", "topic": topic, "data": {"n": 1}, "at": 1700000000000, **fields}


def receivers(effects):
    return sorted(effect.subscriber for effect in effects if isinstance(effect, Deliver))


def test_a_subscription_is_asked_for_and_confirmed(bench):
    b = bench()
    b.online()
    [frame] = b.sent(b.session.subscribe(1, "orders.*", b.now))
    assert (frame["type"], frame["topic"]) == ("subscribe", "orders.*")
    answer = {"type": "subscribed", "id": frame["id"], "topic": "orders.*"}
    assert b.hear(answer) == [Subscribed(1)]
    assert b.hear(answer) == []


def test_one_wire_subscription_serves_all_who_follow_the_same_topic(bench):
    b = bench()
    b.online()
    b.subscribe(1, "orders.1")
    assert b.session.subscribe(2, "orders.1", b.now) == [Subscribed(2)]
    assert receivers(b.hear(message())) == [1, 2]
    assert b.session.unsubscribe(1) == []
    [frame] = b.sent(b.session.unsubscribe(2))
    assert (frame["type"], frame["topic"]) == ("unsubscribe", "orders.1")
    assert b.session.unsubscribe(2) == []
    assert b.hear(message()) == []
    assert b.session.counters.unrouted == 1


def test_who_joins_before_the_answer_is_served_by_it(bench):
    b = bench()
    b.online()
    [frame] = b.sent(b.session.subscribe(1, "a", b.now))
    assert b.session.subscribe(2, "a", b.now) == []
    assert b.hear({"type": "subscribed", "id": frame["id"], "topic": "a"}) == [Subscribed(1), Subscribed(2)]


def test_one_frame_reaches_every_pattern_that_describes_its_topic(bench):
    b = bench()
    b.online()
    for subscriber, pattern in enumerate(["orders.*", "orders.1", "#", "*.2", "orders.#", "orders"], 1):
        b.subscribe(subscriber, pattern)
    assert receivers(b.hear(message("orders.1"))) == [1, 2, 3, 5]
    assert receivers(b.hear(message("orders"))) == [3, 5, 6]


def test_a_subscription_not_confirmed_yet_gets_nothing(bench):
    b = bench()
    b.online()
    b.subscribe(1, "#")
    b.session.subscribe(2, "orders.1", b.now)
    assert receivers(b.hear(message())) == [1]


def test_a_message_carries_all_that_the_frame_says(bench):
    b = bench()
    b.online()
    b.subscribe(1, "orders.1")
    fields = {"offset": 4, "epoch": "e1", "key": "k", "from": "alice", "data": "aGk=", "encoding": "base64"}
    [deliver] = b.hear(message(**fields))
    assert deliver.item == Message("orders.1", b"hi", 1700000000000, 4, "e1", "k", "alice")


def test_a_payload_that_msgpack_has_no_form_for_travels_as_json(bench):
    b = bench()
    b.online()
    b.subscribe(1, "orders.1")
    [deliver] = b.hear(message(data='{"n": 36893488147419103232}', encoding="json"))
    assert deliver.item.data == {"n": 2**65}
    assert isinstance(b.hear(message(data="{", encoding="json"))[0], Close)


def test_later_messages_inherit_the_epoch_that_came_with_the_first(bench):
    b = bench()
    b.online()
    b.subscribe(1, "orders.*")
    b.hear(message(offset=1, epoch="e1"))
    assert b.hear(message(offset=2))[0].item.epoch == "e1"
    assert b.hear(message("orders.2", offset=2))[0].item.epoch is None
    assert b.hear(message(offset=1, epoch="e2"))[0].item.epoch == "e2"
    assert b.hear(message(offset=2))[0].item.epoch == "e2"


def test_everything_is_subscribed_again_after_a_reconnect(bench):
    b = bench()
    b.online()
    b.subscribe(1, "orders.*")
    b.subscribe(2, "a")
    b.session.subscribe(3, "b", b.now)
    b.lose()
    assert b.hear(message()) == []
    b.session.subscribe(4, "c", b.now)
    b.session.unsubscribe(2)
    effects = b.online()
    assert effects[0] == StateChanged(State.CONNECTED)
    assert sorted(frame["topic"] for frame in b.sent(effects)) == ["b", "c", "orders.*"]


def again(b, subscriber, pattern, first, second):
    """Subscribe, lose the connection, come back; return what the second answer leads to."""
    b.online()
    b.subscribe(subscriber, pattern, **first)
    b.lose()
    [frame] = b.sent(b.online())
    return b.hear({"type": "subscribed", "id": frame["id"], "topic": pattern, **second})


def test_a_reconnect_that_may_have_cost_messages_is_announced_as_a_gap(bench):
    effects = again(bench(), 1, "orders.*", {}, {})
    assert effects == [Subscribed(1), Deliver(1, Gap("orders.*", "reconnected"))]


def test_a_gap_after_a_reconnect_says_where_it_goes_on(bench):
    effects = again(bench(), 1, "a", {"epoch": "e", "offset": 3}, {"epoch": "e", "offset": 5})
    assert effects[1].item == Gap("a", "reconnected", offset=6, epoch="e")


def test_a_reconnect_at_an_unchanged_head_has_cost_nothing(bench):
    head = {"epoch": "e", "offset": 3}
    assert again(bench(), 1, "a", head, head) == [Subscribed(1)]


def test_a_head_of_another_epoch_is_a_gap(bench):
    effects = again(bench(), 1, "a", {"epoch": "e", "offset": 3}, {"epoch": "f", "offset": 3})
    assert isinstance(effects[1].item, Gap)


def test_who_joined_while_away_has_missed_nothing(bench):
    b = bench()
    b.online()
    b.subscribe(1, "a")
    b.lose()
    b.session.subscribe(2, "a", b.now)
    [frame] = b.sent(b.online())
    effects = b.hear({"type": "subscribed", "id": frame["id"], "topic": "a"})
    assert receivers(effects) == [1]


def test_a_gap_of_the_gateway_reaches_all_whom_it_concerns(bench):
    b = bench()
    b.online()
    b.subscribe(1, "orders.*")
    b.subscribe(2, "orders.1")
    b.subscribe(3, "other")
    effects = b.hear({"type": "gap", "topic": "orders.1", "epoch": "e", "offset": 9, "cause": "trimmed"})
    assert receivers(effects) == [1, 2]
    assert effects[0].item == Gap("orders.1", "trimmed", 9, "e")


def test_a_refused_subscription_ends_its_subscribers_with_the_reason(bench):
    b = bench()
    b.online()
    [frame] = b.sent(b.session.subscribe(1, "secret.#", b.now))
    b.session.subscribe(2, "secret.#", b.now)
    effects = b.hear({"type": "error", "id": frame["id"], "code": "forbidden", "reason": "no right"})
    assert [effect.subscriber for effect in effects] == [1, 2]
    assert all(isinstance(effect, End) for effect in effects)
    error = effects[0].error
    assert isinstance(error, errors.SubscribeError)
    assert (error.code, error.reason) == ("forbidden", "no right")
    assert "secret.#" in str(error)
    b.lose()
    assert b.sent(b.online()) == []


@pytest.mark.parametrize("code", ["rate_limited", "overloaded", "unavailable", "timeout"])
def test_a_subscription_refused_for_now_is_asked_for_again(bench, code):
    b = bench()
    b.online()
    [frame] = b.sent(b.session.subscribe(1, "a", b.now))
    error = {"type": "error", "id": frame["id"], "code": code, "reason": "busy", "retry_after": 3}
    assert isinstance(b.hear(error)[0], Warn)
    assert b.session.deadline == b.now + 3
    assert b.wait(2.9) == []
    [again] = b.sent(b.wait(0.1))
    assert again["topic"] == "a"
    assert b.hear({"type": "subscribed", "id": again["id"], "topic": "a"}) == [Subscribed(1)]


def test_an_unanswered_subscribe_costs_the_connection(bench):
    b = bench(Settings(request_timeout=5))
    b.online()
    b.session.subscribe(1, "a", b.now)
    assert isinstance(b.wait(5)[0], Close)


def test_a_subscription_that_the_gateway_ends_is_ended_here(bench):
    b = bench()
    b.online()
    b.subscribe(1, "a")
    b.subscribe(2, "b")
    lost = {"type": "error", "code": "forbidden", "reason": "the new token does not cover it", "topic": "a"}
    warn, end = b.hear(lost)
    assert isinstance(warn, Warn)
    assert end.subscriber == 1
    assert "does not cover" in str(end.error)


def test_a_right_lost_without_saying_which_is_found_out_on_a_new_connection(bench):
    b = bench()
    b.online()
    b.subscribe(1, "a")
    warn, close = b.hear({"type": "error", "code": "forbidden", "reason": "the subscription to a ended"})
    assert isinstance(warn, Warn)
    assert isinstance(close, Close)
    b.lose(1000)
    [frame] = b.sent(b.online())
    assert isinstance(b.hear({"type": "error", "id": frame["id"], "code": "forbidden", "reason": ""})[0], End)


def test_other_errors_that_answer_nothing_are_warnings(bench):
    b = bench()
    b.online()
    [warn] = b.hear({"type": "error", "code": "rate_limited", "reason": "too many pongs"})
    assert isinstance(warn, Warn)


def test_an_answer_that_nobody_waits_for_any_more_is_not_missed(bench):
    b = bench(Settings(request_timeout=5))
    b.online()
    b.session.subscribe(1, "a", b.now)
    b.session.unsubscribe(1)
    assert b.wait(5) == []


def test_subscriptions_are_bounded(bench):
    b = bench(Settings(max_subscriptions=2))
    b.online()
    b.subscribe(1, "a")
    b.subscribe(2, "a")
    with pytest.raises(errors.InvalidArgument, match="max_subscriptions"):
        b.session.subscribe(3, "b", b.now)


def test_the_end_of_the_session_ends_every_subscription(bench):
    b = bench()
    b.online()
    b.subscribe(1, "a")
    assert End(1, None) in b.session.close()
    b = bench()
    b.online()
    b.subscribe(1, "a")
    [end] = [effect for effect in b.lose(4103) if isinstance(effect, End)]
    assert isinstance(end.error, errors.Revoked)


@pytest.mark.parametrize("pattern", ["", ".", "a..b", "a.**", "ä", "a b", "x" * 201, ".".join("a" * 17), "a\n"])
def test_bad_patterns_are_refused_before_anything_is_sent(bench, pattern):
    b = bench()
    b.online()
    with pytest.raises(errors.InvalidArgument):
        b.session.subscribe(1, pattern, b.now)
