"""The session's states: coming online, losing a connection, coming back, stopping."""

import pytest

from penstock_client import Settings, State, errors
from penstock_client.effects import Close, Reconnect, Send, StateChanged, Stop
from penstock_client.states import TRANSITIONS, advance


def test_the_first_frame_is_connect_with_token_and_name(bench):
    b = bench()
    assert b.dial()[0] == StateChanged(State.CONNECTING)
    [frame] = b.sent(b.did)
    assert frame["type"] == "connect"
    assert frame["token"] == "secret"
    assert frame["client"]["name"] == "penstock-client-python"


def test_connected_puts_the_session_online(bench):
    b = bench()
    assert b.online() == [StateChanged(State.CONNECTED)]
    assert b.session.has_room
    assert b.session.counters.connections == 1


def test_a_ping_is_answered_with_pong(bench):
    b = bench()
    b.online()
    assert b.hear({"type": "ping"}) == [Send({"type": "pong"})]


def test_degraded_and_restored_are_states(bench):
    b = bench()
    b.online()
    assert b.hear({"type": "degraded", "reason": "broker away"}) == [StateChanged(State.DEGRADED)]
    assert b.hear({"type": "degraded"}) == []
    assert b.session.has_room
    assert b.hear({"type": "restored"}) == [StateChanged(State.CONNECTED)]
    assert b.hear({"type": "restored"}) == []


@pytest.mark.parametrize("code", [None, 1000, 1001, 1006, 1011, 4000, 4001, 4002, 4003, 4004, 4099, 4200])
def test_a_code_outside_41xx_lets_the_client_come_back(bench, code):
    b = bench()
    b.online()
    assert b.lose(code) == [StateChanged(State.WAITING), Reconnect(0.25)]


@pytest.mark.parametrize(
    ("code", "error"),
    [
        (4100, errors.NotAuthenticated),
        (4101, errors.BadToken),
        (4102, errors.TokenExpired),
        (4103, errors.Revoked),
        (4104, errors.TooManyConnections),
        (4105, errors.Flooding),
        (4106, errors.BadFrame),
        (4107, errors.FrameTooLarge),
        (4177, errors.ConnectionFailed),
    ],
)
def test_a_code_of_41xx_stops_the_client_with_its_own_error(bench, code, error):
    b = bench()
    b.online()
    *_, changed, stop = b.lose(code, reason="because")
    assert changed == StateChanged(State.CLOSED)
    assert isinstance(stop, Stop)
    assert type(stop.error) is error
    assert stop.error.close_code == code
    assert "because" in str(stop.error)
    assert b.lose(None) == []


def test_pauses_grow_by_full_jitter_up_to_20_seconds(bench):
    b = bench()
    pauses = []
    for _ in range(9):
        b.dial()
        pauses.append(b.lose(chance=0.999999)[-1].after)
    assert [round(pause, 3) for pause in pauses] == [0.5, 1, 2, 4, 8, 16, 20, 20, 20]
    b.dial()
    assert b.lose(chance=0.0)[-1] == Reconnect(0.0)


def test_pauses_begin_anew_after_30_seconds_of_life(bench):
    b = bench(Settings(silence=100))
    for _ in range(5):
        b.dial()
        b.lose()
    b.online()
    b.now += 29.9
    assert b.lose(chance=0.5)[-1].after == 8.0
    b.online()
    b.now += 30.0
    assert b.lose(chance=0.5)[-1].after == 0.25


def test_a_draining_gateway_is_left_when_it_says_and_returned_to_without_backoff(bench):
    b = bench()
    b.online()
    b.now += 10
    assert b.hear({"type": "reconnect", "after": 3}) == []
    assert b.wait(2.9) == []
    [close] = b.wait(0.2)
    assert isinstance(close, Close)
    assert b.lose(1000, chance=0.9)[-1] == Reconnect(0.0)


def test_a_gateway_that_drains_and_closes_at_once_is_returned_to_at_its_time(bench):
    b = bench()
    b.online()
    b.now += 10
    b.hear({"type": "reconnect", "after": 3})
    b.now += 1
    assert b.lose(4000, chance=0.9)[-1] == Reconnect(2.0)
    b.dial()
    assert b.lose(None, chance=1.0)[-1] == Reconnect(0.5)


def test_a_gateway_that_sends_us_away_the_moment_we_come_makes_no_tight_loop(bench):
    b = bench()
    b.online()
    b.hear({"type": "reconnect", "after": 0})
    assert b.lose(4000, chance=0.5)[-1] == Reconnect(0.25)
    b.online()
    b.hear({"type": "reconnect", "after": 0})
    assert b.lose(4000, chance=0.5)[-1] == Reconnect(0.5)


def test_thirty_five_seconds_of_silence_end_a_connection(bench):
    b = bench()
    b.online()
    b.wait(20)
    b.hear({"type": "ping"})
    assert b.wait(34.9) == []
    [close] = b.wait(0.1)
    assert isinstance(close, Close)
    assert "35 s" in close.reason
    assert b.session.counters.silences == 1
    assert b.session.deadline is None
    assert b.hear({"type": "ping"}) == []


def test_the_patience_follows_the_heartbeat_unless_it_is_set(bench):
    b = bench()
    b.online(heartbeat=5)
    assert b.session.deadline == b.now + 15
    b = bench(Settings(silence=0.5))
    b.online(heartbeat=5)
    assert b.session.deadline == b.now + 0.5


def test_a_connect_without_answer_ends_the_connection(bench):
    b = bench(Settings(connect_timeout=4))
    b.dial()
    assert b.session.deadline == b.now + 4
    assert isinstance(b.wait(4)[0], Close)


def test_a_connect_refused_for_now_is_repeated_no_sooner_than_asked(bench):
    b = bench()
    number = b.sent(b.dial())[0]["id"]
    error = {"type": "error", "id": number, "code": "unavailable", "reason": "no router", "retry_after": 7}
    assert isinstance(b.hear(error)[0], Close)
    assert b.lose(1000)[-1] == Reconnect(7.0)


def test_a_connect_refused_for_good_stops_the_client(bench):
    b = bench()
    number = b.sent(b.dial())[0]["id"]
    b.hear({"type": "error", "id": number, "code": "forbidden", "reason": "not you"})
    assert "not you" in str(b.lose(1000)[-1].error)


@pytest.mark.parametrize(
    "frame",
    [
        {},
        {"type": 7},
        {"type": ["message"]},
        {"type": "message", "topic": "t", "data": 1},
        {"type": "message", "topic": 5, "data": 1, "at": 1},
        {"type": "message", "topic": "t", "data": "%%%", "at": 1, "encoding": "base64"},
        {"type": "error", "id": 1},
        {"type": "error", "code": "x", "reason": "y", "retry_after": "soon"},
        {"type": "reconnect", "after": float("nan")},
        {"type": "reconnect", "after": -1},
        {"type": "gap", "topic": "t"},
        {"type": "connected", "id": 1},
    ],
)
def test_a_frame_that_breaks_the_protocol_ends_the_connection_and_not_the_client(bench, frame):
    b = bench()
    b.online()
    [close] = b.hear(frame)
    assert isinstance(close, Close)
    assert close.code == 1002
    assert b.session.counters.malformed == 1
    assert isinstance(b.lose(1002)[-1], Reconnect)


def test_unknown_types_and_fields_are_ignored(bench):
    b = bench()
    b.online(new_field={"x": 1})
    assert b.hear({"type": "sparkle", "x": 1}) == []
    assert b.session.has_room


def test_an_answer_to_nothing_is_ignored(bench):
    b = bench()
    b.online()
    for frame in (
        {"type": "ok", "id": 99},
        {"type": "subscribed", "id": 98, "topic": "t"},
        {"type": "error", "id": 97, "code": "forbidden", "reason": ""},
    ):
        assert b.hear(frame) == []


def test_a_connection_that_takes_nothing_is_left_once(bench):
    b = bench()
    b.online()
    assert isinstance(b.session.overwhelmed("full")[0], Close)
    assert b.session.overwhelmed("full") == []
    assert b.session.counters.send_queue_overflows == 1


def test_what_is_wanted_while_leaving_waits_for_the_next_connection(bench):
    b = bench()
    b.online()
    b.wait(35)
    assert b.session.subscribe(1, "a", b.now) == []
    assert b.session.publish(1, "b", 1, "k", b.now, 10) == []
    b.lose()
    assert [(frame["type"], frame["topic"]) for frame in b.sent(b.online())] == [("subscribe", "a"), ("publish", "b")]


def test_closing_is_final(bench):
    b = bench()
    b.online()
    effects = b.session.close()
    assert [type(effect) for effect in effects] == [Close, StateChanged]
    assert b.session.close() == []
    assert b.lose(None) == []
    assert b.wait(100) == []
    with pytest.raises(errors.Misuse):
        b.session.connecting(b.now)


def test_a_wrong_address_stops_a_client_that_was_never_connected_and_no_other(bench):
    wrong = errors.NotPenstock("HTTP 404")
    b = bench()
    b.session.connecting(b.now)
    assert b.session.refused(wrong, b.now, 0.5)[-1] == Stop(wrong)
    b = bench()
    b.online()
    b.lose()
    b.session.connecting(b.now)
    assert isinstance(b.session.refused(wrong, b.now, 0.5)[-1], Reconnect)


def test_only_the_transitions_of_the_table_are_legal():
    for current in State:
        for following in State:
            if following in TRANSITIONS[current]:
                assert advance(current, following) is following
            else:
                with pytest.raises(errors.Misuse):
                    advance(current, following)
    reached, todo = {State.IDLE}, [State.IDLE]
    while todo:
        for following in TRANSITIONS[todo.pop()] - reached:
            reached.add(following)
            todo.append(following)
    assert reached == set(State)
