"""How a session says no."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import UNSET, Raw, to_builtins

from gateway.refusals import QUOTED, close_code, error, not_a_topic, out_of_place
from gateway.refusals import given as optional
from shared import frames
from shared.codes import CloseCode, ErrorCode, may_come_back


def test_an_error_carries_its_request_its_code_and_a_reason() -> None:
    assert to_builtins(error(7, ErrorCode.TIMEOUT, "why").frame) == {
        "type": "error",
        "code": "timeout",
        "reason": "why",
        "id": 7,
    }
    assert "id" not in to_builtins(error(None, ErrorCode.TIMEOUT, "why").frame)
    assert to_builtins(error(0, "rate_limited", "why", 0.5).frame)["id"] == 0


def test_a_code_that_only_newer_routers_know_is_passed_on() -> None:
    assert to_builtins(error(1, "payment_required", "why").frame)["code"] == "payment_required"


@given(st.floats(0, 1000))
def test_the_time_to_wait_is_in_milliseconds_and_never_shorter_than_it_is(wait: float) -> None:
    told = to_builtins(error(1, ErrorCode.RATE_LIMITED, "why", wait).frame)["retry_after"]
    assert wait <= told <= wait + 0.00101
    assert told == round(told, 3)


def test_what_is_none_is_left_out_and_what_is_zero_is_not() -> None:
    assert optional(None) is UNSET
    assert optional(0) == 0
    assert optional(False) is False


@pytest.mark.parametrize(
    "frame",
    [
        frames.Subscribe(3, "a"),
        frames.Unsubscribe(3, "a"),
        frames.Publish(3, "a", Raw(b"1")),
        frames.Refresh(3, "t"),
    ],
)
def test_a_request_before_the_token_was_found_good_is_unauthenticated(frame: frames.AnyClientFrame) -> None:
    refusal = to_builtins(out_of_place(frame).frame)
    assert (refusal["id"], refusal["code"]) == (3, "unauthenticated")
    assert refusal["reason"] == "send connect first", "the names of our states say nothing to clients"


def test_a_second_connect_is_a_conflict() -> None:
    refusal = to_builtins(out_of_place(frames.Connect(3, "t")).frame)
    assert (refusal["id"], refusal["code"]) == (3, "conflict")
    assert "refresh" in refusal["reason"]


def test_a_reason_tells_a_pattern_from_what_is_nothing_and_repeats_no_more_than_a_little() -> None:
    assert not_a_topic("a.*", "history") == "history needs one topic, and a.* is a pattern"
    assert not_a_topic("a b", "history") == "not a topic: 'a b'"
    assert len(not_a_topic("é" * 1000, "publish")) < QUOTED + 30
    assert "\n" not in not_a_topic("a\nb", "publish"), "quoted, so that it can be logged"


@pytest.mark.parametrize("code", CloseCode)
def test_a_known_close_code_stays_what_it_is(code: CloseCode) -> None:
    assert close_code(int(code)) is code


@pytest.mark.parametrize("number", [4005, 4099, 4108, 4199])
def test_an_unknown_close_code_keeps_the_instruction_of_its_range(number: int) -> None:
    assert may_come_back(close_code(number)) is may_come_back(number)
