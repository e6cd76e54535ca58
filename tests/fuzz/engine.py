"""Tries one target for a while, without guidance: an input that is nearly another, again and again"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from tests.fuzz.found import FOUND, kind_of, save, smaller
from tests.fuzz.mutation import mutated
from tests.fuzz.target import Target

CORPUS_BOUND = 2_000
"""Inputs that are kept to begin from; then chance says which one makes room."""
KEEP_ONE_OF = 20
"""Of inputs that a target took, about one of so many is kept: without guidance none is better than another."""
LOOK_AT_CLOCK = 64


@dataclass
class Report:
    """What came of it. `found` are files."""

    name: str
    inputs: int = 0
    seconds: float = 0.0
    found: list[Path] = field(default_factory=list)

    def __str__(self) -> str:
        rate = self.inputs / self.seconds if self.seconds else 0.0
        findings = ", ".join(map(str, self.found)) or "nothing"
        return f"{self.name:24} {self.inputs:12,} inputs in {self.seconds:6.1f} s ({rate:9,.0f} a second): {findings}"


def search(target: Target, seconds: float, seed: int, *, folder: Path = FOUND, say: Callable[[str], None]) -> Report:
    """Try inputs for so long; each kind of finding is made small and saved once."""
    chance = Random(seed)
    corpus = list(target.seeds)
    kinds: set[object] = set()
    report = Report(target.name)
    began = said = time.monotonic()
    while report.seconds < seconds:
        for _ in range(LOOK_AT_CLOCK):
            data = mutated(chance, chance.choice(corpus), target.words, corpus)
            report.inputs += 1
            finding = target.finding(data)
            if finding is None:
                _keep(chance, corpus, data)
            elif kind_of(finding) not in kinds:
                kinds.add(kind_of(finding))
                report.found.append(save(target, smaller(target, data), folder))
        report.seconds = time.monotonic() - began
        if time.monotonic() - said > 1.0:
            said = time.monotonic()
            say(str(report))
    return report


def _keep(chance: Random, corpus: list[bytes], data: bytes) -> None:
    if chance.randrange(KEEP_ONE_OF):
        return
    if len(corpus) < CORPUS_BOUND:
        corpus.append(data)
    else:
        corpus[chance.randrange(len(corpus))] = data
