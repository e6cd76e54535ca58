"""Clients need not wait for `connected` before they go on."""

import sys
from typing import Any

import pytest
from msgspec import Raw, Struct, json

from gateway.early import FRAME_BYTES, MAX_EARLY_BYTES, EarlyFrames, room
from gateway.effects import Effect, End, Leave
from gateway.session import Session
from gateway.settings import Limits
from gateway.states import State
from shared import envelopes, frames
from shared.codes import CloseCode
from shared.topics import MAX_BYTES
from tests.unit.gateway.test_session import LIMITS, START, asked, counted, ended, opened, publish, refusal, sent


def connecting(*early: Any) -> tuple[Session, int]:
    """A session whose token is being looked at, and the number of that request."""
    session = opened()
    request = asked(session.receive(frames.Connect(1, "t"), START)).id
    for frame in early:
        assert session.receive(frame, START) == []
    return session, request


def grant(session: Session, request: int) -> list[Effect]:
    """Let the client in, as a performer does."""
    effects = session.answer(envelopes.Granted(5, request, b"grant", "ann", 60, "jti"), START + 1)
    assert [frame["type"] for frame in sent(effects)] == ["connected"]
    return session.take_early()


def test_what_comes_before_connected_is_taken_after_it_in_order():
    session, request = connecting(frames.Subscribe(2, "a"), publish(3), frames.Unsubscribe(4, "a"))
    effects = grant(session, request)
    assert [type(effect).__name__ for effect in effects] == ["Join", "Ask", "Leave", "Send"]
    assert sent(effects) == [{"type": "ok", "id": 4}]
    assert session.topics == {}


def test_what_was_early_is_asked_about_with_the_grant():
    session, request = connecting(publish(2), frames.Refresh(3, "next"))
    assert [(effect.request.__class__, effect.grant) for effect in grant(session, request)] == [
        (envelopes.PublishRequest, b"grant"),
        (envelopes.RefreshRequest, b"grant"),
    ]


def test_nothing_is_taken_twice():
    session, request = connecting(publish(2))
    assert grant(session, request)
    assert session.take_early() == []


def test_a_client_that_waits_costs_nothing():
    session, request = connecting()
    assert session._early is None
    assert not grant(session, request)


def test_more_than_may_be_unanswered_is_overloaded_and_the_rest_goes_on():
    early = [publish(number) for number in range(2, 2 + LIMITS.max_pending)]
    session, request = connecting(*early)
    effects = session.receive(publish(99), START)
    assert refusal(effects) == (99, "overloaded")
    assert sent(effects)[0]["retry_after"] > 0
    assert counted(effects) == ["too_many_pending"]
    assert len(grant(session, request)) == LIMITS.max_pending


WIDE = "\U0001f4a3"
"""A character that makes each of its string as wide."""


def memory(value: Any) -> int:
    """Bytes of a frame and of all that it holds."""
    if isinstance(value, dict):
        return sys.getsizeof(value) + sum(memory(each) for pair in value.items() for each in pair)
    if isinstance(value, Raw):
        return 80 + len(bytes(value))
    size = sys.getsizeof(value)
    if isinstance(value, Struct):
        size += sum(memory(getattr(value, name)) for name in value.__struct_fields__)
    return size


@pytest.mark.parametrize(
    "frame",
    [
        frames.Subscribe(2, "a" * 200),
        frames.Subscribe(2, "a", frames.Since("e" * 64, 2**50)),
        frames.Subscribe(2, "#", frames.Since(at=1, topics={f"{n}": frames.Position(f"e{n}", n) for n in range(1000)})),
        frames.Subscribe(2, "#", frames.Since(at=1, topics={WIDE * 512: frames.Position(WIDE * 64, 7)})),
        frames.Publish(2, "a" * 200, Raw(b"1" * 5000), WIDE * 128),
        frames.Refresh(2, WIDE * 8192),
        frames.Refresh(2, "t" * 8192),
        frames.Unsubscribe(2, "a" * 200),
        frames.History(2, "a" * 200),
    ],
)
def test_a_frame_that_waits_is_reckoned_with_about_what_it_needs(frame: Any):
    need = memory(frame)
    assert not EarlyFrames().hold(frame, 1, int(need * 0.75)), "not less than that"
    assert EarlyFrames().hold(frame, 1, int(need * 1.5) + FRAME_BYTES), "and not much more"


def test_all_subscriptions_that_a_client_may_have_find_room_however_long_their_names():
    most = Limits().max_subscriptions
    for subscriptions in (most, 1000):
        early = EarlyFrames()
        for number in range(subscriptions):
            topic = f"{number:04}" + "a" * (MAX_BYTES - 4)
            since = frames.Since("e" * 36, 2**53 - 1)
            assert early.hold(frames.Subscribe(number, topic, since), subscriptions, room(subscriptions))
    assert room(most) < 100 * 1024


@pytest.mark.parametrize(
    "odd", [frames.Subscribe(9, WIDE * 512), frames.Unsubscribe(9, "a..b"), publish(9, "a.*"), frames.History(9, "#")]
)
def test_what_can_be_no_topic_is_refused_at_once_and_not_held(odd: Any):
    session, request = connecting()
    assert refusal(session.receive(odd, START))[0] == 9
    assert session._early is None
    assert grant(session, request) == []


@pytest.mark.parametrize(
    "large",
    [
        frames.Publish(99, "a", Raw(b'"' + b"x" * MAX_EARLY_BYTES + b'"')),
        frames.Refresh(99, "x" * (MAX_EARLY_BYTES + 1)),
    ],
)
def test_more_bytes_than_there_is_room_for_are_overloaded(large: frames.AnyClientFrame):
    session, _ = connecting(publish(2))
    assert refusal(session.receive(large, START)) == (99, "overloaded")
    assert session.receive(publish(3), START) == []


def test_a_number_that_waits_cannot_be_used_again():
    session, request = connecting(publish(2), publish(2))
    assert refusal(session.receive(publish(1), START)) == (1, "conflict")
    first, second = grant(session, request)
    assert asked([first]).payload == b'{"x":1}'
    assert refusal([second]) == (2, "conflict")


def test_a_second_connect_is_not_held():
    session, _ = connecting()
    assert refusal(session.receive(frames.Connect(2, "t"), START)) == (2, "conflict")


def test_what_was_early_is_gone_with_a_token_that_is_refused():
    session, request = connecting(frames.Subscribe(2, "a"))
    effects = session.answer(envelopes.Refused(5, request, "unauthenticated", "no", None, 4101), START)
    assert ended(effects) is CloseCode.BAD_TOKEN
    assert session.end() == []
    assert session.take_early() == []


def test_a_client_that_is_sent_away_as_it_is_let_in_leaves_nothing_that_it_never_joined():
    session, request = connecting(frames.Subscribe(2, "a"))
    effects = session.answer(envelopes.Granted(5, request, b"grant", "ann", 60, "jti"), START)
    assert not [effect for effect in effects if isinstance(effect, End | Leave)]
    assert session.end() == []
    assert session.state is State.ENDED


def test_a_small_payload_does_not_keep_the_large_message_that_it_came_in():
    message = b'[{"type":"publish","id":1,"topic":"a","data":1,"x":"' + b"x" * 10_000 + b'"}]'
    (frame,) = json.decode(message, type=list[frames.Publish])
    early = EarlyFrames()
    assert early.hold(frame, 1, MAX_EARLY_BYTES)
    assert not isinstance(memoryview(frame.data).obj, bytes) or len(memoryview(frame.data).obj) < 100
