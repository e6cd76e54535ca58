"""Publishing: answers, refusals, and outcomes that stay unknown."""

import pytest

from penstock_client import Receipt, Settings, errors
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
    number = b.publish(1, "orders.1")
    [fail] = b.hear({"type": "error", "id": number, "code": code, "reason": "why"})
    assert isinstance(fail, Fail)
    assert type(fail.error) is error
    assert (fail.error.topic, fail.error.key) == ("orders.1", "key-1")
    assert "why" in str(fail.error)


def test_an_error_carries_the_time_to_wait(bench):
    b = bench()
    b.online()
    number = b.publish(1)
    [fail] = b.hear({"type": "error", "id": number, "code": "rate_limited", "reason": "", "retry_after": 2.5})
    assert fail.error.retry_after == 2.5
    assert "2.5 s" in str(fail.error)


def test_a_lost_connection_leaves_the_outcome_of_unanswered_publishes_unknown(bench):
    b = bench()
    b.online()
    b.publish(1)
    b.publish(2)
    fails = [effect for effect in b.lose() if isinstance(effect, Fail)]
    assert [fail.request for fail in fails] == [1, 2]
    assert all(isinstance(fail.error, errors.OutcomeUnknown) for fail in fails)
    assert fails[0].error.key == "key-1"
    assert "key-1" in str(fails[0].error)


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


def test_a_publish_while_offline_is_not_sent_and_says_so(bench):
    b = bench()
    b.online()
    b.lose()
    [fail] = b.session.publish(1, "t", 1, "k", b.now, 10)
    assert type(fail.error) is errors.Unavailable
    assert "not sent" in str(fail.error)


def test_requests_without_an_answer_are_bounded_together(bench):
    b = bench(Settings(max_in_flight=2))
    b.online()
    b.session.subscribe(1, "a", b.now)
    number = b.publish(1)
    assert not b.session.has_room
    [fail] = b.session.publish(2, "t", 1, "k", b.now, 10)
    assert "not sent" in str(fail.error)
    assert "2 requests" in str(fail.error)
    b.hear({"type": "ok", "id": number})
    assert b.session.has_room


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
    assert isinstance(b.lose(1002)[0], Fail)


def test_closing_fails_what_is_on_its_way(bench):
    b = bench()
    b.online()
    b.publish(1)
    [fail] = [effect for effect in b.session.close() if isinstance(effect, Fail)]
    assert isinstance(fail.error, errors.OutcomeUnknown)


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
