from hypothesis import given
from hypothesis import strategies as st

from shared.store import gcra

rates = st.floats(0.1, 1000)
bursts = st.integers(1, 50)
gaps = st.lists(st.floats(0, 5), min_size=1, max_size=60)


def allowed(times, rate, burst):
    """The times at which something was let through."""
    tat, through = gcra.NEVER, []
    for now in times:
        spent = gcra.spend(tat, now, rate)
        if gcra.wait(spent, now, rate, burst) == 0:
            tat = spent
            through.append(now)
    return through


def moments(gaps):
    now, times = 1000.0, []
    for gap in gaps:
        now += gap
        times.append(now)
    return times


@given(rates, bursts)
def test_a_new_bucket_lets_exactly_its_burst_through_at_once(rate, burst):
    assert len(allowed([1000.0] * (burst + 5), rate, burst)) == burst


@given(rates, bursts, gaps)
def test_no_span_of_time_sees_more_than_the_burst_and_the_rate_for_that_span(rate, burst, gaps):
    through = allowed(moments(gaps), rate, burst)
    for first in range(len(through)):
        for last in range(first, len(through)):
            assert last - first + 1 <= burst + rate * (through[last] - through[first]) + 1e-3


@given(rates, bursts, gaps)
def test_who_waits_as_long_as_told_is_let_through(rate, burst, gaps):
    tat = gcra.NEVER
    for now in moments(gaps):
        spent = gcra.spend(tat, now, rate)
        wait = gcra.wait(spent, now, rate, burst)
        if wait:
            later = now + wait
            assert gcra.wait(gcra.spend(tat, later, rate), later, rate, burst) == 0
        else:
            tat = spent


def test_who_keeps_the_rate_is_never_refused():
    times = [1000 + n * 0.1 for n in range(1000)]
    assert allowed(times, 10, 1) == times
