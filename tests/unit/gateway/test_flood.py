"""The guard against clients that write too much."""

from hypothesis import given
from hypothesis import strategies as st

from gateway.flood import FloodGuard, FloodLimits

LIMITS = FloodLimits(rate=10.0, burst=4, tolerance=3)


def take(guard: FloodGuard, count: int, now: float) -> list[float]:
    return [guard.take(LIMITS, now) for _ in range(count)]


def test_a_burst_is_taken_at_once_and_the_next_frame_is_told_how_long_to_wait() -> None:
    guard = FloodGuard(LIMITS, 100.0)
    assert take(guard, 5, 100.0) == [0.0, 0.0, 0.0, 0.0, 0.1]


def test_the_bucket_fills_with_the_rate_and_no_higher_than_the_burst() -> None:
    guard = FloodGuard(LIMITS, 0.0)
    take(guard, 4, 0.0)
    assert take(guard, 2, 0.25) == [0.0, 0.0]
    assert guard.take(LIMITS, 0.25) == 0.05
    assert take(guard, 5, 1000.0) == [0.0, 0.0, 0.0, 0.0, 0.1]


def test_who_waits_as_long_as_told_is_let_through() -> None:
    guard = FloodGuard(LIMITS, 0.0)
    take(guard, 4, 0.0)
    wait = guard.take(LIMITS, 0.0)
    assert guard.take(LIMITS, wait) == 0.0


def test_a_client_that_is_refused_more_often_than_it_may_is_flooding() -> None:
    guard = FloodGuard(LIMITS, 0.0)
    take(guard, 4 + LIMITS.tolerance, 0.0)
    assert not guard.is_flooding(LIMITS)
    guard.take(LIMITS, 0.0)
    assert guard.is_flooding(LIMITS)


def test_a_pause_that_fills_the_bucket_clears_the_record() -> None:
    guard = FloodGuard(LIMITS, 0.0)
    take(guard, 4 + 2, 0.0)
    guard.take(LIMITS, 0.3)
    assert guard.refusals == 2, "not full yet"
    guard.take(LIMITS, 1.0)
    assert guard.refusals == 0


def test_what_costs_more_than_is_there_is_let_through_once_and_paid_for_afterwards() -> None:
    guard = FloodGuard(LIMITS, 0.0)
    assert guard.take(LIMITS, 0.0, 16.0) == 0.0
    assert guard.take(LIMITS, 0.0) == 1.3
    assert guard.take(LIMITS, 1.31) == 0.0


def test_a_refusal_can_count_as_several() -> None:
    guard = FloodGuard(LIMITS, 0.0)
    guard.take(LIMITS, 0.0, 4.0)
    guard.take(LIMITS, 0.0, 16.0, blame=3.5)
    assert guard.is_flooding(LIMITS)


def test_what_is_withheld_comes_when_it_is_given() -> None:
    guard = FloodGuard(LIMITS, 0.0, withheld=3)
    assert [bool(wait) for wait in take(guard, 2, 0.0)] == [False, True]
    guard.let_in(LIMITS, 3)
    assert [bool(wait) for wait in take(guard, 4, 0.0)] == [False, False, False, True]


@given(st.lists(st.floats(0, 2), max_size=60))
def test_in_no_span_more_than_the_burst_and_the_rate_get_through(pauses: list[float]) -> None:
    guard, now, passed = FloodGuard(LIMITS, 0.0), 0.0, []
    for pause in pauses:
        now += pause
        wait = guard.take(LIMITS, now)
        assert 0.0 <= wait <= 1 / LIMITS.rate
        if not wait:
            passed.append(now)
    for first, begin in enumerate(passed):
        for last in range(first, len(passed)):
            assert last - first + 1 <= LIMITS.burst + LIMITS.rate * (passed[last] - begin) + 1e-6
