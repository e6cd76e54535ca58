"""Each decoder, for a moment: what is known to be good, what was found before, and a few hundred inputs near those."""

from __future__ import annotations

import os
from pathlib import Path
from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.fuzz.found import all_found, save, smaller
from tests.fuzz.mutation import MOST_BYTES, mutated
from tests.fuzz.table import TARGETS
from tests.fuzz.target import CUT, Growth, Target, parts

EXAMPLES = 60
every_target = pytest.mark.parametrize("name", TARGETS)


def hold(target: Target, data: bytes) -> None:
    """Raise what is wrong with how a target takes an input."""
    finding = target.finding(data)
    if finding is not None:
        raise finding


@every_target
def test_what_it_begins_with_is_taken_as_it_should_be(name: str) -> None:
    for seed in TARGETS[name].seeds:
        hold(TARGETS[name], seed)


@every_target
@settings(
    deadline=None,
    max_examples=EXAMPLES,
    derandomize=os.environ.get("PENSTOCK_TEST_SEARCH") != "yes",
    database=None,
    suppress_health_check=[HealthCheck.too_slow],
)
@given(seed=st.integers(0, 2**32), noise=st.binary(max_size=200))
def test_no_bytes_whatever_make_it_break_its_word(name: str, seed: int, noise: bytes) -> None:
    target, chance = TARGETS[name], Random(seed)
    hold(target, noise)
    for _ in range(3):
        hold(target, mutated(chance, chance.choice(target.seeds), target.words, target.seeds))


KEPT = [(name, path) for name, path in all_found() if name in TARGETS]


@pytest.mark.parametrize(("name", "path"), KEPT, ids=lambda each: getattr(each, "name", each))
def test_what_was_found_once_is_not_found_again(name: str, path: Path) -> None:
    hold(TARGETS[name], path.read_bytes())


def test_a_planted_fault_is_found_made_small_and_kept(tmp_path: Path) -> None:
    def attack(data: bytes) -> None:
        if b"\xc1" in data and b"{" in data:
            raise KeyError("planted")
        if data[:1] == b"!":
            raise ValueError("allowed")

    target = Target("planted", attack, (b'{"type":"pong"}',), allowed=(ValueError,), words=(b"!",))
    chance = Random(1)
    inputs = (mutated(chance, target.seeds[0], target.words) for _ in range(5_000))
    broken = next(data for data in inputs if target.finding(data) is not None)
    small = smaller(target, broken)
    assert sorted(small) == sorted(b"\xc1{")
    assert target.finding(b"!") is None
    assert save(target, small, tmp_path).read_bytes() == small
    assert save(target, small, tmp_path).parent == tmp_path / "planted"


def test_the_same_chance_brings_the_same_input_and_none_is_too_long() -> None:
    target = TARGETS["frames-json"]
    first, again = ([mutated(Random(seed), target.seeds[-3], target.words) for seed in range(300)] for _ in range(2))
    assert first == again
    assert len(set(first)) > 250
    assert max(map(len, first)) <= MOST_BYTES


def test_an_input_can_be_made_as_long_as_one_likes() -> None:
    assert Growth(b"[").of(5) == b"[[[[["
    assert Growth(b"a%d,", b"<", b">").of(12) == b"<a0,a1,a2,a3,>"
    assert parts(b"a" + CUT + b"b", 3) == [b"a", b"b", b""]
