"""What the figures of coming back share: events that go on, clients that return, a check that nothing is missing."""

import signal
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from benchmarks.load.generator import Generator
from benchmarks.peers.penstock import Penstock
from benchmarks.window import WindowFailed, finish, publish

LONGEST_SECONDS = 300.0
"""For which a publisher goes on where nobody stops it."""
POLL_SECONDS = 0.05
SETTLE_SECONDS = 10.0
FLOW_SECONDS = 30.0
WRONG = ("holes", "doubles", "gaps", "unrecovered", "new_epochs", "strangers", "away", "behind", "missing")
"""What must not be seen: in a client's log; and at the end clients that are away, subscriptions that are behind what
others have, messages that nobody has."""


class Publisher:
    """Publishes until it is stopped; what it reports is known then."""

    report: dict[str, Any]

    def __init__(self, before: int) -> None:
        self.before = before
        """Messages in all logs when it began."""

    @property
    def sent(self) -> int:
        return int(self.report["sent"])

    def cpu_of(self, seconds: float) -> float:
        """The CPU seconds that it used in a span."""
        return float(self.report["cpu"] * seconds / self.report["seconds"])


@contextmanager
def publishing(
    penstock: Penstock, crowd: Generator, topics: Sequence[str], rate: float, size: int, *, ids: bool = False
) -> Iterator[Publisher]:
    """Publish on `topics` in turns, with message ids where `ids` says so; leaving it stops that.

    Begins when something came on each of them; raises WindowFailed where it does not.
    """
    publisher = Publisher(crowd.count()["total"])
    argv = [*penstock.publisher(topics[0]), *(["--ids"] if ids else [])]
    for topic in topics[1:]:
        argv += ["--topic", topic]
    process = publish(argv, rate, LONGEST_SECONDS, size)
    try:
        _await_flow(crowd, publisher.before + len(topics))
        yield publisher
    finally:
        process.send_signal(signal.SIGTERM)
        publisher.report = finish(process)


def _await_flow(crowd: Generator, total: int) -> None:
    deadline = time.monotonic() + FLOW_SECONDS
    while crowd.count()["total"] < total:
        if time.monotonic() > deadline:
            raise WindowFailed(f"events did not reach all topics' subscribers within {FLOW_SECONDS:.0f} s")
        time.sleep(POLL_SECONDS)


def coming_back(crowd: Generator, seconds: float) -> dict[str, Any]:
    """Wait until everybody is subscribed to everything, or `seconds` are over; return what was seen then."""
    deadline = time.monotonic() + seconds
    while True:
        seen = crowd.count()
        if seen["subscribed"] == seen["members"] or time.monotonic() > deadline:
            return seen
        time.sleep(POLL_SECONDS)


def settled(crowd: Generator, publisher: Publisher) -> dict[str, Any]:
    """What the phase saw once everybody has everything; where that does not come to be, `missing` says how much."""
    deadline = time.monotonic() + SETTLE_SECONDS
    while True:
        seen = crowd.count()
        seen["away"] = seen["members"] - seen["subscribed"]
        seen["missing"] = publisher.before + publisher.sent - seen["total"]
        if not (seen["missing"] or seen["behind"] or seen["away"]) or time.monotonic() > deadline:
            return seen
        time.sleep(POLL_SECONDS)


def troubles(what: str, seen: dict[str, Any]) -> list[str]:
    """A note where anything was lost, doubled or not recovered."""
    wrong = [f"{name} {seen[name]}" for name in WRONG if seen[name]]
    return [f"{what}: {', '.join(wrong)}; first: {seen['first_trouble']}"] if wrong else []
