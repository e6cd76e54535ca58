"""Messages as they are printed."""

import pytest

from penstock.listening.heard import Heard
from penstock.listening.over_amqp import as_heard
from shared.bus.port import Received


def plain(text, **_):
    return text


def event(body, content_type=None, **more):
    return Received(body, "q", "penstock.events", "orders.42", False, 1, 1, content_type, **more)


def test_people_get_time_topic_data_and_what_is_known():
    line = Heard("orders.42", {"total": 12}, 1_700_000_000_123, offset=7, sender="ada", key="k").for_people(plain)
    assert line.endswith('.123 orders.42  {"total": 12}  #7 from ada key k')


def test_people_get_no_control_characters_from_what_others_published():
    line = Heard("orders.42", "a\x1b[2J\u202eb", 0, sender="\x1b[31mada").for_people(plain)
    assert "\x1b" not in line
    assert "\u202e" not in line


def test_programs_get_the_frame_without_what_is_absent():
    assert Heard("orders.42", None, 5).for_programs() == {"topic": "orders.42", "data": None, "at": 5}
    assert Heard("a", 1, 5, offset=1, epoch="e", key="k", sender="s").for_programs() == {
        "topic": "a",
        "data": 1,
        "at": 5,
        "offset": 1,
        "epoch": "e",
        "key": "k",
        "from": "s",
    }


@pytest.mark.parametrize(
    ("received", "data", "encoding"),
    [
        (event(b'{"a": 1}'), {"a": 1}, None),
        (event(b'{"a": 1}', "application/json; charset=utf-8"), {"a": 1}, None),
        (event("ü".encode(), "text/plain"), "ü", None),
        (event(b"{", "application/json"), "ew==", "base64"),
        (event(b"\xff", "text/plain"), "/w==", "base64"),
        (event(b"\x81\xa1a\x01", "application/msgpack"), "gaFhAQ==", "base64"),
        (event(b"[" * 100_000, "application/json"), None, "base64"),
    ],
    ids=["json", "charset", "text", "broken json", "broken text", "msgpack", "deep"],
)
def test_an_event_is_read_by_its_content_type_and_never_lost(received, data, encoding):
    heard = as_heard(received, 12.5)
    assert heard.encoding == encoding
    assert data is None or heard.data == data
    assert heard.at == 12_500


def test_the_time_and_the_key_of_an_event_are_its_own():
    heard = as_heard(event(b"1", timestamp=100, message_id="k"), 12.5)
    assert (heard.at, heard.key, heard.topic) == (100_000, "k", "orders.42")
