"""Requests about who is where: what the store is asked, who is told what."""

from __future__ import annotations

from typing import Any

import msgpack
import pytest
from msgspec import Raw

from router.plan import Deeds, Plan
from router.presence import roll_of
from router.settings import TopicRule
from shared.attending import (
    Attended,
    AttendRequest,
    Change,
    Member,
    Notice,
    PresenceRead,
    PresenceRequest,
    Renewed,
    RenewRequest,
    SessionsRead,
    SessionsRequest,
)
from shared.envelopes import Grant, Refused, SubscribeAllowed, SubscribeRequest, read_deliveries
from shared.store import roll
from shared.store.roll import Attendance, Called
from shared.topics import PARTITIONS, slot
from tests.unit.router.builders import GATEWAY, NOW, conclude, frames, grant, pipeline, replies

RULES = (
    TopicRule(match="room.#", presence=True, presence_listed=7),
    TopicRule(match="bare.#", presence=True, history=0),
)
INFO = msgpack.packb({"name": "Ann"})
ANN, BOB = roll.Member("ann", f"{GATEWAY}.1", INFO), roll.Member("bob", f"{GATEWAY}.2", b"\xc0")


def told(member: roll.Member) -> Member:
    return Member(member.user, member.session, Raw(member.info))


def planned(*requests: Any, grants: tuple[Grant, ...] = (), **more: Any) -> Plan:
    return pipeline(*RULES).plan([frames(*requests, grants=grants, **more)], NOW)


def concluded(plan: Plan, *attendances: Attendance, **more: Any) -> Deeds:
    plan.lease = 20.0
    plan.called = Called({GATEWAY: "lease"}, (GATEWAY,), attendances, **more)
    return conclude(pipeline(*RULES), plan)


def notices(deeds: Deeds) -> list[Notice]:
    return [notice for out in deeds.deliveries for notice in read_deliveries(out.message.body).notices]


def refusal(plan: Plan) -> tuple[str, str]:
    [reply] = plan.replies[GATEWAY]
    assert isinstance(reply, Refused)
    return reply.code, reply.reason


def attend(topic: str = "room.1", came: Any = (ANN,), went: Any = (BOB,), **more: Any) -> AttendRequest:
    return AttendRequest(-2, 1, topic, [told(each) for each in came], [told(each) for each in went], **more)


# What a subscriber is told.


@pytest.mark.parametrize("topic", ["room.1", "bare.1"])
@pytest.mark.parametrize("wanted", [False, True])
def test_a_subscription_to_a_topic_with_presence_carries_what_the_token_says_of_its_user(
    topic: str, wanted: bool
) -> None:
    request = SubscribeRequest(1, 2, 0, topic, presence=wanted)
    plan = planned(request, grants=(grant(info=Raw(INFO)),))
    [reply] = replies(conclude(pipeline(*RULES), plan))
    assert isinstance(reply, SubscribeAllowed)
    assert reply.info == INFO


@pytest.mark.parametrize("topic", ["plain.1", "room.*", "#"])
def test_a_subscription_to_another_or_to_a_pattern_does_not(topic: str) -> None:
    [reply] = replies(conclude(pipeline(*RULES), planned(SubscribeRequest(1, 2, 0, topic), grants=(grant(),))))
    assert isinstance(reply, SubscribeAllowed)
    assert reply.info is None


@pytest.mark.parametrize(
    ("topic", "code", "words"),
    [
        ("plain.1", "not_found", "plain.1 has no presence: its rule, as it was when the router started"),
        ("room.*", "bad_request", "room.* is a pattern"),
    ],
)
def test_who_wants_presence_where_there_is_none_is_refused(topic: str, code: str, words: str) -> None:
    found = refusal(planned(SubscribeRequest(1, 2, 0, topic, presence=True), grants=(grant(),)))
    assert (found[0], words in found[1]) == (code, True)


@pytest.mark.parametrize(
    ("topic", "rights", "code"),
    [
        ("room.1", ("room.2",), "forbidden"),
        ("plain.1", ("#",), "not_found"),
        ("room.*", ("#",), "bad_request"),
        ("", ("#",), "bad_request"),
        (f"/{GATEWAY}", ("#",), "bad_request"),
    ],
)
def test_who_may_not_hear_a_topic_may_not_see_who_is_there(topic: str, rights: tuple[str, ...], code: str) -> None:
    assert refusal(planned(PresenceRequest(1, 2, 0, topic), grants=(grant(subscribe=rights),)))[0] == code


# What the store is asked.


def test_a_report_becomes_a_command_and_its_gateway_is_alive() -> None:
    plan = planned(attend(stays=False), RenewRequest(-2, -1, 5), PresenceRequest(1, 2, 0, "room.2"), grants=(grant(),))
    assert roll_of(plan.attending, 20.0, spare=True) == roll.Roll(
        20.0,
        (GATEWAY,),
        (5,),
        (
            roll.Attend("room.1", GATEWAY, (ANN,), (BOB,), stays=False, linger=5.0),
            roll.Attend("room.2", limit=7),
        ),
        spare=True,
    )


def test_who_asks_who_is_there_makes_no_gateway_alive() -> None:
    plan = planned(PresenceRequest(1, 2, 0, "room.2"), SessionsRequest(-3, 1, None, 10), grants=(grant(),))
    assert roll_of(plan.attending, 20.0, spare=False).gateways == ()


def test_a_gateway_has_a_topic_of_its_own_and_none_of_anothers() -> None:
    [asked] = planned(attend(f"/{GATEWAY}")).attending
    assert asked.command == roll.Attend(f"/{GATEWAY}", GATEWAY, (ANN,), (BOB,), linger=0.0)
    assert refusal(planned(attend("/another")))[0] == "not_found"
    assert refusal(planned(attend("plain.1")))[0] == "not_found"


def test_a_partition_that_does_not_exist_is_not_looked_at() -> None:
    assert refusal(planned(RenewRequest(-2, -1, PARTITIONS)))[0] == "bad_request"


# What follows.


def test_a_report_is_answered_and_who_joined_and_left_is_told_in_the_topics_slot() -> None:
    deeds = concluded(planned(attend()), Attendance("room.1", joined=[ANN], left=[BOB], count=1))
    assert notices(deeds) == [
        Notice("room.1", Change.LEFT, told(BOB)),
        Notice("room.1", Change.JOINED, told(ANN)),
    ]
    assert [out.routing_key for out in deeds.deliveries] == [str(slot("room.1"))]
    assert replies(deeds) == [Attended(-2, 1, 5.0)]


def test_where_nobody_went_the_topic_need_not_be_looked_at_again() -> None:
    assert replies(concluded(planned(attend(went=())), Attendance("room.1"))) == [Attended(-2, 1, 0.0)]


def test_a_report_that_comes_a_second_time_is_told_of_again() -> None:
    """The router that took it before may have died before it told of it."""
    deeds = concluded(planned(attend(went=()), redelivered=True), Attendance("room.1", count=1))
    assert notices(deeds) == [Notice("room.1", Change.JOINED, told(ANN))]


def test_who_is_there_is_answered_with_an_exact_count() -> None:
    plan = planned(PresenceRequest(1, 2, 0, "room.1"), grants=(grant(),))
    deeds = concluded(plan, Attendance("room.1", left=[BOB], count=9, members=[ANN]))
    assert replies(deeds) == [PresenceRead(1, 2, "room.1", [told(ANN)], 9)]
    assert notices(deeds) == [Notice("room.1", Change.LEFT, told(BOB))], "found on the way"


def test_a_renewal_is_answered_with_the_name_of_the_lease_and_tells_of_what_was_found() -> None:
    looked = [Attendance("room.1", left=[ANN]), Attendance("/dead", left=[BOB])]
    deeds = concluded(planned(RenewRequest(-2, -1, 5)), looked=looked, more=True)
    assert replies(deeds) == [Renewed(-2, -1, "lease", 20.0, True)]
    assert notices(deeds) == [Notice("room.1", Change.LEFT, told(ANN))], "and nothing of connections"


def test_who_is_connected_is_answered_in_bounds() -> None:
    plan = planned(SessionsRequest(-3, 1, "ann", 1))
    plan.connected["ann"] = Attendance("", sessions=2, members=[ANN, ANN])
    assert replies(concluded(plan)) == [SessionsRead(-3, 1, [told(ANN)], 2)]


def test_while_the_store_is_away_everything_about_presence_is_refused_for_a_while() -> None:
    plan = planned(attend(), RenewRequest(-2, -1, 5), PresenceRequest(1, 2, 0, "room.1"), grants=(grant(),))
    deeds = conclude(pipeline(*RULES), plan)
    answers = replies(deeds)
    assert [type(reply) for reply in answers] == [Refused] * 3
    assert {reply.code for reply in answers if isinstance(reply, Refused)} == {"unavailable"}
    assert all(reply.retry_after for reply in answers if isinstance(reply, Refused))
    assert deeds.deliveries == []
