"""Events before they are published."""

import pytest

from penstock.emitting.event import NotAnEvent, check_json, check_topic


@pytest.mark.parametrize("text", ['{"total": 12}', "21.5", '"ü"', "null", " [1] "])
def test_json_goes_through_as_it_is(text):
    assert check_json(text) == text.encode()


def test_a_mistake_is_shown_where_it_is():
    with pytest.raises(NotAnEvent) as wrong:
        check_json('{\n  "total": 12,\n  "name": ada\n}')
    assert str(wrong.value).splitlines() == [
        "The payload is not JSON: expecting value at line 3, column 11:",
        '    "name": ada',
        "            ^",
        "For plain text add --text.",
    ]


def test_a_mistake_in_a_long_line_is_shown_with_its_surroundings():
    with pytest.raises(NotAnEvent) as wrong:
        check_json('{"a": "' + "x" * 500 + '", oops' + "y" * 500)
    excerpt, caret = str(wrong.value).splitlines()[1:3]
    assert len(excerpt) < 90
    assert excerpt[caret.index("^")] == "o"


@pytest.mark.parametrize("text", ["NaN", "[Infinity]", "-Infinity"])
def test_numbers_that_json_does_not_have_are_refused(text):
    with pytest.raises(NotAnEvent, match="is not a JSON number"):
        check_json(text)


def test_a_payload_nested_too_deeply_is_refused_and_nothing_breaks():
    with pytest.raises(NotAnEvent, match="The payload is not JSON"):
        check_json("[" * 100_000)


def test_a_topic_is_a_topic():
    assert check_topic("orders.42") == "orders.42"


def test_a_pattern_is_told_from_a_topic():
    with pytest.raises(NotAnEvent, match="is a pattern; an event is published to one topic"):
        check_topic("orders.*")


@pytest.mark.parametrize("topic", ["", ".", "a..b", "a b", "ü", "x" * 201, "a\n"])
def test_what_is_no_topic_is_refused(topic):
    with pytest.raises(NotAnEvent, match="is no topic: 1-16 segments"):
        check_topic(topic)
