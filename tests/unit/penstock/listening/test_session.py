"""A listener's side of the protocol."""

import json

import pytest

from penstock.listening.heard import Heard
from penstock.listening.memory import Memory
from penstock.listening.session import Listening, ListeningSession, Notice, Refusal, Send, Setback


@pytest.fixture
def session():
    return ListeningSession("token", Memory(["orders.*", "news"]))


def receive(session, *frames):
    return session.receive(json.dumps(list(frames)))


def test_it_opens_with_its_token(session):
    frame = json.loads(session.opening())
    assert (frame["type"], frame["token"]) == ("connect", "token")


def test_it_subscribes_to_all_patterns_when_it_is_connected(session):
    (sent,) = receive(session, {"type": "connected", "id": 0, "user": "ada"})
    assert json.loads(sent.text) == [
        {"type": "subscribe", "id": 1, "topic": "orders.*"},
        {"type": "subscribe", "id": 2, "topic": "news"},
    ]


def test_it_listens_when_the_last_subscription_holds(session):
    receive(session, {"type": "connected", "user": "ada"})
    assert receive(session, {"type": "subscribed", "id": 2, "topic": "news"}) == []
    assert receive(session, {"type": "subscribed", "id": 1, "topic": "orders.*"}) == [Listening("ada")]


def test_messages_are_heard(session):
    frame = {"type": "message", "topic": "orders.1", "at": 5, "data": {"a": 1}, "offset": 7, "from": "bob", "new": 1}
    assert receive(session, frame) == [Heard("orders.1", {"a": 1}, 5, offset=7, sender="bob")]


def test_a_ping_is_answered(session):
    assert receive(session, {"type": "ping"}) == [Send('{"type":"pong"}')]


@pytest.mark.parametrize(
    ("code", "is_of_token"),
    [("forbidden", True), ("unauthenticated", True), ("bad_request", False), ("too_large", False)],
)
def test_a_refusal_that_stays_names_the_pattern_and_tells_whether_it_is_of_the_token(session, code, is_of_token):
    (refusal,) = receive(session, {"type": "error", "id": 1, "code": code, "reason": "no right to it"})
    assert refusal == Refusal(f"orders.*: no right to it ({code})", is_of_token)


@pytest.mark.parametrize("code", ["overloaded", "unavailable", "timeout", "rate_limited", "internal", "newer"])
def test_what_may_be_better_later_is_tried_again(session, code):
    (setback,) = receive(session, {"type": "error", "id": 9, "code": code, "reason": "busy", "retry_after": 2.5})
    assert setback == Setback(f"busy ({code})", 2.5)


def test_a_drain_is_a_setback_with_its_own_wait(session):
    assert receive(session, {"type": "reconnect", "after": 0.3}) == [Setback("the gateway is about to stop", 0.3)]


def test_gaps_and_degradation_are_told(session):
    told = receive(
        session,
        {"type": "gap", "topic": "news", "epoch": "e", "offset": 7, "cause": "trimmed"},
        {"type": "degraded", "reason": "no broker"},
        {"type": "restored"},
    )
    assert told == [
        Notice("messages of news may be missing here: trimmed"),
        Notice("service degraded: no broker"),
        Notice("service restored"),
    ]


def test_what_a_newer_gateway_says_is_passed_over(session):
    assert receive(session, {"type": "joined", "topic": "news", "member": "bob"}) == []


@pytest.mark.parametrize("text", ["", "hello", "[1]", '"x"', '{"type":"message"}', '{"type":"message","topic":"a"}'])
def test_what_is_no_frame_is_one_kind_of_error(session, text):
    with pytest.raises(ValueError, match=r"."):
        session.receive(text)
