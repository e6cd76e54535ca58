"""Publishing: answers, refusals, and outcomes that stay unknown."""

import pytest

from penstock_client import Message, Receipt, Settings, errors
from penstock_client.effects import Close, Fail, Resolve


def test_a_publish_is_sent_with_its_key_and_resolved_by_ok(bench):
    b = bench()
    b.online()
    [frame] = b.sent(b.session.publish(7, "orders.1", {"n": 1}, "k1", b.now, 10))
    assert frame == {"type": "publish", "id": frame["id"], "topic": "orders.1", "data": {"n": 1}, "key": "k1"}
    answer = {"type": "ok", "id": frame["id"], "offset": 3, "epoch": "e"}
    assert b.hear(answer) == [Resolve(7, Receipt(3, "e"))]
    assert b.hear(answer) == []


def test_answers_find_their_publish_in_any_order(bench):
    b = bench()
    b.online()
    first, second = b.publish(1), b.publish(2)
    assert b.hear({"type": "ok", "id": second}) == [Resolve(2, Receipt())]
    assert b.hear({"type": "ok", "id": first}) == [Resolve(1, Receipt())]


@pytest.mark.parametrize(
    ("code", "error"),
    [
        ("bad_request", errors.BadRequest),
        ("unauthenticated", errors.Unauthenticated),
        ("forbidden", errors.Forbidden),
        ("not_found", errors.NotFound),
        ("rate_limited", errors.RateLimited),
        ("overloaded", errors.Overloaded),
        ("unavailable", errors.Unavailable),
        ("timeout", errors.OutcomeUnknown),
        ("too_large", errors.TooLarge),
        ("conflict", errors.Conflict),
        ("internal", errors.Internal),
        ("brand_new", errors.PublishError),
    ],
)
def test_every_error_code_has_its_own_error(bench, code, error):
    b = bench()
    b.online()
    number = b.publish(1, "orders.1", timeout=0.5)
    [fail] = b.hear({"type": "error", "id": number, "code": code, "reason": "why"})
    assert isinstance(fail, Fail)
    assert type(fail.error) is error
    assert (fail.error.topic, fail.error.key) == ("orders.1", "key-1")
    assert "why" in str(fail.error)


def test_an_error_carries_the_time_to_wait(bench):
    b = bench()
    b.online()
    number = b.publish(1, timeout=2)
    [fail] = b.hear({"type": "error", "id": number, "code": "rate_limited", "reason": "", "retry_after": 2.5})
    assert fail.error.retry_after == 2.5
    assert "2.5 s" in str(fail.error)


def test_unanswered_publishes_are_sent_again_with_their_keys_and_in_their_order_after_a_loss(bench):
    b = bench()
    b.online()
    for request in (1, 2, 3):
        b.publish(request, "a" if request < 3 else "b")
    b.hear({"type": "ok", "id": 3})
    first = b.lose()
    assert not [effect for effect in first if isinstance(effect, Fail)]
    assert b.session.publish(4, "a", 4, "key-4", b.now, 10) == []
    again = b.sent(b.online())
    assert [(frame["type"], frame["key"]) for frame in again] == [("publish", f"key-{n}") for n in (1, 3, 4)]
    assert b.session.counters.repeats == 2
    assert b.hear({"type": "ok", "id": again[0]["id"], "offset": 1, "epoch": "e"}) == [Resolve(1, Receipt(1, "e"))]


def test_what_is_still_unanswered_when_its_time_is_over_has_an_unknown_outcome(bench):
    b = bench()
    b.online()
    b.publish(1, timeout=10)
    b.lose()
    assert b.session.deadline == b.now + 10
    assert b.wait(9) == []
    [fail] = b.wait(1)
    assert type(fail.error) is errors.OutcomeUnknown
    assert fail.error.key == "key-1"
    assert "key-1" in str(fail.error)
    assert b.sent(b.online()) == []


def test_nothing_is_sent_again_when_its_key_may_be_forgotten(bench):
    b = bench()
    b.online()
    b.publish(1, timeout=1000)
    b.session.publish(2, "t", 1, "k", b.now, 1000)
    b.lose()
    b.session.publish(3, "t", 1, "never sent", b.now, 1000)
    assert b.wait(239) == []
    fails = b.wait(1)
    assert [(fail.request, type(fail.error)) for fail in fails] == [(n, errors.OutcomeUnknown) for n in (1, 2)]
    assert [frame["key"] for frame in b.sent(b.online())] == ["never sent"]


@pytest.mark.parametrize("code", ["rate_limited", "overloaded", "unavailable", "timeout"])
def test_a_publish_refused_for_now_is_sent_again_when_it_may_be(bench, code):
    b = bench()
    b.online()
    number = b.publish(1)
    refusal = {"type": "error", "id": number, "code": code, "reason": "busy", "retry_after": 3}
    assert b.hear(refusal) == []
    assert b.session.deadline == b.now + 3
    assert b.wait(2.9) == []
    [frame] = b.sent(b.wait(0.1))
    assert frame["key"] == "key-1"
    assert frame["id"] != number
    assert b.hear({"type": "ok", "id": frame["id"]}) == [Resolve(1, Receipt())]


def test_what_has_to_wait_longer_than_its_caller_fails_at_once(bench):
    b = bench()
    b.online()
    number = b.publish(1, timeout=10)
    [fail] = b.hear({"type": "error", "id": number, "code": "overloaded", "reason": "", "retry_after": 10})
    assert type(fail.error) is errors.Overloaded


def test_a_refused_publish_holds_back_what_comes_after_it_on_its_topic_and_goes_alone(bench):
    b = bench()
    b.online()
    number, other = b.publish(1, "a"), b.publish(2, "a")
    b.hear({"type": "error", "id": number, "code": "rate_limited", "reason": "", "retry_after": 3})
    b.hear({"type": "error", "id": other, "code": "rate_limited", "reason": "", "retry_after": 1})
    assert b.session.publish(3, "a", 1, "key-3", b.now, 10) == []
    assert len(b.sent(b.session.publish(4, "b", 1, "key-4", b.now, 10))) == 1
    assert b.wait(1) == []
    [first] = b.sent(b.wait(2))
    assert first["key"] == "key-1"
    _, *more = b.hear({"type": "ok", "id": first["id"]})
    [second] = b.sent(more)
    assert second["key"] == "key-2"
    _, *more = b.hear({"type": "ok", "id": second["id"]})
    assert [frame["key"] for frame in b.sent(more)] == ["key-3"]


def test_publishes_refused_in_any_order_are_sent_again_in_that_of_the_calls(bench):
    b = bench()
    b.online()
    first, second = b.publish(1, "a"), b.publish(2, "a")
    for number in (second, first):
        b.hear({"type": "error", "id": number, "code": "overloaded", "reason": "", "retry_after": 1})
    [again] = b.sent(b.wait(1))
    assert again["key"] == "key-1"
    b.lose()
    assert [frame["key"] for frame in b.sent(b.online())] == ["key-1"]


def test_a_read_is_sent_again_after_a_loss_and_answered_with_what_was_kept(bench):
    b = bench()
    b.online()
    [frame] = b.sent(b.session.history(1, "a", 10, None, 5, b.now, 10))
    assert frame == {"type": "history", "id": frame["id"], "topic": "a", "limit": 10, "after": 5}
    b.lose()
    [frame] = b.sent(b.online())
    kept = [{"type": "message", "topic": "a", "data": n, "at": n, "offset": n} for n in (6, 7)]
    answer = {"type": "result", "id": frame["id"], "topic": "a", "messages": kept, "epoch": "e", "offset": 9}
    [resolve] = b.hear(answer)
    assert resolve.result.messages == (Message("a", 6, 6, 6, "e"), Message("a", 7, 7, 7, "e"))
    assert (resolve.result.epoch, resolve.result.offset) == ("e", 9)


@pytest.mark.parametrize("answer", [{"code": "not_found", "reason": "keeps none"}, None])
def test_a_read_that_fails_has_an_error_of_its_own(bench, answer):
    b = bench()
    b.online()
    [frame] = b.sent(b.session.history(1, "a", 10, None, None, b.now, 10))
    [fail] = b.wait(10) if answer is None else b.hear({"type": "error", "id": frame["id"], **answer})
    assert isinstance(fail.error, errors.HistoryError)
    assert fail.error.code == ("timeout" if answer is None else "not_found")


@pytest.mark.parametrize("wrong", [(0, None, None), (1001, None, None), (1, 1, 1), (1, -1, None), (1, None, 2**53)])
def test_a_read_of_what_cannot_be_is_refused(bench, wrong):
    b = bench()
    b.online()
    with pytest.raises(errors.InvalidArgument):
        b.session.history(1, "a", *wrong, b.now, 10)


@pytest.mark.parametrize("kept", [None, {}, [1], [{"topic": "a"}]])
def test_a_history_that_is_none_ends_the_connection_and_not_the_read(bench, kept):
    b = bench()
    b.online()
    [frame] = b.sent(b.session.history(1, "a", 10, None, None, b.now, 10))
    answer = {"type": "result", "id": frame["id"], "topic": "a", "messages": kept, "epoch": "e", "offset": 9}
    assert isinstance(b.hear(answer)[0], Close)
    b.lose(1002)
    assert len(b.sent(b.online())) == 1


def test_a_refusal_after_a_try_without_an_answer_does_not_say_what_the_first_try_did(bench):
    b = bench()
    b.online()
    b.publish(1)
    b.lose()
    [frame] = b.sent(b.online())
    [fail] = b.hear({"type": "error", "id": frame["id"], "code": "forbidden", "reason": "no more"})
    assert type(fail.error) is errors.OutcomeUnknown
    assert "no more" in str(fail.error)


def test_a_publish_without_an_answer_on_a_living_connection_is_sent_again(bench):
    b = bench(Settings(request_timeout=5))
    b.online()
    number = b.publish(1, timeout=12)
    [frame] = b.sent(b.wait(5))
    assert (frame["key"], frame["id"] == number) == ("key-1", False)
    assert len(b.sent(b.wait(5))) == 1
    [fail] = b.wait(2)
    assert type(fail.error) is errors.OutcomeUnknown


def test_a_publish_unanswered_in_time_has_an_unknown_outcome_and_a_late_answer_is_ignored(bench):
    b = bench()
    b.online()
    number = b.publish(1, timeout=2)
    b.publish(2, timeout=5)
    assert b.session.deadline == b.now + 2
    [fail] = b.wait(2)
    assert (fail.request, type(fail.error)) == (1, errors.OutcomeUnknown)
    assert b.hear({"type": "ok", "id": number}) == []
    [fail] = b.wait(3)
    assert fail.request == 2
    assert b.session.counters.unanswered == 2
    assert b.session.deadline > b.now


def test_a_publish_while_offline_waits_and_says_that_it_was_not_sent_when_its_time_is_over(bench):
    b = bench()
    b.online()
    b.lose()
    assert b.session.publish(1, "t", 1, "k", b.now, 3) == []
    assert b.session.publish(2, "t", 2, "l", b.now, 10) == []
    [fail] = b.wait(3)
    assert (fail.request, type(fail.error)) == (1, errors.Unavailable)
    assert "not sent" in str(fail.error)
    assert [frame["key"] for frame in b.sent(b.online())] == ["l"]
    assert b.session.counters.repeats == 0


def test_requests_without_an_answer_are_bounded_together(bench):
    b = bench(Settings(max_in_flight=2))
    b.online()
    [asked] = b.sent(b.session.subscribe(1, "a", b.now))
    b.publish(1)
    assert b.session.publish(2, "t", 1, "k", b.now, 10) == []
    assert not b.session.has_room
    [fail] = b.session.publish(3, "t", 1, "l", b.now, 10)
    assert "not sent" in str(fail.error)
    assert "2 requests" in str(fail.error)
    answered = b.hear({"type": "subscribed", "id": asked["id"], "topic": "a"})
    assert [frame["key"] for frame in b.sent(answered)] == ["k"]
    b.hear({"type": "ok", "id": 3})
    assert b.session.has_room


def test_what_is_kept_is_bounded_in_bytes(bench):
    b = bench(Settings(max_in_flight_bytes=1000, max_send_size=600))
    b.online()
    [frame] = b.sent(b.session.publish(1, "t", 1, "k", b.now, 10, 600))
    assert b.session.has_room_for(400)
    assert not b.session.has_room_for(401)
    [fail] = b.session.publish(2, "t", 1, "l", b.now, 10, 500)
    assert "not sent" in str(fail.error)
    b.hear({"type": "ok", "id": frame["id"]})
    assert b.session.has_room_for(1000)
    b.session.publish(3, "t", 1, "m", b.now, 10, 600)
    b.session.abandon(3)
    assert b.session.has_room_for(1000)


def test_an_abandoned_publish_gets_no_answer(bench):
    b = bench()
    b.online()
    number = b.publish(1)
    b.session.abandon(1)
    b.session.abandon(1)
    assert b.hear({"type": "ok", "id": number}) == []


def test_an_answer_of_the_wrong_kind_loses_no_publish(bench):
    b = bench()
    b.online()
    number = b.publish(1)
    assert isinstance(b.hear({"type": "subscribed", "id": number, "topic": "t"})[0], Close)
    b.lose(1002)
    assert [frame["key"] for frame in b.sent(b.online())] == ["key-1"]


def test_closing_fails_what_is_on_its_way(bench):
    b = bench()
    b.online()
    b.publish(1)
    b.lose()
    b.session.publish(2, "t", 1, "k", b.now, 10)
    fails = [effect for effect in b.session.close() if isinstance(effect, Fail)]
    assert [type(fail.error) for fail in fails] == [errors.OutcomeUnknown, errors.ClientClosed]


@pytest.mark.parametrize("topic", ["", "a.*", "#", "a..b", "a b", "x" * 201])
def test_bad_topics_are_refused_before_anything_is_sent(bench, topic):
    b = bench()
    b.online()
    with pytest.raises(errors.InvalidArgument):
        b.session.publish(1, topic, 1, "k", b.now, 10)


@pytest.mark.parametrize("key", ["", "k" * 129])
def test_bad_keys_are_refused_before_anything_is_sent(bench, key):
    b = bench(Settings())
    b.online()
    with pytest.raises(errors.InvalidArgument):
        b.session.publish(1, "t", 1, key, b.now, 10)
