"""What comes in, what goes out, and that one item's trouble is that item's alone."""

import msgspec
import pytest

from router.payloads import Payloads
from router.refusals import DeadReason
from shared.bus.topology import ANY_SLOT, CC_HEADER, DEAD, DELIVER
from shared.envelopes import ProbeRequest, Published, Refused, SubscribeRequest
from shared.store.port import Admitted, Limit
from shared.topics import slot
from tests.unit.router.builders import (
    GATEWAY,
    NOW,
    conclude,
    entries,
    event,
    frames,
    grant,
    pipeline,
    publish,
    received,
    replies,
)


def reasons(plan):
    return [letter.reason for letter in plan.dead]


def test_what_comes_is_delivered_in_the_order_in_which_it_came():
    pipe = pipeline()
    plan = pipe.plan(
        [
            frames(publish("a", b"1", id=1), publish("b", b"2", id=2), grants=(grant(),)),
            event("a", b"3"),
            frames(publish("a", b"4", id=3), grants=(grant("eve"),), gateway="gateway-2"),
        ],
        NOW,
    )
    deeds = conclude(pipe, plan)
    assert [(entry.topic, entry.payload, entry.sender) for entry in entries(deeds)] == [
        ("a", b"1", "ada"),
        ("b", b"2", "ada"),
        ("a", b"3", None),
        ("a", b"4", "eve"),
    ]
    assert (plan.requests, plan.events, deeds.published) == (3, 1, 4)


def test_all_of_a_batch_is_one_delivery_to_every_slot_it_needs():
    pipe = pipeline()
    plan = pipe.plan([event("a"), event("b"), event("a")], NOW)
    [out] = conclude(pipe, plan).deliveries
    assert (out.exchange, out.routing_key) == (DELIVER, str(slot("a")))
    assert out.message.headers == {CC_HEADER: [str(slot("b")), ANY_SLOT]}


def test_answers_go_to_the_gateway_that_asked():
    pipe = pipeline()
    plan = pipe.plan(
        [
            frames(ProbeRequest(1, 1), publish("a", id=2), grants=(grant(),), gateway="g1"),
            frames(ProbeRequest(1, 3), gateway="g2"),
            frames(ProbeRequest(1, 4), gateway="g1"),
        ],
        NOW,
    )
    deeds = conclude(pipe, plan)
    assert {reply.id for reply in replies(deeds, "g1")} == {1, 2, 4}
    assert {reply.id for reply in replies(deeds, "g2")} == {3}
    assert len(deeds.replies) == 2


def test_the_store_is_asked_once_for_each_publication_in_their_order():
    pipe = pipeline()
    plan = pipe.plan(
        [event("a"), frames(ProbeRequest(1, 1), publish("b"), publish("?"), grants=(grant(),)), event("c")], NOW
    )
    assert [[limit.key[0] for limit in command.limits] for command in plan.commands] == [
        [],
        ["connection", "user", "topic"],
        [],
    ]
    assert [publication.entry.topic for publication in plan.publications] == ["a", "b", "c"]


def test_what_the_store_does_not_admit_is_refused_with_the_time_to_wait():
    pipe = pipeline()
    plan = pipe.plan([frames(publish("a", b"1", id=1), publish("a", b"2", id=2), grants=(grant(),))], NOW)
    limit = Limit(("topic", "ada", "a"), 20, 40)
    deeds = pipe.conclude(plan, [Admitted(0.25, limit), Admitted(0.0)])
    assert [entry.payload for entry in entries(deeds)] == [b"2"]
    refused, published = replies(deeds)
    assert refused == Refused(1, 1, "rate_limited", "more than 20 messages a second by this user on this topic", 0.25)
    assert published == Published(1, 2)


@pytest.mark.parametrize(
    ("odd", "reason"),
    [
        (event("orders.1", b'{"broken":'), DeadReason.BAD_PAYLOAD),
        (event("orders.1", b"1" * 2000), DeadReason.TOO_LARGE),
        (event(""), DeadReason.EMPTY_TOPIC),
        (event("not a topic"), DeadReason.INVALID_TOPIC),
        (event("orders.1", content_type="image/png"), DeadReason.UNKNOWN_CONTENT_TYPE),
        (received(b"\xc1", "penstock.frames", "3"), DeadReason.UNREADABLE_BATCH),
        (received(b"1", "", "penstock.route.3"), DeadReason.UNKNOWN_ORIGIN),
        (received(b"1", "penstock.dead", ""), DeadReason.UNKNOWN_ORIGIN),
    ],
)
def test_a_message_of_which_nothing_can_be_made_is_buried_and_its_neighbours_go_on(odd, reason):
    pipe = pipeline()
    plan = pipe.plan([event("a", b"1"), odd, event("a", b"2")], NOW)
    deeds = conclude(pipe, plan)
    assert reasons(plan) == [reason]
    assert deeds.dead[0].origin is odd
    assert deeds.dead[0].body == odd.body
    assert [entry.payload for entry in entries(deeds)] == [b"1", b"2"]


def test_an_item_that_cannot_be_read_is_buried_alone():
    pipe = pipeline()
    odd = msgspec.msgpack.encode([1, GATEWAY, [], [[99, 1, 1], [4, 1, 2]]])
    deeds = conclude(pipe, plan := pipe.plan([received(odd, "penstock.frames", "3")], NOW))
    assert reasons(plan) == [DeadReason.UNREADABLE_REQUEST]
    assert deeds.dead[0].body == msgspec.msgpack.encode([99, 1, 1])
    assert [reply.id for reply in replies(deeds)] == [2]


def test_a_clients_fault_is_never_a_dead_letter():
    pipe = pipeline()
    requests = [publish("a", b"{"), publish("#"), publish("a b"), SubscribeRequest(1, 2, 0, ""), publish("a", grant=9)]
    deeds = conclude(pipe, pipe.plan([frames(*requests, grants=(grant(),))], NOW))
    assert deeds.dead == []
    assert all(isinstance(reply, Refused) for reply in replies(deeds))
    assert len(replies(deeds)) == len(requests)


def failing_on(payload, monkeypatch):
    """Have the check of one payload fail in a way that nobody expected."""
    check = Payloads.check

    def fails(self, given, encoding):
        if given == payload:
            raise RuntimeError("surprise")
        check(self, given, encoding)

    monkeypatch.setattr(Payloads, "check", fails)


def test_a_fault_of_ours_costs_the_item_it_met_and_no_other(monkeypatch):
    failing_on(b"0", monkeypatch)
    pipe = pipeline()
    plan = pipe.plan(
        [event("a", b"1"), event("a", b"0"), frames(publish("a", b"0", id=1), publish("a", b"2"), grants=(grant(),))],
        NOW,
    )
    deeds = conclude(pipe, plan)
    assert [entry.payload for entry in entries(deeds)] == [b"1", b"2"]
    assert reasons(plan) == [DeadReason.INTERNAL]
    assert [reply.code for reply in replies(deeds) if isinstance(reply, Refused)] == ["internal"]
    assert [type(fault) for fault in plan.faults] == [RuntimeError, RuntimeError]


def test_a_command_that_the_store_failed_on_costs_its_publication_and_no_other():
    pipe = pipeline()
    plan = pipe.plan([event("a", b"1"), event("a", b"2"), frames(publish("a", b"3"), grants=(grant(),))], NOW)
    deeds = pipe.conclude(plan, [RuntimeError("surprise"), Admitted(0.0), RuntimeError("surprise")])
    assert [entry.payload for entry in entries(deeds)] == [b"2"]
    assert reasons(plan) == [DeadReason.INTERNAL]
    assert [reply.code for reply in replies(deeds)] == ["internal"]
    assert len(plan.faults) == 2


def test_what_is_refused_is_known_to_counters_and_log():
    pipe = pipeline()
    plan = pipe.plan([frames(publish("#", session=7), grants=(grant(),))], NOW)
    [denial] = plan.denials
    assert (denial.asker.gateway, denial.session, denial.refusal.code) == (GATEWAY, 7, "bad_request")


def test_nothing_comes_of_nothing():
    pipe = pipeline()
    deeds = conclude(pipe, plan := pipe.plan([], NOW))
    assert plan.commands == []
    assert (deeds.deliveries, deeds.replies, deeds.dead, deeds.published) == ([], [], [], 0)


def test_no_answer_of_the_store_may_be_missing():
    pipe = pipeline()
    with pytest.raises(ValueError, match="shorter"):
        pipe.conclude(pipe.plan([event("a")], NOW), [])


def test_dead_letters_are_not_delivered():
    pipe = pipeline()
    deeds = conclude(pipe, pipe.plan([event("a", b"{")], NOW))
    assert deeds.deliveries == []
    assert DEAD not in [out.exchange for out in deeds.replies]
