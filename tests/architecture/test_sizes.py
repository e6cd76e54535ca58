"""Files stay small enough to be read at one sitting."""

from statistics import median

from tests.architecture.sources import sources

MEDIAN_BELOW = 150  # lines
NONE_ABOVE = 400


def too_long(files: dict[str, str]) -> list[str]:
    """The files above the limit, with their length."""
    lengths = {path: len(text.splitlines()) for path, text in files.items()}
    return [f"{path}: {length} lines" for path, length in lengths.items() if length > NONE_ABOVE]


def middle(files: dict[str, str]) -> float:
    """The median length, in lines."""
    return median(len(text.splitlines()) for text in files.values())


def test_no_source_file_is_longer_than_400_lines() -> None:
    assert not too_long(sources())


def test_the_median_source_file_is_shorter_than_150_lines() -> None:
    assert middle(sources()) < MEDIAN_BELOW


def test_a_planted_long_file_is_seen() -> None:
    assert too_long({"a.py": "x = 1\n" * 401, "b.py": "x = 1\n" * 400}) == ["a.py: 401 lines"]
    assert middle({"a.py": "x\n" * 100, "b.py": "x\n" * 160, "c.py": "x\n" * 200}) == 160
