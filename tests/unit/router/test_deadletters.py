import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.deadletters import MAX_ATTEMPTS, MAX_DETAIL, outgoing
from router.plan import DeadLetter
from router.refusals import DeadReason
from shared.bus.topology import DEAD
from shared.bus.wire import publish_frames
from shared.bus.wire_tables import pack_table
from tests.unit.router.builders import NOW, event


def letter(detail="no good", part=None, **more):
    return outgoing(DeadLetter(event("orders.1", b"{", **more), DeadReason.BAD_PAYLOAD, detail, part), "r1", NOW)


def test_a_dead_letter_says_why_whence_and_when():
    out = letter(message_id="m1", timestamp=5, content_type="application/json")
    assert out.exchange == DEAD
    assert out.message.headers == {
        "x-penstock-reason": "bad_payload",
        "x-penstock-detail": "no good",
        "x-penstock-origin-exchange": "penstock.events",
        "x-penstock-origin-routing-key": "orders.1",
        "x-penstock-attempts": 1,
        "x-penstock-router": "r1",
        "x-penstock-at": int(NOW * 1000),
    }
    assert (out.message.message_id, out.message.timestamp, out.message.content_type) == ("m1", 5, "application/json")


def test_a_dead_letter_survives_the_broker_and_keeps_its_body():
    message = letter().message
    assert message.durable
    assert message.body == b"{"
    assert letter(part=b"item").message.body == b"item"


def test_attempts_are_those_that_the_queue_has_counted_and_this_one():
    assert letter(headers={"x-delivery-count": 3}).message.headers["x-penstock-attempts"] == 4


@pytest.mark.parametrize(("told", "attempts"), [(2**63 - 1, MAX_ATTEMPTS), (-5, 1), ("many", 1), (True, 2), ([], 1)])
def test_whatever_a_publisher_wrote_as_their_number_the_letter_can_be_published(told, attempts):
    message = letter(headers={"x-delivery-count": told}).message
    assert message.headers["x-penstock-attempts"] == attempts
    pack_table(message.headers)


@given(st.binary(max_size=255), st.binary(max_size=255))
def test_properties_of_any_bytes_leave_a_letter_that_can_be_published(content_type, message_id):
    texts = {"content_type": content_type, "message_id": message_id}
    out = letter(**{name: raw.decode("utf-8", "replace") for name, raw in texts.items()})
    assert publish_frames(1, out.exchange, out.routing_key, out.message, 131_072)


def test_a_property_that_has_grown_too_long_is_told_in_a_header_and_cut():
    message = letter(message_id="\ufffd" * 100, content_type="x" * 9_000).message
    assert (message.message_id, message.content_type) == (None, None)
    assert message.headers["x-penstock-origin-message-id"] == "\ufffd" * 100
    assert message.headers["x-penstock-origin-content-type"] == "x" * MAX_DETAIL


def test_headers_of_the_origin_stay_behind():
    headers = letter(headers={"CC": ["elsewhere"], "BCC": ["elsewhere"], "x-penstock-reason": "none"}).message.headers
    assert "CC" not in headers
    assert "BCC" not in headers
    assert headers["x-penstock-reason"] == "bad_payload"


def test_no_dead_letter_has_an_empty_routing_key():
    assert letter().routing_key != ""


def test_a_long_detail_is_cut():
    assert len(letter(detail="x" * 10_000).message.headers["x-penstock-detail"]) == MAX_DETAIL
