"""One trial: a rig under load, one fault, and the verdict."""

from __future__ import annotations

import asyncio
import random
import time
import traceback
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from tests.faults import traces
from tests.faults.fault import Fault, Scene
from tests.faults.load import Load, loading
from tests.faults.rig import Places, Rig, running
from tests.faults.room import Watch
from tests.faults.verdict import Check, Findings, judge, missing

ALL_DELIVERED_WITHIN = 30.0

MAX_LINES = 400
"""Log lines of one process in one trial: some seconds of trouble are no reason for more."""


@dataclass
class Report:
    """What came of a trial."""

    fault: Fault
    seed: int
    findings: Findings = field(default_factory=dict)
    published: int = 0
    delivered: int = 0
    unknown: int = 0
    repeated: int = 0
    gaps: int = 0
    begun: int = 0
    """Topics that began meanwhile."""
    recovered_in: float | None = None
    took: float = 0.0
    deepest: dict[str, int] = field(default_factory=dict)
    """Messages that were seen at most in one queue of each kind."""
    notes: list[str] = field(default_factory=list)

    @property
    def passed(self) -> bool:
        return not self.findings

    @property
    def verdict(self) -> str:
        """Return it in a word or two."""
        if self.passed:
            return "ok"
        words = " ".join(f"{check}:{len(words)}" for check, words in self.findings.items())
        return f"known, {words}" if self.fault.known else words

    @property
    def is_new(self) -> bool:
        """Say whether something was found that was not known."""
        return not self.passed and not self.fault.known

    @classmethod
    def broken(cls, fault: Fault, seed: int, failure: BaseException, took: float) -> Report:
        """Return the report of a trial that did not come to its end."""
        words = "".join(traceback.format_exception(failure))[-3_000:]
        return cls(fault, seed, {Check.LIVE: [f"the trial broke off: {words}"]}, took=took)

    def details(self, most: int = 5) -> str:
        """Return the first findings of each kind, a line each."""
        lines = [f"known: {self.fault.known}"] if self.fault.known else []
        for check, words in self.findings.items():
            lines += [f"{check}: {each}" for each in words[:most]]
            if len(words) > most:
                lines.append(f"{check}: … and {len(words) - most} more")
        return "\n".join([f"{self.fault.key} (seed {self.seed}): {self.fault.what}", *lines, *self.notes])


async def attempt(
    fault: Fault, places: Places, seed: int, folder: Path, tell: Callable[[str], None] = lambda words: None
) -> Report:
    """Carry out one trial."""
    began = time.monotonic()
    report = Report(fault, seed)
    found: Findings = defaultdict(list)
    tell("starting")
    async with running(places, fault.layout, folder, seed) as rig:
        bare = await traces.before(rig)
        async with loading(rig) as load:
            tell("breaking")
            scene = Scene(rig, load, random.Random(f"{fault.key} {seed}"))
            watch = Watch(rig, found)
            watch.start()
            try:
                await fault.inject(scene)
                report.recovered_in = await _recover(scene, fault, found, tell)
                await _finish(load, found, tell)
            finally:
                await watch.stop()
        for check, words in scene.wrong:
            found[check].append(words)
        report.notes = scene.notes
        for check, several in judge(load.ledger, gaps=fault.gaps, late=fault.late, unordered=fault.unordered).items():
            found[check] += several
        tell("cleaning up")
        await traces.nothing_is_left(rig, bare, _topics(load), found)
        await _look_for_dead_letters(rig, fault, found, report.notes)
        _look_into_logs(rig, fault, found)
        for words in await asyncio.to_thread(rig.stop):
            found[Check.EXIT].append(words)
    _count(report, load)
    report.deepest = watch.most
    report.findings = {check: words for check, words in found.items() if words}
    report.took = time.monotonic() - began
    return report


async def _recover(scene: Scene, fault: Fault, found: Findings, tell: Callable[[str], None]) -> float | None:
    tell("recovering")
    if not scene.healed_at:
        scene.heal()
    try:
        return await scene.load.all_hear(scene.healed_at, fault.recover_within)
    except AssertionError:
        heard = scene.load.heard_since(scene.healed_at)
        deaf = [
            f"{each.name} on {topic}"
            for each in scene.load.subscribers
            for topic in each.topics
            if topic in scene.load.topics and (each.name, topic) not in heard
        ]
        found[Check.LIVE].append(f"not within {fault.recover_within:g} s: {', '.join(deaf[:6])} ({len(deaf)} in all)")
        return None


async def _finish(load: Load, found: Findings, tell: Callable[[str], None]) -> None:
    tell("settling")
    await load.finish()
    try:
        await load.until(lambda: not missing(load.ledger), ALL_DELIVERED_WITHIN)
    except AssertionError:
        return  # the verdict tells what is missing
    await asyncio.sleep(0.3)  # for what may come twice


async def _look_for_dead_letters(rig: Rig, fault: Fault, found: Findings, notes: list[str]) -> None:
    if count := await traces.dead_letters(rig.places.vhost):
        if fault.buried:
            notes.append(f"{count} dead letters")
        else:
            found[Check.DEAD].append(f"{count} dead letters")


def _look_into_logs(rig: Rig, fault: Fault, found: Findings) -> None:
    for program in rig.programs:
        lines = program.lines()
        bad = [line for line in lines if line.get("level") == "error"]
        if bad and not fault.errors:
            words = str(bad[0].get("message")) + " " + str(bad[0].get("traceback", ""))[-600:]
            found[Check.LOG].append(f"{program.name} logged {len(bad)} errors, the first: {words}")
        if len(lines) > MAX_LINES:
            found[Check.LOG].append(f"{program.name} logged {len(lines)} lines")


def _topics(load: Load) -> int:
    return len({topic for each in load.subscribers for topic in each.wanted} | load.besides)


def _count(report: Report, load: Load) -> None:
    ledger = load.ledger
    report.published = len(ledger.publishes)
    report.unknown = len(ledger.unknown)
    report.repeated = sum(publish.attempts > 1 for publish in ledger.publishes.values())
    accounts = [account for each in ledger.accounts.values() for account in each.values()]
    report.delivered = sum(len(account.arrivals) for account in accounts)
    report.begun = load.newcomers.count if load.newcomers is not None else 0
    report.gaps = sum(len(account.announced) for account in accounts)
