"""The embedded store's attempts."""

from shared.store.memory_attempts import Attempts
from shared.store.port import ATTEMPTS_REMEMBERED


def test_attempts_are_forgotten_when_there_was_none_for_long():
    attempts = Attempts()
    assert attempts.begin("a", 1, 0.0) == 1
    assert attempts.begin("a", 2, ATTEMPTS_REMEMBERED - 1.0) == 2
    assert attempts.begin("b", 1, ATTEMPTS_REMEMBERED + 1.0) == 1
    assert attempts.begin("a", 3, 2 * ATTEMPTS_REMEMBERED - 2.0) == 3
    assert attempts.begin("a", 4, 4.0 * ATTEMPTS_REMEMBERED) == 1
    assert len(attempts) == 1
    assert attempts.counters.attempts_forgotten == 0


def test_beyond_its_bound_it_forgets_what_was_attempted_the_longest_ago():
    attempts = Attempts(max_keys=2)
    for key in ("a", "b", "a", "c"):
        attempts.begin(key, 1, 0.0)
    assert (len(attempts), attempts.counters.attempts_forgotten) == (2, 1)
    assert attempts.begin("a", 2, 0.0) == 2


def test_nothing_is_left_when_it_is_cleared():
    attempts = Attempts()
    attempts.begin("a", 1, 0.0)
    attempts.clear()
    assert attempts.begin("a", 2, 0.0) == 1
