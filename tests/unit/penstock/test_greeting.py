"""What `penstock up` says."""

import shlex
from dataclasses import replace

from penstock.greeting import Up, for_people, for_programs

UP = Up("0.1.0", "penstock", "http://127.0.0.1:8000", 8000, "memory", "in memory", "eyJ.token", "key")


def test_it_says_where_it_listens_and_what_to_type_next():
    text = for_people(UP)
    assert text.startswith("Penstock 0.1.0 listens on http://127.0.0.1:8000\n")
    assert "\n  bus: memory\n  store: in memory\n" in text
    assert "\n  eyJ.token\n" in text
    assert "\n  penstock listen 'orders.*'\n" in text
    assert "\n  penstock emit orders.42 '{\"total\": 12}'\n" in text
    assert "new WebSocket('ws://127.0.0.1:8000/ws', 'penstock.v1.json')" in text


def test_what_to_type_without_amqp_has_the_key():
    (line,) = [line for line in for_people(UP).splitlines() if "curl" in line]
    words = shlex.split(line)
    assert words[:3] == ["curl", "-H", "Authorization: Bearer key"]
    assert words[-2:] == ['{"total": 12}', "http://127.0.0.1:8000/api/events/orders.42"]


def test_a_key_that_was_given_is_not_shown():
    assert "'Authorization: Bearer YOUR-API-KEY'" in for_people(replace(UP, api_key=None))


def test_another_port_and_another_way_of_calling_are_part_of_what_to_type():
    text = for_people(replace(UP, port=9000, penstock=".venv/bin/penstock"))
    assert "\n  .venv/bin/penstock listen --port 9000 'orders.*'\n" in text


def test_without_a_token_nothing_is_said_of_how_to_get_in():
    text = for_people(replace(UP, token=None))
    assert "listen 'orders" not in text
    assert "a token that your application signs" in text


def test_programs_get_the_same_as_data():
    assert for_programs(UP) == {
        "url": "http://127.0.0.1:8000",
        "websocket": "ws://127.0.0.1:8000/ws",
        "port": 8000,
        "bus": "memory",
        "store": "in memory",
        "token": "eyJ.token",
        "api_key": "key",
    }
