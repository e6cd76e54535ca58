"""What routers are told of who is where, and when again."""

from __future__ import annotations

from msgspec import Raw

from gateway.reports import AGAIN, IN_FLIGHT, PATIENCE, PAUSE, REPORTED, SESSION, Reports
from shared.attending import AttendRequest, Member


def one(user: str, number: int = 1, info: bytes = b"\xc0") -> Member:
    return Member(user, f"g.{number}", Raw(info))


def said(request: AttendRequest) -> tuple[str, list[str], list[str], bool]:
    came, went = ([member.session for member in each] for each in (request.came, request.went))
    return request.topic, came, went, request.stays


def test_nothing_is_told_where_there_is_nothing_to_tell() -> None:
    reports = Reports()
    assert reports.due(0.0) == []
    assert not reports.go("a", "g.1"), "nobody was there"
    assert reports.is_done


def test_who_comes_and_who_goes_is_told_by_topic() -> None:
    reports = Reports()
    reports.come("a", one("ann"))
    reports.come("a", one("bob", 2))
    reports.come("b", one("ann"))
    first, second = reports.due(0.0)
    assert (said(first), said(second)) == (("a", ["g.1", "g.2"], [], True), ("b", ["g.1"], [], True))
    assert first.session == SESSION
    for request in (first, second):
        reports.taken(request.id, 0.0, 0.0)
    assert reports.is_done
    assert reports.go("a", "g.1")
    assert reports.go("b", "g.1")
    first, second = reports.due(0.0)
    assert (said(first), said(second)) == (("a", [], ["g.1"], True), ("b", [], ["g.1"], False))


def test_what_changes_while_a_report_is_on_its_way_waits_for_the_next_of_its_topic() -> None:
    reports = Reports()
    reports.come("a", one("ann"))
    [first] = reports.due(0.0)
    reports.come("a", one("bob", 2))
    reports.go("a", "g.1")
    assert reports.due(0.0) == []
    reports.taken(first.id, 0.0, 0.0)
    assert [said(request) for request in reports.due(0.0)] == [("a", ["g.2"], ["g.1"], True)]


def test_who_came_and_went_before_anybody_was_told_has_gone() -> None:
    reports = Reports()
    reports.come("a", one("ann"))
    reports.go("a", "g.1")
    assert [said(request) for request in reports.due(0.0)] == [("a", [], ["g.1"], False)]


def test_one_report_is_bounded_in_number_and_in_bytes_and_the_rest_follows() -> None:
    reports = Reports()
    for number in range(REPORTED + 1):
        reports.come("a", one("ann", number))
    for number in range(3):
        reports.come("b", one("ann", number, b"\xc5\x4e\x20" + bytes(20_000)))
    many, large = reports.due(0.0)
    assert (len(many.came), len(large.came)) == (REPORTED, 1)
    reports.taken(many.id, 0.0, 0.0)
    [rest] = reports.due(0.0)
    assert len(rest.came) == 1


def test_a_report_that_is_not_answered_is_made_again_with_what_has_changed_since() -> None:
    reports = Reports()
    reports.come("a", one("ann"))
    reports.come("a", one("bob", 2))
    [lost] = reports.due(0.0)
    reports.go("a", "g.1")
    assert reports.due(PATIENCE - 0.1) == []
    assert reports.due(PATIENCE) == [], "after a pause"
    [again] = reports.due(PATIENCE + PAUSE)
    assert said(again) == ("a", ["g.2"], ["g.1"], True)
    reports.taken(lost.id, 0.0, 0.0)
    assert not reports.is_done, "a late answer is to another report"


def test_a_report_that_is_refused_is_made_again_unless_that_is_for_ever() -> None:
    reports = Reports()
    reports.come("a", one("ann"))
    [request] = reports.due(0.0)
    reports.refused(request.id, 0.0)
    assert reports.due(0.0) == []
    [request] = reports.due(PAUSE)
    reports.refused(request.id, PAUSE, forever=True)
    assert reports.due(100.0) == []
    assert reports.is_done


def test_a_topic_is_looked_at_again_when_a_router_asks_for_it_once_a_second() -> None:
    reports = Reports()
    for number in range(3):
        reports.come("a", one("ann", number))
        [request] = reports.due(0.0)
        reports.taken(request.id, 5.0 + number / 10, 0.0)
    assert reports.due(4.9) == []
    [look] = reports.due(6.0)
    assert said(look) == ("a", [], [], True)
    reports.taken(look.id, 0.0, 6.0)
    assert reports.due(100.0) == []


def test_a_look_that_was_lost_is_not_made_again() -> None:
    """Routers look at such topics anyway, a little later."""
    reports = Reports()
    reports.come("a", one("ann"))
    [request] = reports.due(0.0)
    reports.taken(request.id, 5.0, 0.0)
    [look] = reports.due(5.0)
    reports.refused(look.id, 5.0)
    assert reports.due(100.0) == []
    reports.come("a", one("bob", 2))
    assert len(reports.due(100.0)) == 1, "and nothing waits for it"


def test_everyone_is_told_of_when_routers_have_forgotten_them() -> None:
    reports = Reports()
    reports.come("a", one("ann"))
    reports.come("b", one("bob", 2))
    for request in reports.due(0.0):
        reports.taken(request.id, 0.0, 0.0)
    reports.tell_all()
    assert [said(request) for request in reports.due(0.0)] == [("a", ["g.1"], [], True), ("b", ["g.2"], [], True)]


def test_a_few_are_told_of_again_each_time_until_it_was_everyone() -> None:
    reports = Reports()
    for number in range(AGAIN + 5):
        reports.come("a", one("ann", number))
    [request] = reports.due(0.0)
    reports.taken(request.id, 0.0, 0.0)
    told: list[str] = []
    for _ in range(4):
        reports.tell_some()
        for request in reports.due(0.0):
            assert len(request.came) <= AGAIN
            told += [member.session for member in request.came]
            reports.taken(request.id, 0.0, 0.0)
    assert set(told) == {f"g.{number}" for number in range(AGAIN + 5)}
    assert len(told) == len(set(told))


def test_who_has_gone_is_not_told_of_again() -> None:
    reports = Reports()
    for number in (1, 2):
        reports.come("a", one("ann", number))
    [request] = reports.due(0.0)
    reports.taken(request.id, 0.0, 0.0)
    reports.tell_some()
    reports.go("a", "g.1")
    reports.tell_some()
    reports.tell_some()
    [request] = reports.due(0.0)
    assert said(request) == ("a", ["g.2"], ["g.1"], True)


def test_only_so_many_reports_are_on_their_way() -> None:
    reports = Reports()
    for number in range(IN_FLIGHT + 10):
        reports.come(f"t.{number}", one("ann"))
    first = reports.due(0.0)
    assert len(first) == IN_FLIGHT
    assert reports.due(0.0) == []
    reports.taken(first[0].id, 0.0, 0.0)
    assert len(reports.due(0.0)) == 1
