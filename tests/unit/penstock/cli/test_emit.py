"""`penstock emit`, up to the wire."""

import io
import json
import sys

import pytest

from penstock import local
from penstock.cli.exits import Exit
from penstock.emitting import over_http
from penstock.local import Door


@pytest.fixture
def sent(monkeypatch):
    calls = []

    def emit(url, api_key, event, count, every, confirmed):
        calls.append((url, api_key, event))
        for _ in range(count):
            confirmed("the broker")

    monkeypatch.setattr(over_http, "emit", emit)
    return calls


def test_an_event_goes_to_the_server_on_this_machine_with_its_key(penstock, sent):
    local.remember(8000, Door("http://127.0.0.1:8000", "secret", "made key"))
    code, out, _ = penstock("emit", "orders.42", '{"total": 12}')
    ((url, key, event),) = sent
    assert (code, out) == (0, "published to orders.42, confirmed by the broker\n")
    assert (url, key) == ("http://127.0.0.1:8000", "made key")
    assert (event.topic, event.body, event.content_type) == ("orders.42", b'{"total": 12}', "application/json")


def test_text_is_sent_as_it_is(penstock, sent):
    penstock("emit", "news", "hello", "--text", "--key", "k")
    assert (sent[0][2].body, sent[0][2].content_type, sent[0][2].key) == (b"hello", "text/plain", "k")


def test_a_payload_comes_from_stdin(penstock, sent, monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO('{"ü": 1}'.encode())))
    penstock("emit", "orders.42", "-")
    assert sent[0][2].body == '{"ü": 1}'.encode()


def test_bytes_that_are_no_text_are_refused(penstock, sent, monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b'"\xff"')))
    code, _, err = penstock("emit", "orders.42", "-")
    assert (code, sent) == (Exit.USAGE, [])
    assert "not UTF-8: byte 1" in err


def test_a_number_below_zero_is_a_payload(penstock, sent):
    code, _, _ = penstock("emit", "sensors.7", "--", "-21.5")
    assert (code, sent[0][2].body) == (0, b"-21.5")


def test_each_of_several_is_told(penstock, sent):
    _, out, _ = penstock("emit", "a", "1", "--count", "2", "--every", "0")
    assert out.splitlines()[1] == "published to a, confirmed by the broker (2 of 2)"
    _, out, _ = penstock("emit", "a", "1", "--count", "2", "--every", "0", "--json")
    assert [json.loads(line)["number"] for line in out.splitlines()] == [1, 2]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["orders.42", "{total: 12}"], "line 1, column 2"),
        (["orders.*", "1"], "is a pattern"),
        (["", "1"], "is no topic"),
        (["a", "1", "--key", "two words"], "visible characters"),
        (["a", "1", "--key", "k" * 129], "visible characters"),
        (["a", "1", "--key", ""], "visible characters"),
        (["a", "1", "--url", "http://x", "--port", "1"], "three ways"),
        (["a"], "Missing argument"),
    ],
)
def test_what_cannot_be_sent_is_told_and_not_sent(penstock, sent, words, told):
    code, out, err = penstock("emit", *words)
    assert (code, out, sent) == (Exit.USAGE, "", [])
    assert told in err
