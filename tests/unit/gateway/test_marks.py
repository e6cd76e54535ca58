"""Names of which nothing is remembered but that they were put down."""

from gateway.marks import BITS, Marks


def test_what_was_put_down_is_known_and_nothing_else_is_where_there_is_nothing() -> None:
    marks = Marks()
    assert "a" not in marks
    names = [f"t.{number}" for number in range(1_000)]
    for name in names:
        marks.add(name)
    assert all(name in marks for name in names)


def test_few_are_taken_for_others() -> None:
    marks = Marks()
    for number in range(BITS // 1_000):
        marks.add(f"t.{number}")
    taken = sum(f"other.{number}" in marks for number in range(10_000))
    assert taken < 50, "ten or so"
