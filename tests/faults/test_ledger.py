"""The books tell every way in which a message can go astray, and nothing where none has."""

from __future__ import annotations

import pytest

from tests.faults.ledger import Account, Ledger, Place
from tests.faults.verdict import Check, judge, missing


class Books(Ledger):
    """A ledger with one publisher, one topic and two subscribers, in few words."""

    def __init__(self) -> None:
        super().__init__()
        for name in ("ada", "bob"):
            self.subscribe(name, ["t"])
            self.begin(name, "t", Place("e", 0))

    def published(self, *numbers: int, acked: bool = True, at: float = 0.0) -> Books:
        for number in numbers:
            self.attempt(f"m{number}", "p", "t", at)
            if acked:
                self.ack(f"m{number}")
        return self

    def got(self, who: str, *numbers: int, offset: int = 0, epoch: str = "e", at: float = 0.0) -> Books:
        for number in numbers:
            self.arrive(who, "t", Place(epoch, offset or number), f"m{number}", at)
        return self

    def both_got(self, *numbers: int) -> Books:
        return self.got("ada", *numbers).got("bob", *numbers)

    def told(self, who: str, offset: int, *, epoch: str = "e", cause: str = "trimmed", at: float = 0.0) -> Books:
        self.announce(who, "t", Place(epoch, offset), cause, at)
        return self

    def wrong(self, *, gaps: bool = False) -> set[Check]:
        return set(judge(self, gaps=gaps))


@pytest.fixture
def books() -> Books:
    return Books()


def test_all_delivered_once_in_order_is_all_well(books: Books) -> None:
    assert books.published(1, 2, 3).both_got(1, 2, 3).wrong() == set()


def test_what_was_acknowledged_and_never_came_is_lost(books: Books) -> None:
    books.published(1, 2).got("ada", 1, 2).got("bob", 1)
    assert books.wrong() == {Check.LOST}
    assert [publish.id for publish in missing(books)["bob"]] == ["m2"]


def test_what_nobody_got_is_lost_for_all(books: Books) -> None:
    assert set(missing(books.published(1))) == {"ada", "bob"}


def test_what_has_an_unknown_outcome_may_come_once_or_not_at_all(books: Books) -> None:
    assert books.published(1, acked=False).wrong() == set()
    assert books.both_got(1).wrong() == set()
    assert Check.DUP in books.got("ada", 1, offset=2).wrong()


def test_what_was_refused_need_not_come(books: Books) -> None:
    books.published(1, acked=False).nack("m1")
    assert books.wrong() == set()


def test_what_was_never_published_is_unexpected(books: Books) -> None:
    assert books.both_got(1).wrong() == {Check.UNEXPECTED}


def test_what_comes_on_another_topic_is_unexpected(books: Books) -> None:
    books.published(1).both_got(1)
    books.subscribe("eve", ["other"])
    books.arrive("eve", "other", Place("e", 1), "m1", 0.0)
    assert Check.UNEXPECTED in books.wrong()


def test_what_stands_elsewhere_than_its_publisher_was_told_is_unexpected(books: Books) -> None:
    books.published(1).ack("m1", Place("e", 2))
    assert books.both_got(1).wrong() == {Check.UNEXPECTED}


def test_a_publisher_that_is_told_two_places_was_logged_twice(books: Books) -> None:
    books.published(1).both_got(1).ack("m1", Place("e", 2))
    books.ack("m1", Place("e", 1))
    assert books.wrong() == {Check.DUP}


def test_the_same_message_twice_is_a_double_whatever_its_offset(books: Books) -> None:
    books.published(1).both_got(1).got("ada", 1, offset=2).got("bob", 1, offset=2)
    assert Check.DUP in books.wrong()


def test_offsets_that_do_not_rise_are_out_of_order(books: Books) -> None:
    assert books.published(1, 2).got("ada", 1, 2).got("bob", 2, 1).wrong() == {Check.ORD, Check.GAP}


def test_a_publisher_overtaking_itself_is_out_of_order(books: Books) -> None:
    books.published(1, 2)
    for who in ("ada", "bob"):
        books.got(who, 2, offset=1).got(who, 1, offset=2)
    assert books.wrong() == {Check.ORD}


def test_a_publisher_of_which_no_order_is_asked_may_overtake_itself(books: Books) -> None:
    books.published(1, 2)
    for who in ("ada", "bob"):
        books.got(who, 2, offset=1).got(who, 1, offset=2)
    assert judge(books, unordered="p") == {}
    assert set(judge(books, unordered="another")) == {Check.ORD}


def test_two_orders_for_two_subscribers_are_out_of_order(books: Books) -> None:
    books.attempt("m1", "p", "t", 0.0)
    books.attempt("m2", "q", "t", 0.0)
    books.got("ada", 1, 2).got("bob", 2, offset=1).got("bob", 1, offset=2)
    assert {Check.ORD, Check.DUP} == books.wrong()


def test_an_epoch_that_comes_back_is_out_of_order(books: Books) -> None:
    books.published(1, 2, 3).both_got(1)
    for who in ("ada", "bob"):
        books.told(who, 1, epoch="f", cause="epoch_changed").got(who, 2, offset=1, epoch="f")
        books.told(who, 3).got(who, 3)
    assert Check.ORD in books.wrong(gaps=True)


def test_a_hole_that_was_not_announced_is_a_gap(books: Books) -> None:
    assert books.published(3).both_got(3).wrong() == {Check.GAP}


def test_a_hole_that_was_announced_is_one_only_where_none_may_be(books: Books) -> None:
    books.published(1, 2, 3).got("ada", 1, 2, 3).got("bob", 1).told("bob", 3).got("bob", 3)
    assert books.wrong() == {Check.GAP}
    assert books.wrong(gaps=True) == set()


def test_an_announcement_excuses_what_it_covers_and_no_more(books: Books) -> None:
    books.published(1, 2, 3, 4).got("ada", 1, 2, 3, 4).got("bob", 1).told("bob", 3).got("bob", 4)
    assert books.wrong(gaps=True) == {Check.LOST, Check.GAP}
    assert [publish.id for publish in missing(books)["bob"]] == ["m3"]


def test_a_new_epoch_has_to_be_announced_and_excuses_what_was_lost_with_the_old_one(books: Books) -> None:
    books.published(1, 2, 3, 4)
    for who in ("ada", "bob"):
        books.got(who, 1)
    silently = books.got("ada", 4, offset=1, epoch="f")
    assert Check.GAP in silently.wrong(gaps=True)
    aloud = Books().published(1, 2, 3, 4).got("ada", 1, 2)
    aloud.lose_logs(1.0)
    aloud.got("bob", 1)
    for who in ("ada", "bob"):
        aloud.told(who, 1, epoch="f", cause="epoch_changed").got(who, 4, offset=1, epoch="f")
    assert aloud.wrong(gaps=True) == set(), "m2 was in the old log, m3 in one that nobody saw"


def test_a_new_epoch_excuses_nothing_that_was_first_tried_after_the_logs_were_lost(books: Books) -> None:
    books.published(1, 2, at=1.0).both_got(1)
    books.lose_logs(2.0)
    books.published(3, 4, 5, at=3.0)
    books.ack("m4", Place("f", 1))
    for who in ("ada", "bob"):
        books.told(who, 2, epoch="f", cause="epoch_changed", at=4.0).got(who, 5, offset=2, epoch="f", at=4.0)
    assert [publish.id for publish in missing(books)["bob"]] == ["m3", "m4"], "m2 may have been in the old log"


def test_a_repeated_attempt_after_the_loss_of_logs_may_have_been_logged_before_it(books: Books) -> None:
    books.published(1, 2, at=1.0).both_got(1)
    books.lose_logs(2.0)
    books.attempt("m2", "p", "t", 3.0)
    for who in ("ada", "bob"):
        books.told(who, 1, epoch="f", cause="epoch_changed", at=4.0)
    assert not missing(books)


def test_a_new_epoch_excuses_nothing_where_no_log_was_lost(books: Books) -> None:
    books.published(1, 2).both_got(1)
    for who in ("ada", "bob"):
        books.told(who, 1, epoch="f", cause="epoch_changed")
    assert set(missing(books)) == {"ada", "bob"}


def test_what_was_there_before_a_subscription_is_not_owed() -> None:
    books = Ledger()
    books.attempt("m1", "p", "t", 0.0)
    books.ack("m1", Place("e", 1))
    books.subscribe("late", ["t"])
    books.begin("late", "t", Place("e", 1))
    assert judge(books) == {}


class Patterned(Books):
    """The same two hear a pattern, and the topic has begun since."""

    def __init__(self) -> None:
        Ledger.__init__(self)
        for name in ("ada", "bob"):
            self.subscribe(name, [], by_pattern=True)
        self.start("t")


def test_all_of_a_new_topic_is_owed_to_who_hears_a_pattern() -> None:
    assert Patterned().published(1, 2).both_got(1, 2).wrong() == set()
    assert set(missing(Patterned().published(1))) == {"ada", "bob"}


def test_a_new_topic_that_does_not_begin_with_its_first_message_has_a_hole() -> None:
    books = Patterned().published(1, 2).got("ada", 1, 2).got("bob", 2)
    assert books.wrong() == {Check.LOST, Check.GAP}
    told = Patterned().published(1, 2).got("ada", 1, 2).told("bob", 2).got("bob", 2)
    assert told.wrong() == {Check.GAP}
    assert told.wrong(gaps=True) == set()


def test_a_new_topic_may_begin_with_a_hole_where_routers_are_heard_late_and_with_no_other() -> None:
    books = Patterned().published(1, 2, 3, 4).got("ada", 1, 2, 3, 4).told("bob", 2).got("bob", 2)
    assert judge(books.got("bob", 3, 4), late=True) == {}
    books = Patterned().published(1, 2, 3).got("ada", 1, 2, 3).got("bob", 1).told("bob", 3).got("bob", 3)
    assert set(judge(books, late=True)) == {Check.GAP}


def test_the_hole_with_which_a_new_topic_begins_excuses_as_many_as_it_has_room_for() -> None:
    books = Patterned().published(1, 2, 3)
    for who in ("ada", "bob"):
        books.told(who, 3, at=1.0).got(who, 3)
    assert not missing(books), "nobody knows where the first two stand"
    assert [publish.id for publish in missing(books.published(4, at=2.0))["bob"]] == ["m4"], "it was tried later"
    assert set(missing(Patterned().published(1, 2, 3).told("bob", 2, at=1.0).told("ada", 2, at=1.0))) == {"ada", "bob"}


def test_a_topic_that_began_later_is_owed_to_nobody_by_name(books: Books) -> None:
    books.start("new")
    books.attempt("n1", "p", "new", 0.0)
    books.ack("n1")
    assert books.wrong() == set()


@pytest.mark.parametrize(("came", "lost"), [((), {Check.LOST}), ((2,), set())])
def test_doubt_about_a_pattern_excuses_what_was_tried_before_it_on_a_new_topic(
    came: tuple[int, ...], lost: set[Check]
) -> None:
    books = Patterned().published(1, at=1.0).published(2, at=3.0).got("ada", 1, 2).got("bob", *came)
    books.doubt("bob", 2.0)
    assert books.wrong(gaps=True) == lost, "m2 was tried later"
    assert books.wrong() == lost | {Check.GAP}


def test_doubt_about_a_pattern_excuses_nothing_of_a_topic_that_began_after_it() -> None:
    books = Patterned().published(1, 2, at=3.0).got("ada", 1, 2).got("bob", 2)
    books.doubt("bob", 2.0)
    assert books.wrong(gaps=True) == {Check.LOST, Check.GAP}


@pytest.mark.parametrize(("missed", "excused"), [(1_001, True), (999, False)])
def test_who_missed_more_than_a_pattern_is_replayed_may_be_told_so_of_a_topic_that_is_quiet(
    missed: int, excused: bool
) -> None:
    books = Patterned().published(1, at=1.0).got("ada", 1, at=1.0)
    books.accounts["ada"]["u"], books.accounts["bob"]["u"] = Account(), Account()
    for number in range(missed):
        books.attempt(f"u{number}", "p", "u", 2.0)
    books.told("bob", 2, at=2.5)
    assert books.wrong() == (set() if excused else {Check.GAP})


def test_what_was_tried_before_a_subscription_and_stands_nobody_knows_where_is_not_owed(books: Books) -> None:
    books.published(1, at=1.0).both_got(1).published(2, at=3.0)
    books.subscribe("late", ["t"])
    books.begin("late", "t", Place("e", 7), at=2.0)
    assert [publish.id for publish in missing(books)["late"]] == ["m2"]


def test_a_repeated_attempt_is_the_same_message(books: Books) -> None:
    books.published(1, acked=False)
    books.attempt("m1", "p", "t", 1.0)
    assert books.publishes["m1"].attempts == 2
    assert books.publishes["m1"].at == 0.0
    assert books.unknown == [books.publishes["m1"]]


@pytest.mark.parametrize(("missed", "excused"), [(1_001, True), (1_000, False)])
def test_who_missed_more_than_a_pattern_is_replayed_may_be_told_so(books: Books, missed: int, excused: bool) -> None:
    last = missed + 2
    books.published(1).got("ada", 1).got("bob", 1, at=1.5)
    books.published(*range(2, last), at=1.0).got("ada", *range(2, last), at=1.0)
    books.published(last, at=3.0).told("bob", last, at=2.0).both_got(last)
    assert books.wrong() == {Check.GAP}, "the library reads on where it hears a topic by name"
    books.by_pattern.add("bob")
    assert books.wrong() == (set() if excused else {Check.GAP})
