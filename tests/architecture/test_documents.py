"""The documents name what the code has."""

import re
from http import HTTPStatus

from router.refusals import DeadReason
from tests.architecture.sources import ROOT, sources

LIFE = re.compile(r'"event": "(\w+\.(?:started|stopped))"')


def document(name: str) -> str:
    """The text of one of docs/."""
    return (ROOT / "docs" / name).read_text(encoding="utf-8")


def missing(names: set[str], page: str) -> list[str]:
    """Those that do not stand on the page as code."""
    return sorted(name for name in names if f"`{name}`" not in page)


def test_every_start_and_stop_that_is_logged_is_described() -> None:
    events = {event for source in sources().values() for event in LIFE.findall(source)}
    assert {"gateway.started", "router.started", "worker.started", "metrics.started"} <= events
    assert missing(events, document("logs.md")) == []


def test_a_name_that_is_not_described_is_seen() -> None:
    assert missing({"gateway.started", "nothing.started"}, document("logs.md")) == ["nothing.started"]


def test_every_reason_and_header_of_a_dead_letter_is_described() -> None:
    page = document("topology.md")
    headers = set(re.findall(r'"(x-penstock-[\w-]+)"', sources()["router/deadletters.py"]))
    assert len(headers) == 7
    assert missing(headers | {reason.value for reason in DeadReason}, page) == []


def test_every_status_of_the_emit_door_is_described() -> None:
    page = document("http.md")
    raised = set(re.findall(r"HTTPStatus\.([A-Z_]+)", sources()["gateway/transports/events.py"]))
    statuses = {HTTPStatus[name].value for name in raised}
    assert {202, 401, 403, 413, 415, 503} <= statuses
    assert [status for status in sorted(statuses) if not re.search(rf"^(\| {status} \||{status} )", page, re.M)] == []
