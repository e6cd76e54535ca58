"""Log lines that repeat."""

from shared.telemetry import damper
from shared.telemetry.damper import Damper


def test_the_first_lines_appear_and_the_rest_of_the_span_is_held_back():
    it = Damper(lines=2, span=10.0)
    assert [it.admit("bad", 0.0) for _ in range(5)] == [0, 0, None, None, None]


def test_the_next_line_after_the_span_tells_how_many_were_held_back():
    it = Damper(lines=1, span=10.0)
    for _ in range(4):
        it.admit("bad", 0.0)
    assert it.admit("bad", 9.9) is None
    assert it.admit("bad", 10.0) == 4
    assert it.admit("bad", 20.0) == 0


def test_kinds_do_not_count_against_each_other():
    it = Damper(lines=1, span=10.0)
    assert it.admit("a", 0.0) == 0
    assert it.admit("b", 0.0) == 0


def test_the_memory_of_kinds_is_bounded():
    it = Damper(lines=1, span=10.0)
    for number in range(damper.MAX_KINDS + 1):
        it.admit(number, 0.0)
    assert it.admit(damper.MAX_KINDS, 0.0) is None, "the youngest is remembered"
    assert it.admit(0, 0.0) == 0, "the oldest is forgotten"
