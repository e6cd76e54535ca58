"""Since when topics are heard through patterns."""

from __future__ import annotations

from gateway.listening import Listening


def test_a_topic_is_heard_since_the_first_pattern_that_matches_it_and_still_listens() -> None:
    listening = Listening()
    listening.add("a.*", 1.0)
    listening.add("#", 2.0)
    listening.add("a.*", 3.0)
    assert listening.since("a.b") == 1.0
    assert listening.since("b") == 2.0
    listening.remove("a.*")
    assert listening.since("a.b") == 1.0
    listening.remove("a.*")
    assert listening.since("a.b") == 2.0
    listening.remove("#")
    assert listening.since("a.b") is None


def test_a_pattern_that_comes_back_listens_anew() -> None:
    listening = Listening()
    listening.add("a.*", 1.0)
    listening.remove("a.*")
    listening.add("a.*", 5.0)
    assert listening.since("a.b") == 5.0


def test_who_subscribes_to_a_topic_by_name_listens_to_no_pattern() -> None:
    listening = Listening()
    listening.add("a.b", 1.0)
    assert listening.since("a.b") is None
    listening.remove("a.b")


def test_everybody_who_hears_a_topic_counts() -> None:
    listening = Listening()
    for pattern in ("a.*", "a.*", "#", "b"):
        listening.add(pattern, 1.0)
    assert (listening.count("a.b"), listening.count("b"), listening.count("c.d")) == (3, 1, 1)
