"""One client, sentence by sentence of the protocol."""

from collections.abc import Iterable
from typing import Any

import pytest
from msgspec import Raw, to_builtins

from gateway.app import session_limits
from gateway.catchup import Place, held_by_all
from gateway.effects import (
    Ask,
    CatchUp,
    Count,
    Effect,
    End,
    Identify,
    Join,
    Leave,
    Replay,
    Send,
    SendHistory,
    TakeEarly,
)
from gateway.flood import FRAME_BYTES, FloodLimits
from gateway.session import Session, SessionLimits
from gateway.settings import GatewaySettings, Limits
from gateway.states import State
from gateway.subscribing import live
from shared import envelopes, frames
from shared.codes import CloseCode
from shared.envelopes import Encoding, Entry

LIMITS = SessionLimits(
    flood=FloodLimits(rate=10.0, burst=50, tolerance=5),
    max_subscriptions=4,
    max_pending=6,
    request_timeout=4.0,
    connect_timeout=5.0,
    heartbeat=25.0,
    heartbeat_grace=10.0,
)
START = 1000.0
LONG = 3600


def opened(limits: SessionLimits = LIMITS, **more: Any) -> Session:
    settings = {"address": "192.0.2.1", "encoding": Encoding.JSON, "first_ping": START + 7.0} | more
    return Session(5, "boot.5", limits, START, **settings)


def asked(effects: Iterable[Effect]) -> Any:
    """The one request to a router among these."""
    (request,) = [
        effect.request if isinstance(effect, Ask) else effect.ask.request
        for effect in effects
        if isinstance(effect, Ask | Join)
    ]
    return request


def sent(effects: Iterable[Effect]) -> list[dict[str, Any]]:
    return [to_builtins(effect.frame) for effect in effects if isinstance(effect, Send)]


def ended(effects: Iterable[Effect]) -> CloseCode | None:
    codes = [effect.code for effect in effects if isinstance(effect, End)]
    assert len(codes) <= 1
    return codes[0] if codes else None


def counted(effects: Iterable[Effect]) -> list[str]:
    return [effect.counter for effect in effects if isinstance(effect, Count)]


def refusal(effects: Iterable[Effect]) -> tuple[int | None, str]:
    (frame,) = sent(effects)
    assert frame["type"] == "error"
    assert frame["reason"]
    return frame.get("id"), frame["code"]


def active(limits: SessionLimits = LIMITS, expires_in: int = LONG, **more: Any) -> Session:
    session = opened(limits, **more)
    request = asked(session.receive(frames.Connect(1, "t"), START))
    session.answer(envelopes.Granted(5, request.id, b"grant", "ann", expires_in, "jti"), START)
    return session


def publish(request: int, topic: str = "a", **more: Any) -> frames.Publish:
    return frames.Publish(request, topic, Raw(b'{"x":1}'), **more)


def subscribed(session: Session, topic: str, request: int = 100) -> Session:
    number = asked(session.receive(frames.Subscribe(request, topic), START)).id
    (_, replay) = session.answer(envelopes.SubscribeAllowed(5, number, topic), START)
    assert isinstance(replay, Replay)
    live(session.topics, topic, replay.joining)
    return session


def entry(topic: str = "a", payload: bytes = b"1") -> Entry:
    return Entry(topic, payload, Encoding.JSON, 0)


class TestConnecting:
    def test_connect_asks_a_router_about_the_token_from_the_address(self) -> None:
        session = opened()
        (ask,) = session.receive(frames.Connect(1, "token"), START)
        assert isinstance(ask, Ask)
        assert (ask.key, ask.grant) == (None, None), "any router can look at a token"
        assert ask.request == envelopes.ConnectRequest(5, ask.request.id, "token", "192.0.2.1")
        assert session.state is State.AUTHENTICATING

    def test_connected_tells_session_user_heartbeat_and_how_long_the_token_is_good(self) -> None:
        session = opened()
        request = asked(session.receive(frames.Connect(7, "t"), START))
        effects = session.answer(envelopes.Granted(5, request.id, b"g", "ann", 60, "j"), START)
        assert effects[0] == Identify("ann"), "first, so that one connection too many is told nothing else"
        assert sent(effects) == [
            {"type": "connected", "id": 7, "session": "boot.5", "user": "ann", "heartbeat": 25, "expires_in": 60}
        ]
        assert session.state is State.ACTIVE

    @pytest.mark.parametrize(("token", "used"), [("", "bearer"), ("own", "own")])
    def test_the_token_of_the_handshake_is_used_where_the_frame_has_none(self, token: str, used: str) -> None:
        session = opened(bearer="bearer")
        assert asked(session.receive(frames.Connect(1, token), START)).token == used

    def test_a_connect_that_does_not_come_in_five_seconds_ends_with_4100(self) -> None:
        session = opened()
        assert session.deadline == START + 5.0
        assert session.tick(START + 4.9) == []
        assert ended(session.tick(START + 5.0)) is CloseCode.NOT_AUTHENTICATED_IN_TIME

    def test_other_frames_do_not_put_that_off(self) -> None:
        session = opened()
        assert refusal(session.receive(frames.Subscribe(1, "a"), START + 4.0)) == (1, "unauthenticated")
        session.receive(frames.Pong(), START + 4.5)
        assert ended(session.tick(START + 5.0)) is CloseCode.NOT_AUTHENTICATED_IN_TIME

    @pytest.mark.parametrize(
        "frame", [frames.Subscribe(3, "a"), frames.Unsubscribe(3, "a"), publish(3), frames.Refresh(3, "t")]
    )
    def test_a_request_before_connect_is_unauthenticated(self, frame: frames.AnyClientFrame) -> None:
        session = opened()
        assert refusal(session.receive(frame, START)) == (3, "unauthenticated")
        assert session.topics == {}

    @pytest.mark.parametrize("code", [CloseCode.BAD_TOKEN, CloseCode.TOKEN_EXPIRED, CloseCode.REVOKED])
    def test_a_token_that_is_refused_ends_the_connection_as_the_router_says(self, code: CloseCode) -> None:
        session = opened()
        request = asked(session.receive(frames.Connect(1, "t"), START))
        effects = session.answer(envelopes.Refused(5, request.id, "unauthenticated", "no", None, int(code)), START)
        assert refusal(effects) == (1, "unauthenticated")
        assert ended(effects) is code

    @pytest.mark.parametrize("code", ["unavailable", "overloaded", "timeout", "rate_limited"])
    def test_a_token_that_could_not_be_asked_about_lets_the_client_come_back(self, code: str) -> None:
        session = opened()
        request = asked(session.receive(frames.Connect(1, "t"), START))
        effects = session.answer(envelopes.Refused(5, request.id, code, "not now", 2.0), START)
        assert sent(effects)[0]["retry_after"] == 2.0
        assert ended(effects) is CloseCode.DEGRADED

    def test_a_router_that_says_nothing_of_the_token_ends_the_connection_in_time(self) -> None:
        session = opened()
        session.receive(frames.Connect(1, "t"), START + 4.0)
        assert session.tick(START + 5.0) == [], "the connect frame came in time"
        assert session.deadline == START + 8.0
        effects = session.tick(START + 8.0)
        assert refusal(effects) == (1, "timeout")
        assert ended(effects) is CloseCode.DEGRADED

    def test_a_second_connect_is_a_conflict_and_changes_nothing(self) -> None:
        session = active()
        assert refusal(session.receive(frames.Connect(2, "other"), START)) == (2, "conflict")
        assert session.state is State.ACTIVE

    def test_a_code_that_this_release_does_not_know_is_passed_on_and_its_range_is_kept(self) -> None:
        session = opened()
        request = asked(session.receive(frames.Connect(1, "t"), START))
        effects = session.answer(envelopes.Refused(5, request.id, "payment_required", "no", None, 4177), START)
        assert refusal(effects) == (1, "payment_required")
        assert ended(effects) is CloseCode.REVOKED


class TestPublishing:
    def test_publish_asks_under_the_topic_with_the_grant_and_the_bytes_as_they_came(self) -> None:
        (ask,) = active().receive(publish(9, "a.b", key="k"), START)
        assert isinstance(ask, Ask)
        assert (ask.key, ask.grant) == ("a.b", b"grant")
        assert ask.request == envelopes.PublishRequest(5, ask.request.id, 0, "a.b", b'{"x":1}', Encoding.JSON, "k")

    def test_ok_carries_offset_and_epoch_where_the_topic_has_a_log(self) -> None:
        session = active()
        number = asked(session.receive(publish(9), START)).id
        effects = session.answer(envelopes.Published(5, number, "e", 0), START)
        assert sent(effects) == [{"type": "ok", "id": 9, "offset": 0, "epoch": "e"}]
        number = asked(session.receive(publish(10), START)).id
        assert sent(session.answer(envelopes.Published(5, number), START)) == [{"type": "ok", "id": 10}]

    @pytest.mark.parametrize("topic", ["", "a.*", "#", "a b", "x" * 201, "a\n"])
    @pytest.mark.parametrize("ask", [publish, frames.History, frames.Presence])
    def test_only_a_topic_can_be_published_on_read_or_asked_who_is_there(self, topic: str, ask: Any) -> None:
        session = active()
        assert refusal(session.receive(ask(9, topic), START)) == (9, "bad_request")
        assert session.pending == {}

    def test_a_refusal_says_which_request_needs_one_topic(self) -> None:
        (refused,) = sent(active().receive(frames.Presence(9, "a.*"), START))
        assert refused["reason"] == "presence needs one topic, and a.* is a pattern"

    @pytest.mark.parametrize("code", ["forbidden", "rate_limited", "too_large", "bad_request", "internal"])
    def test_a_refusal_is_passed_on_with_its_reason_and_the_connection_stays(self, code: str) -> None:
        session = active()
        number = asked(session.receive(publish(9), START)).id
        effects = session.answer(envelopes.Refused(5, number, code, "why", 0.25), START)
        assert sent(effects) == [{"type": "error", "id": 9, "code": code, "reason": "why", "retry_after": 0.25}]
        assert ended(effects) is None

    def test_a_router_may_end_the_connection_with_any_answer(self) -> None:
        session = active()
        number = asked(session.receive(publish(9), START)).id
        assert ended(session.answer(envelopes.Refused(5, number, "forbidden", "r", None, 4103), START)) is (
            CloseCode.REVOKED
        )


class TestAnswers:
    def test_a_request_without_an_answer_is_told_timeout_and_a_late_answer_is_dropped(self) -> None:
        session = active()
        number = asked(session.receive(publish(9), START)).id
        effects = session.expire(number, START + 4.0)
        assert refusal(effects) == (9, "timeout")
        assert counted(effects) == ["request_timeouts"]
        assert session.answer(envelopes.Published(5, number), START + 5.0) == [Count("late_replies")]

    def test_the_time_of_an_answered_request_is_no_matter(self) -> None:
        session = active()
        number = asked(session.receive(publish(9), START)).id
        session.answer(envelopes.Published(5, number), START)
        assert session.expire(number, START + 4.0) == []

    def test_a_late_answer_is_never_taken_for_that_of_a_request_with_the_same_number_of_the_client(self) -> None:
        session = active()
        late = asked(session.receive(frames.Subscribe(9, "allowed"), START)).id
        session.expire(late, START + 4.0)
        session.receive(frames.Subscribe(9, "forbidden"), START + 4.0)
        assert session.answer(envelopes.SubscribeAllowed(5, late, "allowed"), START + 4.1) == [Count("late_replies")]
        assert session.topics["forbidden"] is not None, "joining still"
        late = asked(session.receive(publish(10), START)).id
        session.expire(late, START + 8.0)
        session.receive(publish(10), START + 8.0)
        assert session.answer(envelopes.Published(5, late), START + 8.1) == [Count("late_replies")]

    def test_a_number_that_waits_for_its_answer_cannot_be_used_again_until_then(self) -> None:
        session = subscribed(active(), "t")
        number = asked(session.receive(publish(9), START)).id
        for frame in (publish(9), frames.Subscribe(9, "a"), frames.Unsubscribe(9, "t"), frames.Refresh(9, "t")):
            assert refusal(session.receive(frame, START)) == (9, "conflict")
        assert session.topics == {"t": None}
        session.answer(envelopes.Published(5, number), START)
        assert asked(session.receive(publish(9), START)).id != number

    def test_more_requests_than_may_wait_are_told_to_come_later(self) -> None:
        session = active()
        for number in range(LIMITS.max_pending):
            asked(session.receive(publish(number), START))
        effects = session.receive(publish(99), START)
        assert refusal(effects) == (99, "overloaded")
        assert sent(effects)[0]["retry_after"] > 0
        assert counted(effects) == ["too_many_pending"]

    @pytest.mark.parametrize(
        "reply",
        [envelopes.Probed(5, 0), envelopes.Granted(5, 0, b"g", "eve", 60), envelopes.SubscribeAllowed(5, 0, "a")],
    )
    def test_an_answer_of_another_kind_is_an_internal_error_and_nothing_is_left_of_the_request(
        self, reply: envelopes.AnyReply
    ) -> None:
        session = active()
        reply.id = asked(session.receive(publish(9), START)).id
        effects = session.answer(reply, START)
        assert refusal(effects) == (9, "internal")
        assert counted(effects) == ["odd_replies"]
        assert (session.pending, session.user, session.topics) == ({}, "ann", {})

    def test_an_odd_answer_to_a_subscription_takes_the_subscription_back(self) -> None:
        session = active()
        number = asked(session.receive(frames.Subscribe(9, "a"), START)).id
        effects = session.answer(envelopes.Published(5, number), START)
        assert [type(effect) for effect in effects] == [Count, Send, Leave]
        assert session.topics == {}

    def test_an_odd_answer_to_connect_ends_the_connection(self) -> None:
        session = opened()
        number = asked(session.receive(frames.Connect(1, "t"), START)).id
        assert ended(session.answer(envelopes.Published(5, number), START)) is CloseCode.DEGRADED


class TestSubscribing:
    @pytest.mark.parametrize("topic", ["a.b", "a.*", "#"])
    def test_what_comes_is_held_before_the_router_is_asked(self, topic: str) -> None:
        session = active()
        (join,) = session.receive(frames.Subscribe(9, topic), START)
        assert isinstance(join, Join)
        assert join.topic == topic
        assert join.joining is session.topics[topic]
        assert (join.ask.key, join.ask.grant) == (None, b"grant")
        assert join.ask.request == envelopes.SubscribeRequest(5, join.ask.request.id, 0, topic, False)

    def test_the_router_is_told_that_a_client_resumes(self) -> None:
        frame = frames.Subscribe(9, "a", frames.Position("e", 3))
        assert asked(active().receive(frame, START)).resume is True

    def test_subscribed_comes_first_then_what_was_held(self) -> None:
        session = active()
        (join,) = session.receive(frames.Subscribe(9, "a"), START)
        assert isinstance(join, Join)
        held = entry()
        join.joining.hold(held)
        effects = session.answer(envelopes.SubscribeAllowed(5, join.ask.request.id, "a", None, None, False), START)
        assert sent(effects[:1]) == [{"type": "subscribed", "id": 9, "topic": "a", "recovered": False}]
        assert effects[1:] == [Replay("a", join.joining, ())]
        assert join.joining.entries == [held]
        assert session.topics == {"a": join.joining}, "live only when that is sent"

    def test_a_topic_with_a_log_is_caught_up_with_before_it_is_live(self) -> None:
        session = active()
        since = frames.Since("e", 4)
        (join,) = session.receive(frames.Subscribe(9, "a", since, 3), START)
        assert isinstance(join, Join)
        assert join.ask.request.resume
        effects = session.answer(envelopes.SubscribeAllowed(5, join.ask.request.id, "a", "e", 7), START)
        assert effects == [CatchUp(9, "a", join.joining, Place("e", 7), since, 3)]
        assert session.topics == {"a": join.joining}, "not live yet"

    def test_a_history_is_asked_for_and_handed_on(self) -> None:
        session = active()
        request = asked(session.receive(frames.History(9, "a", 10, before=5), START))
        assert request == envelopes.HistoryRequest(5, request.id, 0, "a", 10, 5, None)
        read = envelopes.HistoryRead(5, request.id, "a", "e", 7, [])
        assert session.answer(read, START) == [SendHistory(9, read)]
        assert refusal(session.receive(frames.History(10, "a.*"), START)) == (10, "bad_request")

    def test_recovered_is_absent_where_the_client_did_not_say_where_it_left_off(self) -> None:
        session = active()
        number = asked(session.receive(frames.Subscribe(9, "a"), START)).id
        effects = session.answer(envelopes.SubscribeAllowed(5, number, "a"), START)
        assert sent(effects) == [{"type": "subscribed", "id": 9, "topic": "a"}]

    @pytest.mark.parametrize("topic", ["", "a..b", "a*", "x" * 201, "ä", "a\r\nb"])
    def test_only_topics_and_patterns_can_be_subscribed(self, topic: str) -> None:
        session = active()
        assert refusal(session.receive(frames.Subscribe(9, topic), START)) == (9, "bad_request")
        assert session.topics == {}

    def test_a_subscription_that_is_refused_is_taken_back(self) -> None:
        session = active()
        (join,) = session.receive(frames.Subscribe(9, "a"), START)
        assert isinstance(join, Join)
        effects = session.answer(envelopes.Refused(5, join.ask.request.id, "forbidden", "why"), START)
        assert refusal(effects) == (9, "forbidden")
        assert effects[1:] == [Leave("a", join.joining)]
        assert session.topics == {}
        assert isinstance(session.receive(frames.Subscribe(10, "a"), START)[0], Join), "it may be tried again"

    @pytest.mark.parametrize("live", [False, True])
    def test_a_topic_cannot_be_subscribed_twice(self, live: bool) -> None:
        session = active()
        number = asked(session.receive(frames.Subscribe(9, "a"), START)).id
        if live:
            session.answer(envelopes.SubscribeAllowed(5, number, "a"), START)
        assert refusal(session.receive(frames.Subscribe(10, "a"), START)) == (10, "conflict")

    def test_a_connection_has_so_many_subscriptions_and_no_more(self) -> None:
        session = active()
        for number in range(LIMITS.max_subscriptions):
            subscribed(session, f"t.{number}", 10 + number)
        effects = session.receive(frames.Subscribe(99, "t.more"), START)
        assert refusal(effects) == (99, "forbidden")
        assert counted(effects) == ["too_many_subscriptions"]
        session.receive(frames.Unsubscribe(98, "t.0"), START)
        assert isinstance(session.receive(frames.Subscribe(99, "t.more"), START)[0], Join)

    def test_more_than_can_be_held_while_joining_ends_as_slow(self) -> None:
        session = active()
        (join,) = session.receive(frames.Subscribe(9, "a"), START)
        assert isinstance(join, Join)
        join.joining.overflowed = True
        effects = session.answer(envelopes.SubscribeAllowed(5, join.ask.request.id, "a"), START)
        assert ended(effects) is CloseCode.SLOW
        assert sent(effects) == []

    def test_what_two_subscriptions_hold_is_held_for_the_first_that_goes_live_and_in_order(self) -> None:
        session = active()
        first, second = (session.receive(frames.Subscribe(n, t), START)[0] for n, t in ((9, "a.*"), (10, "a.b")))
        assert isinstance(first, Join)
        assert isinstance(second, Join)
        before, both, other = entry("a.b", b"1"), entry("a.b", b"2"), entry("a.c", b"3")
        for one in (before, both, other):
            first.joining.hold(one)
        second.joining.hold(both)
        joinings = [joining for joining in session.topics.values() if joining is not None]
        assert held_by_all(joinings, "a.b") == [before, both]
        for joining in joinings:
            joining.drop([before, both])
        assert held_by_all(joinings, "a.*") == [other]


class TestUnsubscribing:
    def test_a_live_subscription_ends_with_ok(self) -> None:
        session = subscribed(active(), "a")
        effects = session.receive(frames.Unsubscribe(9, "a"), START)
        assert effects[0] == Leave("a", None)
        assert sent(effects) == [{"type": "ok", "id": 9}]
        assert session.topics == {}

    @pytest.mark.parametrize("topic", ["b", "a.*", "not a topic", ""])
    def test_what_is_not_subscribed_is_not_found(self, topic: str) -> None:
        assert refusal(subscribed(active(), "a").receive(frames.Unsubscribe(9, topic), START)) == (9, "not_found")

    def test_a_subscription_taken_back_before_its_answer_does_not_go_live(self) -> None:
        session = active()
        (join,) = session.receive(frames.Subscribe(9, "a"), START)
        assert isinstance(join, Join)
        assert session.receive(frames.Unsubscribe(10, "a"), START)[0] == Leave("a", join.joining)
        effects = session.answer(envelopes.SubscribeAllowed(5, join.ask.request.id, "a"), START)
        assert refusal(effects) == (9, "conflict"), "subscribed would not be true"
        assert len(effects) == 1

    @pytest.mark.parametrize("allowed", [False, True])
    def test_a_topic_taken_back_and_asked_for_again_waits_for_its_own_answer(self, allowed: bool) -> None:
        session = active()
        (first,) = session.receive(frames.Subscribe(9, "a"), START)
        session.receive(frames.Unsubscribe(10, "a"), START)
        (second,) = session.receive(frames.Subscribe(11, "a"), START)
        assert isinstance(first, Join)
        assert isinstance(second, Join)
        number = first.ask.request.id
        reply: envelopes.AnyReply = (
            envelopes.SubscribeAllowed(5, number, "a") if allowed else envelopes.Refused(5, number, "forbidden", "no")
        )
        effects = session.answer(reply, START)
        assert [type(effect) for effect in effects] == [Send]
        assert session.topics == {"a": second.joining}
        effects = session.answer(envelopes.SubscribeAllowed(5, second.ask.request.id, "a"), START)
        assert effects[1:] == [Replay("a", second.joining, ())]


class TestTokens:
    def test_a_connection_ends_when_its_token_does(self) -> None:
        session = active(expires_in=20)
        session.tick(START + 7.0)
        session.receive(frames.Pong(), START + 8.0)
        assert session.tick(START + 19.9) == []
        assert ended(session.tick(START + 20.0)) is CloseCode.TOKEN_EXPIRED

    def test_refresh_asks_with_the_new_token_the_old_grant_and_all_that_is_subscribed(self) -> None:
        session = subscribed(subscribed(active(), "a", 50), "b.*", 51)
        (ask,) = session.receive(frames.Refresh(9, "new"), START)
        assert isinstance(ask, Ask)
        assert (ask.key, ask.grant) == ("boot.5", b"grant")
        assert ask.request == envelopes.RefreshRequest(5, ask.request.id, 0, "new", ("a", "b.*"))

    def test_a_refreshed_token_puts_the_end_off_and_its_grant_goes_along_from_then_on(self) -> None:
        session = active(expires_in=20)
        number = asked(session.receive(frames.Refresh(9, "new"), START)).id
        effects = session.answer(envelopes.Refreshed(5, number, b"grant2", "ann", 60), START + 10.0)
        assert sent(effects) == [{"type": "ok", "id": 9, "expires_in": 60}]
        assert session.expires == START + 70.0
        (ask,) = session.receive(publish(10), START)
        assert isinstance(ask, Ask)
        assert ask.grant == b"grant2"

    def test_a_subscription_asked_for_while_a_token_is_refreshed_waits_for_the_new_grant(self) -> None:
        session = active()
        number = asked(session.receive(frames.Refresh(9, "new"), START)).id
        assert session.receive(frames.Subscribe(10, "a"), START) == []
        assert session.receive(frames.Unsubscribe(11, "x"), START) == []
        effects = session.answer(envelopes.Refreshed(5, number, b"narrower", "ann", 60), START)
        assert effects[-1] == TakeEarly()
        join, answer = session.take_early()
        assert isinstance(join, Join)
        assert join.ask.grant == b"narrower"
        assert sent([answer])[0]["code"] == "not_found"

    def test_a_subscription_that_waited_for_a_refused_refresh_goes_on_with_the_old_grant(self) -> None:
        session = active()
        number = asked(session.receive(frames.Refresh(9, "new"), START)).id
        session.receive(frames.Subscribe(10, "a"), START)
        effects = session.answer(envelopes.Refused(5, number, "unauthenticated", "no good"), START)
        assert effects[-1] == TakeEarly()
        (join,) = session.take_early()
        assert isinstance(join, Join)
        assert join.ask.grant == b"grant"

    def test_what_the_new_token_does_not_cover_ends_and_the_client_is_told(self) -> None:
        session = subscribed(subscribed(active(), "a", 50), "b", 51)
        number = asked(session.receive(frames.Refresh(9, "new"), START)).id
        session.receive(frames.Unsubscribe(10, "b"), START)
        effects = session.answer(envelopes.Refreshed(5, number, b"g", "ann", 60, ("a", "b")), START)
        assert [effect for effect in effects if isinstance(effect, Leave)] == [Leave("a", None)]
        ok, lost = sent(effects)
        assert (ok["type"], lost["code"]) == ("ok", "forbidden")
        assert "id" not in lost
        assert "to a ended" in lost["reason"]
        assert session.topics == {}

    def test_a_refused_refresh_leaves_the_old_token_in_force(self) -> None:
        session = active(expires_in=20)
        number = asked(session.receive(frames.Refresh(9, "new"), START)).id
        effects = session.answer(envelopes.Refused(5, number, "unauthenticated", "bad token"), START)
        assert refusal(effects) == (9, "unauthenticated")
        assert ended(effects) is None
        assert (session.grant, session.expires) == (b"grant", START + 20.0)


class TestHeartbeat:
    def test_the_first_ping_comes_when_it_was_told_and_then_every_25_seconds(self) -> None:
        session = active()
        assert session.tick(START + 6.9) == []
        for now in (START + 7.0, START + 32.0, START + 57.0):
            assert session.deadline == now
            assert sent(session.tick(now)) == [{"type": "ping"}]
            session.receive(frames.Pong(), now + 1.0)
            session.tick(session.deadline)

    def test_a_client_silent_for_ten_seconds_after_a_ping_ends_with_4001(self) -> None:
        session = active()
        session.tick(START + 7.0)
        assert session.deadline == START + 17.0
        assert session.tick(START + 16.9) == []
        assert ended(session.tick(START + 17.0)) is CloseCode.NO_HEARTBEAT

    @pytest.mark.parametrize("sign", ["pong", "publish", "bad", "control"])
    def test_any_sign_of_life_answers_a_ping(self, sign: str) -> None:
        session = active()
        session.tick(START + 7.0)
        now = START + 16.0
        if sign == "bad":
            session.refuse("no frame", None, now)
        elif sign == "control":
            assert session.hear(now) == []
        else:
            session.receive(frames.Pong() if sign == "pong" else publish(3), now)
        assert session.tick(START + 17.0) == []
        assert session.deadline == START + 32.0

    def test_what_was_heard_before_the_ping_is_no_answer(self) -> None:
        session = active()
        session.receive(frames.Pong(), START + 6.9)
        session.tick(START + 7.0)
        assert ended(session.tick(START + 17.0)) is CloseCode.NO_HEARTBEAT

    def test_a_grace_longer_than_the_heartbeat_still_ends(self) -> None:
        limits = SessionLimits(LIMITS.flood, 4, 6, 4.0, 5.0, heartbeat=3.0, heartbeat_grace=10.0)
        session = active(limits)
        codes = [ended(session.tick(START + 7.0 + seconds)) for seconds in range(11)]
        assert codes == [None] * 10 + [CloseCode.NO_HEARTBEAT]

    def test_nobody_is_pinged_before_the_token_was_found_good(self) -> None:
        session = opened(first_ping=START + 1.0)
        assert session.tick(START + 2.0) == []
        session.receive(frames.Connect(1, "t"), START + 3.0)
        assert session.tick(START + 4.0) == []


class TestFlooding:
    def flood(self, session: Session, count: int) -> list[list[Effect]]:
        return [session.receive(frames.Pong(), START) for _ in range(count)]

    def test_more_frames_than_the_burst_are_rate_limited_with_a_time_to_wait(self) -> None:
        session = active()
        self.flood(session, LIMITS.flood.burst - 1)
        effects = session.receive(publish(9), START)
        assert sent(effects)[0] == {
            "type": "error",
            "id": 9,
            "code": "rate_limited",
            "reason": "more than 10 frames a second",
            "retry_after": 0.1,
        }
        assert counted(effects) == ["rate_limited"]
        assert session.pending == {}

    @pytest.mark.parametrize("by", ["frames", "bad frames", "fragments", "before connect"])
    def test_a_client_that_goes_on_is_closed_with_4105(self, by: str) -> None:
        session = opened() if by == "before connect" else active()
        deeds = {"bad frames": lambda: session.refuse("no", None, START), "fragments": lambda: session.hear(START)}
        deed = deeds.get(by, lambda: session.receive(frames.Pong(), START))
        burst = LIMITS.flood.burst - (LIMITS.withheld if by == "before connect" else 0)
        codes = [ended(deed()) for _ in range(burst + LIMITS.flood.tolerance + 1)]
        assert codes[-1] is CloseCode.FLOODING
        assert set(codes[:-2]) == {None}

    def test_a_large_message_counts_by_its_bytes_before_it_is_read(self) -> None:
        session = active()
        while not (effects := session.weigh(16 * FRAME_BYTES, START)):
            pass
        assert refusal([effects[0]]) == (None, "rate_limited")
        assert counted(effects) == ["rate_limited"]
        assert refusal([session.receive(publish(9), START)[0]]) == (9, "rate_limited"), "it is paid for by what follows"

    @pytest.mark.parametrize(("session", "most"), [(opened(), 4), (active(), LIMITS.flood.tolerance + 2)])
    def test_who_is_not_known_is_flooding_the_sooner_the_more_it_sends(self, session: Session, most: int) -> None:
        refused = 0
        while ended(effects := session.weigh(4 * FRAME_BYTES, START)) is None:
            refused += bool(effects)
            assert refused < most

    def test_a_client_that_comes_back_with_everything_in_one_message_is_not_too_fast(self) -> None:
        limits = Limits()
        flood = FloodLimits(limits.frame_rate, limits.frame_burst, limits.flood_tolerance)
        session = opened(SessionLimits(flood, limits.max_subscriptions, 256, 4.0, 5.0, 25.0, 10.0))
        assert session.weigh(limits.max_early_frame_bytes, START) == []
        asked(session.receive(frames.Connect(0, "t" * 8192), START))
        for number in range(1, limits.max_subscriptions + 1):
            assert session.receive(frames.Subscribe(number, f"t.{number}"), START) == []

    def test_who_comes_back_may_say_of_every_subscription_where_a_thousand_topics_stood(self) -> None:
        """Resuming never counts against a rate limit, however many bytes it takes to say where one left off."""
        limits = session_limits(GatewaySettings(broker_url="amqp://localhost"))
        session = active(limits)
        sizes = [Limits().max_frame_bytes] * limits.max_subscriptions
        assert [session.weigh(size, START) for size in sizes] == [[]] * len(sizes)
        for number in range(1, limits.max_subscriptions + 1):
            assert asked(session.receive(frames.Subscribe(number, f"t.{number}.#"), START))
        more = [session.weigh(size, START) for size in sizes]
        assert more[-1], "what comes beside it counts as ever"

    def test_a_client_may_take_up_all_its_subscriptions_at_once_when_it_comes_back(self) -> None:
        """Resuming never counts against a rate limit: what a gateway allows by default leaves room for it."""
        limits = Limits()
        assert limits.frame_burst > limits.max_subscriptions + 1
        assert limits.max_pending_requests >= limits.max_subscriptions

    def test_a_bad_frame_is_answered_with_bad_request_and_its_number(self) -> None:
        effects = active().refuse("not a frame", 9, START)
        assert refusal(effects) == (9, "bad_request")
        assert counted(effects) == ["bad_requests"]


class TestKicks:
    @pytest.mark.parametrize(
        ("kick", "meant"),
        [
            (envelopes.Kick(), False),
            (envelopes.Kick(user="ann"), True),
            (envelopes.Kick(user="bob"), False),
            (envelopes.Kick(session="boot.5"), True),
            (envelopes.Kick(jti="jti"), True),
            (envelopes.Kick(user="ann", jti="other"), False),
            (envelopes.Kick(user="ann", session="boot.5", jti="jti"), True),
            (envelopes.Kick(user="", session="", jti=""), False),
        ],
    )
    def test_a_session_is_meant_where_every_field_that_is_given_is_its_own(
        self, kick: envelopes.Kick, meant: bool
    ) -> None:
        assert active().is_meant_by(kick) is meant

    def test_who_has_not_said_who_it_is_is_meant_by_its_session_alone(self) -> None:
        assert not opened().is_meant_by(envelopes.Kick(user="ann"))
        assert opened().is_meant_by(envelopes.Kick(session="boot.5"))


class TestEnding:
    def test_everything_is_let_go_of_once(self) -> None:
        session = subscribed(active(), "a")
        (join,) = session.receive(frames.Subscribe(9, "b.#"), START)
        assert isinstance(join, Join)
        assert session.end() == [Leave("a", None), Leave("b.#", join.joining)]
        assert session.end() == []
        assert session.state is State.ENDED

    def test_after_the_end_nothing_is_said_any_more(self) -> None:
        session = subscribed(active(), "a")
        number = asked(session.receive(publish(9), START)).id
        session.end()
        late = START + 10_000.0
        assert session.receive(publish(10), late) == []
        assert session.receive(frames.Connect(11, "t"), late) == []
        assert session.refuse("no frame", 12, late) == []
        assert session.hear(late) == []
        assert session.tick(late) == []
        assert session.expire(number, late) == []
        assert session.answer(envelopes.Published(5, number), late) == [Count("late_replies")]
