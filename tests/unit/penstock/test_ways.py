"""Which way emit and listen go."""

import click
import pytest

from penstock import local, ways
from penstock.local import Door
from penstock.ways import Way, choose

DOOR = Door("http://127.0.0.1:8000", "secret", "made key")


def test_without_anything_it_is_the_server_on_this_machine():
    assert choose(None, None, None) == Way("http://127.0.0.1:8000")


def test_what_up_left_is_found_by_its_port():
    local.remember(8000, DOOR)
    assert choose(None, None, None).door == DOOR
    assert choose(None, 8001, None) == Way("http://127.0.0.1:8001")


def test_the_configured_port_is_meant_where_none_is_named(monkeypatch):
    monkeypatch.setenv("PENSTOCK_PORT", "9000")
    assert choose(None, None, None).url == "http://127.0.0.1:9000"
    monkeypatch.setenv("PENSTOCK_PORT", "x")
    with pytest.raises(click.UsageError, match="PENSTOCK_PORT is 'x'"):
        choose(None, None, None)


def test_a_configured_broker_goes_before_the_server_on_this_machine(monkeypatch):
    monkeypatch.setenv("PENSTOCK_AMQP_URL", "amqp://broker")
    assert choose(None, None, None).amqp_url == "amqp://broker"
    assert choose(None, 8000, None).amqp_url is None
    assert choose("https://push.example.com", None, None) == Way("https://push.example.com")


def test_two_ways_at_once_are_refused():
    with pytest.raises(click.UsageError, match="three ways to the same"):
        choose("http://x", 8000, None)


@pytest.mark.parametrize("configured", ["first key,other", '["first key", "other"]', " first key "])
def test_the_first_configured_key_is_shown(monkeypatch, configured):
    monkeypatch.setenv("PENSTOCK_API_KEYS", configured)
    assert ways.api_key(Way("http://x"), None) == "first key"


def test_keys_of_the_file_are_read_too(clean_place):
    (clean_place / "penstock.toml").write_text("api_keys = [\"it's one\", 'other']\n")
    assert ways.api_key(Way("http://x"), None) == "it's one"


def test_a_given_key_goes_before_a_made_one_and_that_before_configured_ones(monkeypatch):
    monkeypatch.setenv("PENSTOCK_API_KEYS", "configured")
    assert ways.api_key(Way("http://x", door=DOOR), "given") == "given"
    assert ways.api_key(Way("http://x", door=DOOR), None) == "made key"


def test_no_key_is_none():
    assert ways.api_key(Way("http://x"), None) is None
