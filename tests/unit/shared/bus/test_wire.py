"""What we send, read by pamqp."""

import pytest
from pamqp import body, frame, header
from pamqp.commands import Basic, Channel

from shared.bus.port import Message
from shared.bus.wire import ack_frame, check_strings, flow_frame, publish_frames, reject_frame


def frames(stream):
    found = []
    while stream:
        size, channel, value = frame.unmarshal(stream)
        found.append((channel, value))
        stream = stream[size:]
    return found


def test_a_message_is_published_with_all_its_properties():
    message = Message(b"body", "application/json", "id", 1_700_000_000, {"BCC": ["1", "2"], "n": 5})
    [(_, publish), (_, head), (channel, content)] = frames(
        publish_frames(3, "ex", "key", message, 131_072, mandatory=True, correlation_id="9")
    )
    assert isinstance(publish, Basic.Publish)
    assert (publish.exchange, publish.routing_key, publish.mandatory, publish.immediate) == ("ex", "key", True, False)
    assert isinstance(head, header.ContentHeader)
    properties = head.properties
    assert (head.body_size, properties.content_type, properties.message_id) == (4, "application/json", "id")
    assert (properties.correlation_id, properties.delivery_mode) == ("9", 2)
    assert properties.timestamp.timestamp() == 1_700_000_000
    assert properties.headers == {"BCC": ["1", "2"], "n": 5}
    assert isinstance(content, body.ContentBody)
    assert (channel, content.value) == (3, b"body")


def test_a_message_without_anything_has_no_body_frame():
    [(_, publish), (_, head)] = frames(publish_frames(1, "", "q", Message(b"", durable=False), 131_072))
    assert not publish.mandatory
    assert head.properties.delivery_mode == 1
    assert head.properties.headers is None


@pytest.mark.parametrize(("size", "pieces"), [(4087, 1), (4088, 1), (4089, 2), (8176, 2), (8177, 3)])
def test_a_body_is_split_where_a_frame_is_full(size, pieces):
    payload = bytes(range(256)) * 40
    bodies = [value.value for _, value in frames(publish_frames(1, "", "q", Message(payload[:size]), 4096))[2:]]
    assert len(bodies) == pieces
    assert all(len(piece) + 8 <= 4096 for piece in bodies)
    assert b"".join(bodies) == payload[:size]


def test_a_broker_without_a_bound_gets_one_frame():
    assert len(frames(publish_frames(1, "", "q", Message(bytes(10**6)), 0))) == 3


def test_a_question_that_changes_nothing_is_a_flow_that_goes_on():
    [(channel, flow)] = frames(flow_frame(5))
    assert isinstance(flow, Channel.Flow)
    assert (channel, flow.active) == (5, True)


@pytest.mark.parametrize("multiple", [True, False])
def test_acknowledgements(multiple):
    [(channel, ack)] = frames(ack_frame(5, 2**40, multiple=multiple))
    assert isinstance(ack, Basic.Ack)
    assert (channel, ack.delivery_tag, ack.multiple) == (5, 2**40, multiple)
    [(channel, reject)] = frames(reject_frame(5, 7, requeue=multiple))
    assert isinstance(reject, Basic.Reject)
    assert (channel, reject.delivery_tag, reject.requeue) == (5, 7, multiple)


@pytest.mark.parametrize(
    ("exchange", "key", "message"),
    [
        ("x" * 256, "", Message(b"")),
        ("", "ü" * 128, Message(b"")),
        ("", "", Message(b"", content_type="x" * 256)),
        ("", "", Message(b"", message_id="x" * 256)),
    ],
)
def test_a_string_that_is_too_long_is_refused(exchange, key, message):
    with pytest.raises(ValueError, match="at most 255 bytes"):
        publish_frames(1, exchange, key, message, 131_072)
    with pytest.raises(ValueError, match="at most 255 bytes"):
        check_strings(exchange, key, message)
    check_strings(exchange[:255], key[:127], Message(b"", "x" * 255, "x" * 255))
