"""What a fault is: what is broken, on which rig, and what may follow from it."""

from __future__ import annotations

import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TypeAlias

from tests.faults.load import Load
from tests.faults.rig import Layout, Rig
from tests.faults.subscribers import UNRECOVERED
from tests.faults.verdict import Check


@dataclass
class Scene:
    """Everything a fault can get at."""

    rig: Rig
    load: Load
    chance: random.Random
    healed_at: float = 0.0
    wrong: list[tuple[Check, str]] = field(default_factory=list)
    """What the fault itself has seen to be wrong."""
    notes: list[str] = field(default_factory=list)

    def heal(self) -> None:
        """Note that from now on nothing is broken any more."""
        self.healed_at = time.monotonic()

    def expect(self, truth: bool, check: Check, otherwise: str) -> None:
        """Note a finding where something is not true."""
        if not truth:
            self.wrong.append((check, otherwise))

    def holes(self) -> set[tuple[str, str]]:
        """Return who was told of holes, with their causes."""
        ledger = self.load.ledger
        told = {
            (name, hole.cause)
            for name, accounts in ledger.accounts.items()
            for account in accounts.values()
            for hole in account.announced
        }
        return told | {(name, UNRECOVERED) for name in ledger.doubted}

    def note(self, words: str) -> None:
        """Add to what the report says of this run."""
        self.notes.append(words)


Inject: TypeAlias = Callable[[Scene], Awaitable[None]]


@dataclass(frozen=True)
class Fault:
    """One row of the table. `inject` returns when what it broke is whole again."""

    key: str
    what: str
    inject: Inject
    layout: Layout = field(default_factory=Layout)
    gaps: bool = False
    """Whether subscribers may be told of holes."""
    late: bool = False
    """Whether routers may be silent for so long (10 s) that a gateway begins a new topic with a hole."""
    recover_within: float = 20.0
    """Seconds from the end of the fault until everybody hears news again; generous, for noisy machines."""
    own_broker: bool = False
    own_store: bool = False
    disk: int = 0
    """Bytes of the own broker's disk; 0: as large as the machine's."""
    buried: bool = False
    """Whether messages may become dead letters: those that came to routers more often than the delivery limit."""
    unordered: str | None = None
    """How the names of publishers begin whose order may be lost: somebody has taken partitions from under them."""
    known: str = ""
    """What is wrong here and not mended yet; then findings do not count as failures."""
    errors: bool = False
    """Whether programs may log errors."""
    long: bool = False
    """Whether it takes half a minute or more, or very many clients; a short run leaves it out."""


FAULTS: dict[str, Fault] = {}
"""All of them, in the order in which they were defined."""


def fault(key: str, what: str, **options: object) -> Callable[[Inject], Inject]:
    """Enter the function into the table."""

    def enter(inject: Inject) -> Inject:
        assert key not in FAULTS
        FAULTS[key] = Fault(key, what, inject, **options)  # type: ignore[arg-type]
        return inject

    return enter
