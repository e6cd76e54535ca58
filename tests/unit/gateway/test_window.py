"""The last messages of one topic, for a crowd that comes back."""

from gateway import window as room
from gateway.window import Window
from shared.envelopes import Encoding, Entry


def entry(offset: int, size: int = 1) -> Entry:
    return Entry("a", b"x" * size, Encoding.JSON, 0, epoch="e", offset=offset)


def filled(*offsets: int, size: int = 1) -> Window:
    window = Window(offsets[0] - 1)
    window.extend(entry(offset, size) for offset in offsets)
    return window


def offsets(window: Window, after: int, upto: int) -> list[int | None] | None:
    found = window.between(after, upto)
    return None if found is None else [kept.entry.offset for kept in found]


def test_it_gives_what_lies_between_two_offsets() -> None:
    window = filled(5, 6, 7)
    assert offsets(window, 4, 7) == [5, 6, 7]
    assert offsets(window, 5, 6) == [6]
    assert offsets(window, 6, 6) == []


def test_what_it_has_not_whole_it_does_not_give() -> None:
    window = filled(5, 6, 7)
    assert window.between(3, 7) is None
    assert window.between(5, 8) is None


def test_only_what_follows_is_taken() -> None:
    window = filled(5, 6, 8, 6, 7)
    assert (window.after, window.last) == (4, 7)
    assert offsets(window, 4, 7) == [5, 6, 7]


def test_the_oldest_go_where_there_are_too_many() -> None:
    window = filled(*range(1, room.MAX_ENTRIES + 3))
    assert (window.after, window.last) == (2, room.MAX_ENTRIES + 2)
    assert window.between(1, 5) is None
    assert offsets(window, 2, 4) == [3, 4]


def test_and_where_they_are_too_large() -> None:
    window = filled(1, 2, 3, size=room.MAX_BYTES // 2)
    assert (window.after, window.last) == (1, 3)
