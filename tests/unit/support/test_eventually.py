"""Waiting for conditions."""

from itertools import count

import pytest

from tests.support.eventually import eventually, wait_until


async def test_the_first_true_value_is_returned() -> None:
    numbers = count()
    assert await eventually(lambda: next(numbers) // 3) == 1


async def test_a_coroutine_function_is_a_condition_too() -> None:
    numbers = count()

    async def third() -> bool:
        return next(numbers) == 2

    assert await eventually(third)


async def test_an_assertion_that_fails_means_not_yet() -> None:
    numbers = count()

    def three() -> str:
        assert next(numbers) == 3
        return "there"

    assert await eventually(three) == "there"


async def test_what_never_comes_is_told_with_its_source_and_what_was_seen_last() -> None:
    with pytest.raises(AssertionError) as never:
        await eventually(lambda: [] if never_comes else [1], within=0.02)
    assert "not within 0.02 s" in str(never.value)
    assert "[] if never_comes else [1]" in str(never.value)
    assert "seen last: []" in str(never.value)


async def test_the_assertion_that_failed_last_is_the_cause() -> None:
    def unequal() -> None:
        assert 1 == 2, "one is not two"

    with pytest.raises(AssertionError, match="unequal") as never:
        await eventually(unequal, within=0.02)
    assert "one is not two" in str(never.value.__cause__)


async def test_another_exception_ends_the_wait() -> None:
    with pytest.raises(ZeroDivisionError):
        await eventually(lambda: 1 // 0)


def test_without_an_event_loop_it_is_the_same() -> None:
    numbers = count()
    assert wait_until(lambda: next(numbers) == 3)
    with pytest.raises(AssertionError, match=r"not within 0\.02 s"):
        wait_until(lambda: False, within=0.02)


never_comes = True
