"""Tokens: renewed before they end, replaced once when refused."""

import pytest

from penstock_client import errors
from penstock_client.effects import FetchToken, Reconnect, Stop, Warn
from penstock_client.renewal import renew_in


@pytest.mark.parametrize(
    ("expires_in", "wait"), [(3600, 2880), (100, 80), (25, 20), (20, 15), (12, 7), (10, 5), (4, 2), (1, 1), (0, 1)]
)
def test_a_token_is_renewed_at_80_percent_and_5_seconds_before_its_end_at_the_latest(expires_in, wait):
    assert renew_in(expires_in) == wait


def provided(bench, **fields):
    b = bench(token=None, renewable=True)
    assert b.session.needs_token(b.now)
    b.session.token_obtained("first", b.now)
    b.online(heartbeat=10_000, **fields)
    return b


def test_a_provider_is_asked_before_the_token_ends_and_the_new_one_is_sent(bench):
    b = provided(bench, expires_in=100)
    assert b.session.deadline == b.now + 80
    assert b.wait(79.9) == []
    assert b.wait(0.1) == [FetchToken()]
    assert b.wait(1) == []
    [frame] = b.sent(b.session.token_obtained("second", b.now))
    assert (frame["type"], frame["token"]) == ("refresh", "second")
    assert b.hear({"type": "ok", "id": frame["id"], "expires_in": 50}) == []
    assert b.wait(39.9) == []
    assert b.wait(0.1) == [FetchToken()]
    assert b.session.counters.renewals == 1


def test_a_fixed_token_is_never_asked_for(bench):
    b = bench()
    b.online(expires_in=10, heartbeat=10_000)
    assert b.wait(60) == []
    assert not b.session.needs_token(b.now)


def test_a_provider_without_token_is_asked_again(bench):
    b = provided(bench, expires_in=100)
    b.wait(80)
    b.session.token_missing(b.now)
    assert b.wait(4.9) == []
    assert b.wait(0.1) == [FetchToken()]


def test_a_refused_refresh_is_tried_again_with_another_token(bench):
    b = provided(bench, expires_in=100)
    b.wait(80)
    [frame] = b.sent(b.session.token_obtained("second", b.now))
    [warn] = b.hear({"type": "error", "id": frame["id"], "code": "unauthenticated", "reason": "bad"})
    assert isinstance(warn, Warn)
    assert "second" not in warn.text
    assert b.wait(5) == [FetchToken()]


def test_an_unanswered_refresh_is_tried_again(bench):
    b = provided(bench, expires_in=1000)
    b.wait(800)
    b.session.token_obtained("second", b.now)
    assert b.wait(10) == []
    assert b.wait(5) == [FetchToken()]


def test_a_token_still_good_is_kept_for_the_next_connection(bench):
    b = provided(bench, expires_in=100)
    b.now += 50
    b.lose()
    assert not b.session.needs_token(b.now)
    b.now += 30
    assert b.session.needs_token(b.now)


@pytest.mark.parametrize("code", [4101, 4102])
def test_with_a_provider_a_refused_token_is_replaced_once(bench, code):
    b = provided(bench)
    assert isinstance(b.lose(code)[-1], Reconnect)
    assert b.session.needs_token(b.now)
    b.session.token_obtained("second", b.now)
    [frame] = b.sent(b.dial())
    assert frame["token"] == "second"
    assert isinstance(b.lose(code)[-1], Stop)


def test_an_accepted_token_allows_another_replacement(bench):
    b = provided(bench)
    for _ in range(3):
        assert isinstance(b.lose(4102)[-1], Reconnect)
        b.session.token_obtained("next", b.now)
        b.online()


def test_an_error_before_the_close_code_means_the_same(bench):
    b = bench()
    number = b.sent(b.dial())[0]["id"]
    b.hear({"type": "error", "id": number, "code": "unauthenticated", "reason": "signature"})
    stop = b.lose(1000)[-1]
    assert type(stop.error) is errors.BadToken
    assert "signature" in str(stop.error)


def test_a_close_code_is_more_precise_than_the_error_before_it(bench):
    b = bench()
    number = b.sent(b.dial())[0]["id"]
    b.hear({"type": "error", "id": number, "code": "unauthenticated", "reason": "expired"})
    assert type(b.lose(4102)[-1].error) is errors.TokenExpired


def test_without_a_provider_an_expired_token_stops_with_a_hint(bench):
    b = bench()
    b.online()
    stop = b.lose(4102)[-1]
    assert "function" in str(stop.error)


@pytest.mark.parametrize("code", [4100, 4103, 4104, 4105, 4106, 4107])
def test_a_provider_does_not_help_against_other_codes(bench, code):
    b = provided(bench)
    assert isinstance(b.lose(code)[-1], Stop)
