import math
import tracemalloc

from hypothesis import given
from hypothesis import strategies as st

from gateway.timing import MIN_SWEEP, TimingWheel


def wheel() -> TimingWheel:
    return TimingWheel(100.0, 0.25)


def test_a_key_is_told_once_when_it_is_due_and_not_before() -> None:
    timing = wheel()
    timing.schedule(1, 101.1)
    assert timing.advance(101.09) == []
    assert timing.advance(101.25) == [1]
    assert timing.advance(200.0) == []


def test_a_key_that_is_put_off_is_told_at_the_later_time_only() -> None:
    timing = wheel()
    timing.schedule(1, 101.0)
    timing.schedule(1, 105.0)
    assert timing.advance(104.9) == []
    assert timing.advance(105.0) == [1]


def test_a_key_that_is_brought_forward_is_told_at_the_earlier_time_only() -> None:
    timing = wheel()
    timing.schedule(1, 105.0)
    timing.schedule(1, 101.0)
    assert timing.advance(101.0) == [1]
    assert timing.advance(200.0) == []


def test_a_key_that_is_moved_to_and_fro_is_told_once() -> None:
    timing = wheel()
    for due in (110.0, 105.0, 120.0, 103.0, 115.0):
        timing.schedule(1, due)
    assert [told for now in range(101, 130) for told in [(now, key) for key in timing.advance(now)]] == [(115, 1)]


def test_a_key_that_is_set_again_after_it_was_told_keeps_no_memory_of_void_places() -> None:
    timing = wheel()
    timing.schedule(1, 105.0)
    timing.schedule(1, 101.0)
    assert timing.advance(101.0) == [1]
    timing.schedule(1, 110.0)
    assert timing.advance(109.0) == []
    assert timing.advance(110.0) == [1]


def test_a_time_in_the_past_is_told_at_the_next_tick() -> None:
    timing = wheel()
    assert timing.advance(150.0) == []
    timing.schedule(1, 120.0)
    assert timing.advance(150.0) == []
    assert timing.advance(150.25) == [1]


def test_never_is_never_and_takes_an_earlier_time_back() -> None:
    timing = wheel()
    timing.schedule(1, 101.0)
    timing.schedule(1, math.inf)
    assert len(timing) == 0
    assert timing.advance(1e9) == []


def test_a_forgotten_key_is_not_told() -> None:
    timing = wheel()
    timing.schedule(1, 101.0)
    timing.forget(1)
    timing.forget(2)
    assert timing.advance(200.0) == []


def test_a_leap_of_a_year_costs_no_more_than_what_is_due() -> None:
    timing = wheel()
    timing.schedule(1, 100.0 + 3e7)
    timing.schedule(2, 101.0)
    timing.schedule(3, 100.0 + 4e7)
    assert sorted(timing.advance(100.0 + 3.5e7)) == [1, 2]
    assert len(timing) == 1


def test_moving_a_key_to_and_fro_for_ever_takes_no_more_memory() -> None:
    timing = wheel()
    for _ in range(100_000):
        timing.schedule(1, 101.0)
        timing.schedule(1, 130.0)
    assert timing._places <= 2 * len(timing) + MIN_SWEEP


def test_putting_a_key_off_takes_no_second_place() -> None:
    timing = wheel()
    for later in range(1000):
        timing.schedule(1, 101.0 + later)
    assert timing._places == 1


def test_ten_thousand_keys_cost_about_sixty_bytes_each() -> None:
    keys = list(range(10**6, 10**6 + 10_000))
    tracemalloc.start()
    timing = wheel()
    for key in keys:
        timing.schedule(key, 100.0 + key % 25_000 / 1000)
    used, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert used / len(keys) < 64


moves = st.lists(
    st.tuples(st.integers(0, 5), st.floats(-5, 60)) | st.floats(0, 10) | st.integers(0, 5),
    max_size=80,
)


@given(moves)
def test_any_sequence_of_moves_tells_what_a_plain_table_would(steps: list[object]) -> None:
    """Each key once, never before its time, and never later than one interval after it."""
    timing, table, now = wheel(), dict[int, float](), 100.0
    for step in steps:
        if isinstance(step, tuple):
            key, delay = step
            timing.schedule(key, now + delay)
            table[key] = max(now, now + delay)
        elif isinstance(step, int):
            timing.forget(step)
            table.pop(step, None)
        else:
            now += step
            for key in timing.advance(now):
                assert table.pop(key) <= now + 1e-6
            assert all(due > now - 0.25 - 1e-6 for due in table.values())
    assert len(timing) == len(table)
