"""How long to wait before trying again."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.backoff import full_jitter


@pytest.mark.parametrize(
    ("attempt", "longest"), [(0, 0.5), (1, 1.0), (2, 2.0), (5, 16.0), (6, 20.0), (7, 20.0), (10_000, 20.0)]
)
def test_the_span_doubles_up_to_its_cap(attempt: int, longest: float) -> None:
    assert full_jitter(attempt, 0.5) == longest / 2


@given(st.integers(0, 10**9), st.floats(0, 1, exclude_max=True))
def test_chance_decides_over_the_whole_span(attempt: int, chance: float) -> None:
    wait = full_jitter(attempt, chance)
    assert 0 <= wait < 20
    assert wait == chance * full_jitter(attempt, 1.0)


def test_base_and_cap_can_be_chosen() -> None:
    assert [full_jitter(attempt, 1.0, base=0.1, cap=0.3) for attempt in range(3)] == [0.1, 0.2, 0.3]
