import pytest

from router.events import Events
from router.limits import UNLIMITED
from router.payloads import Payloads
from router.refusals import DeadReason, Unprocessable
from router.rules import Rules
from router.settings import DEFAULT_RULE, TopicRule
from shared.envelopes import Encoding, Slow, pack
from tests.unit.router.builders import NOW, event

RULES = (TopicRule(match="ticker.*", slow="latest"), TopicRule(match="live.#", history=0), DEFAULT_RULE)
EVENTS = Events(Rules(RULES), Payloads(1000, 8))
TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


def entry(topic="orders.1", body=b'{"n":1}', **more):
    return EVENTS.decide(event(topic, body, **more), NOW).entry


def why(topic="orders.1", body=b"1", **more):
    with pytest.raises(Unprocessable) as unprocessable:
        EVENTS.decide(event(topic, body, **more), NOW)
    return unprocessable.value


def test_the_routing_key_is_the_topic_and_the_body_is_the_payload():
    made = entry("ticker.acme", b"[1]")
    assert (made.topic, made.payload, made.encoding, made.slow) == ("ticker.acme", b"[1]", Encoding.JSON, Slow.LATEST)
    assert (made.sender, made.key, made.epoch, made.offset, made.trace) == (None, None, None, None, None)


def test_a_back_end_is_not_rate_limited():
    received = event("orders.1")
    publication = EVENTS.decide(received, NOW)
    assert publication.command.limits == ()
    assert publication.origin is received


def test_an_event_is_appended_to_its_topics_log_as_it_will_travel():
    publication = EVENTS.decide(event("ticker.acme", b"[1]"), NOW)
    append = publication.command.append
    assert (append.topic, append.history, append.ttl) == ("ticker.acme", 100, 300)
    assert append.entry == pack(publication.entry)


def test_an_event_on_a_topic_without_history_asks_nothing_of_the_store():
    assert EVENTS.decide(event("live.1", message_id="m1"), NOW).command is UNLIMITED


def test_a_message_id_makes_an_event_the_same_as_another_and_nothing_else_does():
    def key(**more):
        return EVENTS.decide(event("orders.1", **more), NOW).command.append.key

    assert key(message_id="m1") == key(message_id="m1", redelivered=True) == ("message", "m1")
    assert key() is None
    assert key(redelivered=True) is None
    assert key(message_id="") is None


def test_the_message_id_is_the_key():
    assert entry(message_id="m1").key == "m1"
    assert entry(message_id="").key is None


def test_the_timestamp_is_when_it_happened():
    assert entry(timestamp=1_600_000_000).at == 1_600_000_000_000


@pytest.mark.parametrize("timestamp", [None, 0, -5, int(NOW) + 1, 2**63])
def test_without_a_timestamp_that_can_be_it_happened_now(timestamp):
    assert entry(timestamp=timestamp).at == int(NOW * 1000)


@pytest.mark.parametrize("trace", [TRACE, TRACE.encode()])
def test_a_trace_is_carried_on(trace):
    assert entry(headers={"traceparent": trace}).trace == TRACE


@pytest.mark.parametrize("trace", ["", "x" * 5000, TRACE + "-x", TRACE.upper(), 5, None, True, [TRACE], b"\xff\xfe"])
def test_what_is_no_trace_is_left_behind(trace):
    assert entry(headers={"traceparent": trace, "CC": ["elsewhere"]}).trace is None


@pytest.mark.parametrize(
    ("content_type", "body", "encoding"),
    [
        ("text/plain", b"hello", Encoding.TEXT),
        ("application/msgpack", b"\x81\xa1a\x01", Encoding.MSGPACK),
        ("application/octet-stream", b"\xff\x00", Encoding.BINARY),
    ],
)
def test_the_content_type_says_how_subscribers_are_to_read_it(content_type, body, encoding):
    made = entry(body=body, content_type=content_type)
    assert (made.payload, made.encoding) == (body, encoding)


def test_an_empty_routing_key_is_no_topic():
    assert why("").reason is DeadReason.EMPTY_TOPIC


@pytest.mark.parametrize("topic", ["a b", "a..b", ".", "#", "a.*", "a\nb", "ü", "a" * 201, ".".join("a" * 17)])
def test_a_routing_key_that_is_no_topic_is_told(topic):
    assert why(topic).reason is DeadReason.INVALID_TOPIC


@pytest.mark.parametrize(
    ("body", "content_type", "reason"),
    [
        (b'{"broken":', None, DeadReason.BAD_PAYLOAD),
        (b"", "application/json", DeadReason.BAD_PAYLOAD),
        (b"[" * 100, None, DeadReason.BAD_PAYLOAD),
        (b"\xff", "text/plain", DeadReason.BAD_PAYLOAD),
        (b"\xdd\xff\xff\xff\xff", "application/msgpack", DeadReason.BAD_PAYLOAD),
        (b'"' + b"x" * 1000 + b'"', None, DeadReason.TOO_LARGE),
        (b"GIF89a", "image/gif", DeadReason.UNKNOWN_CONTENT_TYPE),
        (b"1", "x" * 300, DeadReason.UNKNOWN_CONTENT_TYPE),
    ],
)
def test_a_body_that_clients_cannot_be_given_is_told(body, content_type, reason):
    assert why(body=body, content_type=content_type).reason is reason


def test_no_detail_is_long_whatever_a_back_end_sends():
    assert len(why(content_type="x" * 5000).detail) < 200
    assert len(why("x" * 5000).detail) < 200
